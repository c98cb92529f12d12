"""Market data: one op ingests everything once and materializes one asset per dataset of the registry.

Rules and checks of a dataset look at the others of its family, so there is nothing to gain from ingesting them apart.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import dagster as dg

from basis_pipeline.defs.catalogue import dataset_metadata, gates_in_words
from basis_pipeline.defs.downloads import DOWNLOADS
from basis_pipeline.defs.failures import refusals
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.domain.timeline import iso
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.datasets import DATASETS
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.gates import DATA_GATES
from basis_pipeline.runs.ingest import DatasetSummary, IngestReport, SeriesReport
from basis_pipeline.runs.pipeline import prepare_data
from basis_pipeline.runs.standing import dataset_version

RAW_FILES = "raw_files"
_OWNER = "team:market-data"
_SHOWN = 200
_RAW = dg.AssetSpec(
    RAW_FILES,
    deps=[DOWNLOADS],
    group_name="data_raw",
    description="Vendor files as they came: exchange and chain data as CSV, JSON and Parquet. A root without files of "
    "its own is filled with the synthetic sample.",
    kinds={"csv"},
    owners=[_OWNER],
)
_DATASETS = [
    dg.AssetSpec(
        dataset.name,
        deps=[RAW_FILES],
        group_name=f"data_{dataset.family}",
        description=dataset.description,
        metadata=dataset_metadata(dataset),
        kinds={"parquet"},
        owners=[_OWNER],
        skippable=True,
    )
    for dataset in DATASETS.values()
]
_CHECKS = [
    dg.AssetCheckSpec(
        "every_file_read", asset=RAW_FILES, description="Every file has a known layout and could be read."
    ),
    *(
        dg.AssetCheckSpec(
            "ingested",
            asset=name,
            description="No file or series is broken; a broken one keeps what was published.\n\n"
            + gates_in_words(gate for gate in DATA_GATES if gate.datasets == ("*",)),
        )
        for name in DATASETS
    ),
    *(
        dg.AssetCheckSpec(
            "reliable",
            asset=name,
            description="No month of a published series must be refused by those who read it.\n\n"
            + gates_in_words(gate for gate in DATA_GATES if name in gate.datasets),
        )
        for name in DATASETS
    ),
]

Found = tuple[SeriesKey | None, Finding]
"""A finding and the series it concerns."""

Events = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]


@dg.multi_asset(name="ingest", specs=[_RAW, *_DATASETS], check_specs=_CHECKS, pool="market_data")
def market_data(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> Events:
    """Read, clean, validate and publish what changed, by series and month."""
    opened = workspace.open()
    with refusals():
        report = prepare_data(opened, lambda what, done, total: _log_tenths(context, what, done, total))
    yield _raw_files(report, str(opened.raw))
    for summary in report.summary():
        yield _dataset(report, summary, dataset_version(opened, summary.dataset))
    yield _every_file_read(report)
    for name in DATASETS:
        yield _ingested(report, name)
        yield _reliable(report, name)


def _log_tenths(context: dg.AssetExecutionContext, what: str, done: int, total: int) -> None:
    """Every line is a row in the event log: ten per stage are enough."""
    if done == total or done % max(1, total // 10) == 0:
        context.log.info(f"{what} {done}/{total}")


def _raw_files(report: IngestReport, folder: str) -> dg.MaterializeResult[None]:
    unread = [file for file in report.files if file.reason]
    return dg.MaterializeResult(
        asset_key=RAW_FILES,
        metadata={
            "folder": dg.MetadataValue.path(folder),
            "files": len(report.files),
            **{f"files {status}": count for status, count in Counter(file.status for file in report.files).items()},
            "not read": dg.MetadataValue.table(
                [
                    dg.TableRecord({"file": file.path, "status": file.status, "reason": file.reason})
                    for file in unread[:_SHOWN]
                ],
                schema=_texts("file", "status", "reason"),
            ),
        },
    )


def _dataset(report: IngestReport, summary: DatasetSummary, version: str) -> dg.MaterializeResult[None]:
    series = [one for one in report.series if one.key.dataset == summary.dataset]
    return dg.MaterializeResult(
        asset_key=summary.dataset,
        data_version=dg.DataVersion(version),
        metadata={
            "dagster/row_count": summary.rows,
            "series": summary.series,
            "dropped": summary.dropped,
            "quarantined": summary.quarantined,
            "filled": summary.filled,
            "proxied": summary.proxied,
            "months published now": sum(len(one.published) for one in series),
            "by series": dg.MetadataValue.table([_series(one) for one in series]),
            "findings": _findings(_concerning(report, summary.dataset)),
        },
    )


def _series(series: SeriesReport) -> dg.TableRecord:
    coverage, counts = series.coverage, series.counts
    return dg.TableRecord(
        {
            "venue": series.key.venue,
            "symbol": series.key.symbol,
            "status": series.status,
            "rows": counts.kept,
            "first": iso(coverage.first) if coverage else "",
            "last": iso(coverage.last) if coverage else "",
            "missing steps": coverage.missing_steps if coverage else 0,
            "dropped": sum(counts.dropped.values()),
            "filled": sum(counts.filled.values()),
            "proxied": sum(counts.proxied.values()),
        }
    )


def _every_file_read(report: IngestReport) -> dg.AssetCheckResult:
    broken = [file for file in report.files if file.status in ("failed", "unrecognised")]
    return dg.AssetCheckResult(
        passed=not broken,
        asset_key=RAW_FILES,
        check_name="every_file_read",
        description=f"{len(report.files)} files" if not broken else "; ".join(file.path for file in broken[:5]),
        metadata={"findings": _findings([(file.key, finding) for file in broken for finding in file.findings])},
    )


def _ingested(report: IngestReport, dataset: str) -> dg.AssetCheckResult:
    errors = set(report.errors)
    return _check("ingested", dataset, [found for found in _concerning(report, dataset) if found[1] in errors])


def _reliable(report: IngestReport, dataset: str) -> dg.AssetCheckResult:
    failed = set(report.failed_checks)
    return _check("reliable", dataset, [found for found in _concerning(report, dataset) if found[1] in failed])


def _concerning(report: IngestReport, dataset: str) -> list[Found]:
    """What was found in the files and series of a dataset, each once."""
    return [found for found in dict.fromkeys(report.findings()) if found[0] and found[0].dataset == dataset]


def _check(name: str, dataset: str, findings: Sequence[Found]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not findings,
        asset_key=dataset,
        check_name=name,
        description=findings[0][1].message if findings else "nothing found",
        metadata={"findings": _findings(findings)},
    )


def _findings(findings: Sequence[Found]) -> dg.MetadataValue:
    columns = ("severity", "rule", "series", "month", "count", "found", "remedy")
    return dg.MetadataValue.table(
        [dg.TableRecord(dict(zip(columns, _cells(key, finding), strict=True))) for key, finding in findings[:_SHOWN]],
        schema=_texts(*columns),
    )


def _cells(key: SeriesKey | None, finding: Finding) -> tuple[str, ...]:
    series = f"{key.venue} {key.symbol}" if key else finding.file
    count = str(finding.count)
    return finding.severity, finding.rule, series, finding.month, count, finding.message, finding.remedy


def _texts(*columns: str) -> dg.TableSchema:
    """Stated, because Dagster cannot infer the columns of an empty table."""
    return dg.TableSchema([dg.TableColumn(column) for column in columns])
