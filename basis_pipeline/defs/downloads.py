"""Downloads: vendor files from where they are published, before ingestion. Off unless downloads.yaml enables them.

What could not be had fails a check and not the run: one vendor that is down keeps no other's data from being ingested.
"""

from collections.abc import Iterator, Sequence

import dagster as dg
from pydantic import Field

from basis_pipeline.defs.failures import refusals
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.runs.download import DownloadReport, Outcome, Selection, download, is_configured

DOWNLOADS = "downloads"
EVERYTHING_FETCHED = "everything_fetched"
_OFF = "nothing is downloaded: `enabled` is false in configs/downloads.yaml, or the data root holds the sample"
_SHOWN = 500
_COLUMNS = ("source", "series", "month", "status", "rows", "steps missing", "file", "problem")


class DownloadConfig(dg.Config):
    """What to fetch; empty fields mean everything that configs/downloads.yaml lists."""

    first_month: str = Field(
        default="", description="First month, YYYY-MM. Empty: `first_month` of configs/downloads.yaml."
    )
    last_month: str = Field(default="", description="Last month, YYYY-MM, included. Empty: the current month.")
    datasets: list[str] = Field(default=[], description="Only these datasets, such as spot_candles_1h. Empty: all.")
    venues: list[str] = Field(
        default=[], description="Only these exchanges, protocols or chains, such as binance. Empty: all."
    )
    symbols: list[str] = Field(default=[], description="Only these symbols, such as BTCUSDT. Empty: all.")


@dg.asset(
    name=DOWNLOADS,
    group_name="data_raw",
    kinds={"csv"},
    owners=["team:market-data"],
    pool="market_data",
    check_specs=[
        dg.AssetCheckSpec(
            EVERYTHING_FETCHED,
            asset=DOWNLOADS,
            description="Every month that is due could be had, or its vendor does not have it. What failed is tried "
            "again the next time; ingestion goes on with what is there.",
        )
    ],
    description="""Vendor files of exchanges (archives and APIs) and of Ethereum, one per series and month.

* a complete month is never fetched again; the open one goes on where it ended
* every file has a `.provenance.json` beside it: URLs, digests, how far it reaches
* nothing is fetched unless `enabled: true` stands in `configs/downloads.yaml`
""",
)
def downloads(
    context: dg.AssetExecutionContext, config: DownloadConfig, workspace: WorkspaceResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Fetch what is due; the check says what could not be had."""
    opened = workspace.open()
    with refusals():
        if not is_configured(opened):
            context.log.warning(_OFF)
            yield dg.MaterializeResult(metadata={"months": _OFF}, check_results=[_everything_fetched(())])
            return
        report = download(
            opened,
            Selection(frozenset(config.datasets), frozenset(config.venues), frozenset(config.symbols)),
            first=config.first_month or None,
            last=config.last_month or None,
            note=lambda outcome: _log(context, outcome),
        )
    yield dg.MaterializeResult(metadata=_metadata(report), check_results=[_everything_fetched(report.failed)])


def _everything_fetched(failed: Sequence[Outcome]) -> dg.AssetCheckResult:
    first = f"; first: {failed[0].target}: {failed[0].error}" if failed else ""
    return dg.AssetCheckResult(
        passed=not failed,
        check_name=EVERYTHING_FETCHED,
        description=f"{len(failed)} months could not be had{first}" if failed else "nothing that is due is left",
    )


def _log(context: dg.AssetExecutionContext, outcome: Outcome) -> None:
    """Months that were complete before are not worth a line each."""
    if outcome.error:
        context.log.error(f"{outcome.target}: {outcome.error}")
    elif outcome.status != "kept":
        context.log.info(f"{outcome.target}: {outcome.status}, {outcome.rows} rows, {outcome.missing} steps missing")


def _metadata(report: DownloadReport) -> dict[str, dg.MetadataValue]:
    """What became of each month, those first that somebody should look at."""
    order = ("failed", "missing", "fetched", "extended", "kept")
    shown = sorted(report.outcomes, key=lambda outcome: order.index(outcome.status))[:_SHOWN]
    return {
        "folder": dg.MetadataValue.path(str(report.raw / DOWNLOADS)),
        **{f"months {status}": dg.MetadataValue.int(count) for status, count in report.counts().items()},
        "months": dg.MetadataValue.table(
            [dg.TableRecord(dict(zip(_COLUMNS, _cells(outcome), strict=True))) for outcome in shown],
            schema=dg.TableSchema([dg.TableColumn(column) for column in _COLUMNS]),
        ),
    }


def _cells(outcome: Outcome) -> tuple[str | int, ...]:
    target = outcome.target
    said = (target.source, str(target.key), target.month, outcome.status)
    return *said, outcome.rows, outcome.missing, target.path, str(outcome.error or "")
