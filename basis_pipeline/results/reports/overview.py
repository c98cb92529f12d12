"""The first page of the reports: every mode, every experiment and every rejected month, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from string import Template
from typing import NamedTuple

from basis_pipeline.domain.evidence import GateStatus
from basis_pipeline.domain.records import Category
from basis_pipeline.results.metrics import stamps_of
from basis_pipeline.results.reports.carry import CARRY
from basis_pipeline.results.reports.evidence import mark, verdicts
from basis_pipeline.results.reports.headline import category_sum
from basis_pipeline.results.reports.overview_compare import correlation_table, growth_panel, monthly_table
from basis_pipeline.results.reports.pictures import equity_svg
from basis_pipeline.results.reports.record import Origin, Summary, load_summary
from basis_pipeline.results.reports.report import asset, card, drawn, panels_json, script, style
from basis_pipeline.results.reports.text import Html, html, joined, percent, plain, table, tag, toned
from basis_pipeline.results.store import ResultsStore, broken_months
from basis_pipeline.storage.files import put_bytes
from basis_pipeline.storage.locations import Location, relative_link

Stale = Mapping[str, Sequence[str]]
"""Months by mode that would come out differently today."""

_HEAD = (
    "Mode", "State", "Return", "CAGR", "Drawdown", "", "Volatility", "Sharpe", "Carry", "Costs", "Share class",
    "Months", "Gates",
)  # fmt: skip
_KINDS = "kknnnknnnnkkk"
_AFTER_RETURN = _HEAD.index("Return") + 1
_NOTES = (
    "Return and CAGR are time-weighted, in the share class. Carry (funding and yields net of interest) and costs are "
    "in percent of the capital. Sharpe is of daily returns, 365 days a year, risk-free rate 0: an even carry has a "
    "very high one. The small picture is equity over time, drawdowns shaded, each on a scale of its own. A mode links "
    "to its report where one has been written. Stale: a run today would give something else."
)


class _Listed(NamedTuple):
    """A record in the overview, and how it stands."""

    summary: Summary
    status: GateStatus
    state: str


def write_overview(results: ResultsStore, stale: Stale | None = None, origin: Origin = Origin()) -> Location:  # noqa: B008
    """Write `reports/index.html`; an empty store gives a page that says so. Without `stale` nothing is said of it.

    Raises:
        StorageError: the page cannot be written.
    """
    put_bytes(results.overview_path, _render(results, stale or {}, origin).encode())
    return results.overview_path


def _render(results: ResultsStore, stale: Stale, origin: Origin) -> str:
    standing = [_listed(load_summary(results, mode), stale.get(mode, ())) for mode in results.modes()]
    beside = [_listed(summary, ()) for summary in _experiments(results)]
    live = [found for found in beside if found.summary.live]
    ad_hoc = [found for found in beside if not found.summary.live]
    refused = [load_summary(results.rejected, mode) for mode in results.rejected.modes()]
    rejected = [_Listed(found, GateStatus.FAILED, "rejected") for found in [*refused, *_experiments(results.rejected)]]
    summaries = [found.summary for found in standing]
    panels = [growth_panel(summaries)] if standing else []
    sections = [_section("Modes", results, standing, "No month is published yet: run a backtest first.")]
    if standing:
        compared = [*map(drawn, panels), card("Return by month", monthly_table(summaries), wide=True)]
        compared.append(card("Correlation of daily returns", correlation_table(summaries), wide=True))
        sections.append(_block("Compared", tag("div", joined(compared), class_="grid")))
    if live:
        sections.append(_section("Live", results, live, "", beside=summaries))
    if ad_hoc:
        sections.append(_section("Experiments", results, ad_hoc, "", beside=summaries))
    if rejected:
        sections.append(_section("Rejected by a gate", results.rejected, rejected, ""))
    return Template(asset("overview.html")).substitute(
        title="Backtests",
        heading="Backtests",
        facts=joined(tag("span", fact) for fact in _facts(standing, origin)),
        attention=_attention([*standing, *live, *ad_hoc, *rejected]),
        sections=joined(sections),
        footer=html(_NOTES),
        style=style(),
        script=script(panels_json(panels)),
    )


def _experiments(results: ResultsStore) -> list[Summary]:
    return [load_summary(results, mode, name) for name in results.experiments() for mode in results.modes(name)]


def _facts(standing: Sequence[_Listed], origin: Origin) -> Iterator[str]:
    yield f"{len(standing)} modes, {sum(len(found.summary.months) for found in standing)} published months"
    if origin.root:
        yield f"data root {origin.root}"
    if origin.synthetic:
        yield "synthetic sample data: no figure here says what a market pays"


def _listed(summary: Summary, stale: Sequence[str]) -> _Listed:
    counts = summary.gate_counts()
    if broken := broken_months(summary.months):
        return _Listed(summary, GateStatus.FAILED, f"broken from {broken[0]}")
    if counts[GateStatus.FAILED]:
        return _Listed(summary, GateStatus.FAILED, "failed gates")
    if stale:
        return _Listed(summary, GateStatus.FAILED, f"stale from {stale[0]}")
    if counts[GateStatus.WARNED]:
        return _Listed(summary, GateStatus.WARNED, "warnings")
    if not summary.latest.complete:
        return _Listed(summary, GateStatus.PASSED, f"{summary.latest.month} open")
    return _Listed(summary, GateStatus.PASSED, "healthy")


def _attention(records: Sequence[_Listed]) -> Html:
    """What a person should look at before the figures."""
    if not records:
        return Html("")
    loud = [found for found in records if found.status is not GateStatus.PASSED]
    worst = GateStatus.FAILED if any(found.status is GateStatus.FAILED for found in loud) else GateStatus.WARNED
    title = f"{len(loud)} of {len(records)} records to look at first" if loud else "Healthy: nothing to look at first"
    lines = joined(
        tag("li", joined([mark(found.status), tag("strong", found.summary.title), tag("span", found.state)]))
        for found in loud
    )
    content = joined([tag("p", title, class_="verdict-title"), tag("ul", lines, class_="named")])
    status = worst if loud else GateStatus.PASSED
    return tag("section", content, class_=f"verdict {status}", aria_label="What to look at first")


def _section(
    title: str, results: ResultsStore, records: Sequence[_Listed], empty: str, beside: Sequence[Summary] | None = None
) -> Html:
    """A table of records; with `beside`, each with the return of the standing record of its mode in the same months."""
    if not records:
        return _block(title, card("", tag("p", empty, class_="note")))
    head, kinds = list(_HEAD), _KINDS
    rows = [_row(results, found) for found in records]
    if beside is not None:
        head.insert(_AFTER_RETURN, "Standing, same months")
        kinds = f"{kinds[:_AFTER_RETURN]}n{kinds[_AFTER_RETURN:]}"
        for row, found in zip(rows, records, strict=True):
            row.insert(_AFTER_RETURN, percent(_standing_return(found.summary, beside)))
    return _block(title, card("", table(head, rows, kinds, label=title, sortable=True)))


def _standing_return(experiment: Summary, standing: Sequence[Summary]) -> float | None:
    """Time-weighted return of the standing record over the months of an experiment; None unless it has them all."""
    returns = {
        month.manifest.month: figures["time_weighted_return"] or 0.0
        for summary in standing
        if summary.mode == experiment.mode
        for month, figures in zip(summary.months, summary.by_month, strict=True)
    }
    months = [month.manifest.month for month in experiment.months]
    if not returns.keys() >= set(months):
        return None
    return math.prod(1.0 + returns[month] for month in months) - 1.0


def _row(results: ResultsStore, found: _Listed) -> list[object]:
    summary, figures = found.summary, found.summary.metrics
    capital = figures["start_equity"] or math.nan
    gates = tuple(gate for month in summary.months for gate in month.manifest.gates)
    return [
        _link(results, summary),
        tag("span", found.state, class_={"failed": "loss", "warned": "warn"}.get(found.status, "quiet")),
        toned(figures["time_weighted_return"], percent(figures["time_weighted_return"])),
        toned(figures["cagr"], percent(figures["cagr"])),
        percent(figures["max_drawdown"]),
        Html(equity_svg(stamps_of(summary.steps).astype(float), summary.steps["equity_share_class"].to_numpy())),
        percent(figures["volatility"]),
        plain(figures["sharpe"]),
        percent(category_sum(figures, *CARRY) / capital),
        percent(category_sum(figures, Category.TRANSACTION_COSTS, Category.LIQUIDATION) / capital),
        summary.currency,
        summary.span.replace(" to ", "…"),
        joined(verdicts(gates), " "),
    ]


def _link(results: ResultsStore, summary: Summary) -> Html:
    report = results.report_path(summary.mode, summary.experiment)
    if not report.exists():
        return Html(html(summary.title))
    return tag("a", summary.title, href=relative_link(report, results.overview_path.parent))


def _block(title: str, content: Html) -> Html:
    return tag("section", tag("h2", title) + content, class_="block")
