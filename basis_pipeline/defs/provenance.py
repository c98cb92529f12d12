"""What months were made from, in Dagster's terms, so that the UI calls exactly those stale that `basis modes` does.

Dagster compares the version of every input with the one a partition was made from. Datasets are no such inputs: they
have one version each, so any new row would make every month of every reader stale. Each mode therefore has an external
asset `<mode>_inputs` between its datasets and itself: its version of a month is what a run of that month would give the
month as data version today (`runs.freshness.versions_today`), the months before it included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.defs.signals import modes_signals
from basis_pipeline.market_data.frames.requirements import requirements
from basis_pipeline.results.store import PublishedMonth, month_digest
from basis_pipeline.storage.digests import text_digest

Tags = dict[str, str]

_AFTER_EVERY_EVENT = str(2**62)
"""Points behind any event of the month before: that one's content is part of the version of the inputs already."""


def inputs_name(mode: str) -> str:
    return f"{mode}_inputs"


def inputs_asset(wired: WiredMode, months: dg.MonthlyPartitionsDefinition, models: Sequence[str] = ()) -> dg.AssetSpec:
    """What a run of each month of `wired` would read today; observed, never run.

    `models` are those trained here; a mode that follows one depends on its signals.
    """
    return dg.AssetSpec(
        inputs_name(wired.name),
        deps=[
            *sorted({required.series.dataset for required in requirements(wired.frame_spec)}),
            *modes_signals(wired, models),
        ],
        group_name=f"backtests_{wired.file.strategy.shape}",
        description=f"What every month of `{wired.name}` is a function of: configuration, behaviour of the engine, the "
        "months of market data it reads, the months before it. Its data version changes where a run of that month "
        "would give something else today; the month is stale then. Kept up to date by the sensor `published_months`.",
        kinds={"parquet"},
        owners=["team:quant-research"],
        partitions_def=months,
    )


def code_version(config_digest: str) -> str:
    return config_digest[:12]


def content_version(months: Iterable[PublishedMonth]) -> str:
    """Data version of months that were published together: equal for equal content."""
    return text_digest(*map(month_digest, months))


def observe_inputs(instance: dg.DagsterInstance, mode: str, versions: Mapping[str, str]) -> int:
    """Record versions of the inputs by month where they are news; the position in the event log after them."""
    key = dg.AssetKey(inputs_name(mode))
    known = instance.event_log_storage.get_latest_tags_by_partition(
        key, dg.DagsterEventType.ASSET_OBSERVATION, [DATA_VERSION_TAG]
    )
    for month, version in versions.items():
        if known.get(month, {}).get(DATA_VERSION_TAG) != version:
            tags = {DATA_VERSION_TAG: version, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"}
            instance.report_runless_asset_event(dg.AssetObservation(key, partition=month, tags=tags))
    latest = instance.fetch_observations(key, limit=1).records
    return latest[0].storage_id if latest else 0


def provenance(mode: str, config_digest: str, data_version: str, position: int) -> Tags:
    """Tags of a materialization of months of `mode` whose inputs were observed up to `position` of the event log."""
    inputs, itself = dg.AssetKey(inputs_name(mode)), dg.AssetKey(mode)
    return {
        DATA_VERSION_TAG: data_version,
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
        CODE_VERSION_TAG: code_version(config_digest),
        get_input_data_version_tag(inputs): data_version,
        get_input_event_pointer_tag(inputs): str(position),
        get_input_data_version_tag(itself): data_version,
        get_input_event_pointer_tag(itself): _AFTER_EVERY_EVENT,
    }
