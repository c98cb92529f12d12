"""The first page of the reports: every mode, every experiment and every rejected month on one line each."""

from __future__ import annotations

from collections.abc import Sequence
from string import Template

from basis_pipeline.domain.records import Category
from basis_pipeline.results.metrics import stamps_of
from basis_pipeline.results.pictures import equity_svg
from basis_pipeline.results.report import asset
from basis_pipeline.results.report_evidence import verdicts
from basis_pipeline.results.report_headline import CARRY, category_sum
from basis_pipeline.results.report_record import Record, load_record
from basis_pipeline.results.report_text import Html, html, joined, money, percent, plain, table, tag, toned
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.storage.files import put_bytes
from basis_pipeline.storage.locations import Location, relative_link

_HEAD = ("Mode", "Return", "CAGR", "Max drawdown", "Equity", "Sharpe", "Carry", "Costs", "", "Months", "Gates")
_KINDS = "knnnknnnkkk"
_NOTES = (
    "Return and CAGR are time-weighted, in the share class, as are carry (funding and yields net of interest) and "
    "costs. Sharpe is of daily returns, 365 days a year, risk-free rate 0: an even carry has a very high one. "
    "A mode links to its report where one has been written."
)


def write_overview(results: ResultsStore) -> Location:
    """Write `reports/index.html`; an empty store gives a page that says so.

    Raises:
        StorageError: the page cannot be written.
    """
    put_bytes(results.overview_path, _render(results).encode())
    return results.overview_path


def _render(results: ResultsStore) -> str:
    standing = [load_record(results, mode) for mode in results.modes()]
    ad_hoc = [
        load_record(results, mode, experiment=name) for name in results.experiments() for mode in results.modes(name)
    ]
    rejected = [load_record(results.rejected, mode) for mode in results.rejected.modes()]
    sections = [_section("Modes", results, standing, "No month is published yet: run a backtest first.")]
    if ad_hoc:
        sections.append(_section("Experiments", results, ad_hoc, ""))
    if rejected:
        sections.append(_section("Rejected by a gate", results.rejected, rejected, ""))
    return Template(asset("overview.html")).substitute(
        title="Backtests",
        heading="Backtests",
        facts=tag("span", f"{len(standing)} modes, {sum(len(record.months) for record in standing)} published months"),
        style=asset("report.css"),
        sections=joined(sections),
        footer=html(_NOTES),
    )


def _section(title: str, results: ResultsStore, records: Sequence[Record], empty: str) -> Html:
    content = (
        table(_HEAD, [_row(results, record) for record in records], _KINDS)
        if records
        else tag("p", empty, class_="note")
    )
    return tag("section", tag("h2", title) + tag("div", content, class_="panel"), class_="block")


def _row(results: ResultsStore, record: Record) -> list[object]:
    found, steps = record.metrics, record.tables["timesteps"]
    gates = tuple(gate for month in record.months for gate in month.manifest.gates)
    return [
        _link(results, record),
        toned(found["time_weighted_return"], percent(found["time_weighted_return"])),
        toned(found["cagr"], percent(found["cagr"])),
        percent(found["max_drawdown"]),
        Html(equity_svg(stamps_of(steps).astype(float), steps["equity_share_class"].to_numpy())),
        plain(found["sharpe"]),
        money(category_sum(found, *CARRY), record.currency),
        money(category_sum(found, Category.TRANSACTION_COSTS), record.currency),
        record.currency,
        record.span,
        joined(verdicts(gates), " "),
    ]


def _link(results: ResultsStore, record: Record) -> Html:
    report = results.report_path(record.mode, record.experiment)
    if not report.exists():
        return Html(html(record.title))
    return tag("a", record.title, href=relative_link(report, results.overview_path.parent))
