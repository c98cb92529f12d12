"""Market data that were ingested, and signals that were trained, without Dagster: reported as materializations.

What the disk does not tell (rows dropped, findings, verdicts of checks) is told by Dagster's own runs only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    NULL_DATA_VERSION,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from basis_pipeline.defs.downloads import DOWNLOADS
from basis_pipeline.defs.jobs import MARKET_DATA, SIGNALS, is_being_written
from basis_pipeline.defs.market_data import RAW_FILES
from basis_pipeline.defs.metadata import Metadata
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.defs.signals import signals_metadata, signals_name
from basis_pipeline.domain.errors import StorageError
from basis_pipeline.market_data.datasets import DATASETS
from basis_pipeline.runs.signals import CANDLES, outdated_signals, published_signals, signals_version
from basis_pipeline.runs.standing import dataset_version
from basis_pipeline.runs.workspace import Workspace

EVERY_SECONDS = 30


def ingested_market_data(models: Sequence[str]) -> dg.SensorDefinition:
    """The sensor over the market data and the signals of `models`."""
    signals = {signals_name(model): model for model in models}

    @dg.sensor(
        name="ingested_market_data",
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports market data that were ingested, and signals that were trained, without Dagster (`basis "
        "run`, `basis ingest`, `basis signals`). Checks of data are evaluated by the job `market_data` only.",
    )
    def reports_ingested(context: dg.SensorEvaluationContext, workspace: WorkspaceResource) -> dg.SkipReason:
        if is_being_written(context.instance, (MARKET_DATA, SIGNALS), (*DATASETS, *signals)):
            return dg.SkipReason("a run of Dagster writes market data and reports them itself")
        told = _report_news(context.instance, workspace.open(), signals)
        return dg.SkipReason(f"reported {', '.join(told)}" if told else "everything that is ingested is known")

    return reports_ingested


def _report_news(instance: dg.DagsterInstance, workspace: Workspace, signals: Mapping[str, str]) -> list[str]:
    """Assets of which the instance did not know the content; `signals` are models by asset."""
    published = [name for name in workspace.validated.datasets() if name in DATASETS]
    versions = {name: dataset_version(workspace, name) for name in published}
    trained = {asset: signals_version(workspace, model) for asset, model in signals.items()}
    news = _unknown(instance, versions)
    if news and instance.get_latest_materialization_event(dg.AssetKey(RAW_FILES)) is None:
        _report_raw_files(instance, workspace)
    for name in news:
        _report(instance, name, _dataset(workspace, name), versions[name])
    for asset in (told := _unknown(instance, {asset: version for asset, version in trained.items() if version})):
        _report_signals(instance, workspace, signals[asset], trained[asset])
    return [*news, *told]


def _unknown(instance: dg.DagsterInstance, versions: Mapping[str, str]) -> list[str]:
    """Assets whose latest materialization is of another version, or that have none."""
    return [name for name, version in versions.items() if _known_version(instance, name) != version]


def _known_version(instance: dg.DagsterInstance, asset: str) -> str | None:
    event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    materialization = event.asset_materialization if event else None
    return (materialization.tags or {}).get(DATA_VERSION_TAG) if materialization else None


def _report(instance: dg.DagsterInstance, asset: str, metadata: Metadata, version: str, **made_of: str) -> None:
    """`made_of` is the version of its input, by name: without, whatever is materialized anew makes it unsynced."""
    tags = {DATA_VERSION_TAG: version, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"} | _provenance(**made_of)
    instance.report_runless_asset_event(dg.AssetMaterialization(asset, metadata=metadata, tags=tags))


def _provenance(**made_of: str) -> dict[str, str]:
    tags = {CODE_VERSION_TAG: ""} if made_of else {}
    for asset, version in made_of.items():
        tags[get_input_data_version_tag(dg.AssetKey(asset))] = version
        tags[get_input_event_pointer_tag(dg.AssetKey(asset))] = NULL_EVENT_POINTER
    return tags


def _report_raw_files(instance: dg.DagsterInstance, workspace: Workspace) -> None:
    """Before the datasets that were made of them, and as made of what was downloaded so far."""
    tags = _provenance(**{DOWNLOADS: _known_version(instance, DOWNLOADS) or NULL_DATA_VERSION.value})
    metadata = {"folder": dg.MetadataValue.path(str(workspace.raw))}
    instance.report_runless_asset_event(dg.AssetMaterialization(RAW_FILES, metadata=metadata, tags=tags))


def _report_signals(instance: dg.DagsterInstance, workspace: Workspace, model: str, version: str) -> None:
    """What they were trained on is what is there today, or something else."""
    try:
        metadata = signals_metadata(workspace, model, published_signals(workspace, model))
        outdated = bool(outdated_signals(workspace, model))
    except StorageError as error:
        metadata, outdated = {"out of sample": dg.MetadataValue.text(str(error))}, True
    candles = NULL_DATA_VERSION.value if outdated else dataset_version(workspace, CANDLES)
    _report(instance, signals_name(model), metadata, version, **{CANDLES: candles})


def _dataset(workspace: Workspace, dataset: str) -> Metadata:
    rows = Counter[tuple[str, str]]()
    for found in workspace.validated.publications(dataset).publications():
        venue, symbol, _month = (part.partition("=")[2] for part in found.partition.split("/"))
        rows[venue, symbol] += found.file(dataset).rows
    columns = ("venue", "symbol", "rows", "first month", "last month")
    series = [
        dg.TableRecord(dict(zip(columns, (venue, symbol, rows[venue, symbol], months[0], months[-1]), strict=True)))
        for venue, symbol, months in workspace.validated.series(dataset)
    ]
    # A schema of its own: a dataset whose last series was withdrawn has no row to tell it from.
    schema = dg.TableSchema([dg.TableColumn(name) for name in columns])
    return {
        "dagster/row_count": dg.MetadataValue.int(rows.total()),
        "series": dg.MetadataValue.int(len(series)),
        "by series": dg.MetadataValue.table(series, schema),
        "ingested": dg.MetadataValue.md("without Dagster; `basis ingest --verbose` lists what was found"),
    }
