"""The page that compares records of a mode: curves over one another, figures, sources and months side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np

from basis_pipeline.domain.evidence import GateResult
from basis_pipeline.results.columns import FloatArray, IntArray
from basis_pipeline.results.metrics import drawdowns, index_of_steps, stamps_of
from basis_pipeline.results.reports.bars import profit_bars
from basis_pipeline.results.reports.chart import Panel, column_of, palette, view_of
from basis_pipeline.results.reports.comparison import (
    Comparison,
    attribution_rows,
    differences,
    figure_rows,
)
from basis_pipeline.results.reports.evidence import verdicts
from basis_pipeline.results.reports.page import Page, Section, render
from basis_pipeline.results.reports.record import Record
from basis_pipeline.results.reports.report import card, drawn
from basis_pipeline.results.reports.text import (
    DASH,
    Html,
    category_label,
    joined,
    money,
    percent,
    plain,
    table,
    tag,
    toned,
)
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.storage.digests import text_digest
from basis_pipeline.storage.files import put_bytes
from basis_pipeline.storage.locations import Location, relative_link

_LONGEST_NAME = 100


def comparison_path(results: ResultsStore, comparison: Comparison) -> Location:
    """Where the page of a comparison is written; the same records, the same page."""
    name = "-".join((comparison.mode, *comparison.names))
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 9]}-{text_digest(name)[:8]}"
    return results.base / "reports" / "comparisons" / f"{name}.html"


def write_comparison(results: ResultsStore, comparison: Comparison) -> Location:
    """Write the page and return its path.

    Raises:
        StorageError: the page cannot be written.
    """
    path = comparison_path(results, comparison)
    panels = [_growth(comparison), _drawdown(comparison)]
    page = Page(
        heading=f"{comparison.mode}: {' against '.join(comparison.names)}",
        overview=relative_link(results.overview_path, path.parent),
        facts=list(_facts(comparison)),
        sections=list(_sections(comparison, panels)),
        panels=panels,
        footer=_FOOTER,
    )
    put_bytes(path, render(page).encode())
    return path


def written(form: str, value: float | None, currency: str) -> str:
    """A figure as people read it."""
    if form == "percent":
        return percent(value)
    return money(value, currency) if form == "money" else plain(value, 0 if form == "count" else 3)


_FOOTER = (
    "Times are UTC. All figures are of the months named above and in the share class; returns are time-weighted, "
    "volatility, Sharpe and Sortino come from daily returns, 365 days a year, risk-free rate 0. Curves keep the lowest "
    "and highest value of each stretch of time."
)


def _facts(comparison: Comparison) -> Iterator[str]:
    first, last = comparison.months[0], comparison.months[-1]
    yield f"{first} to {last} ({len(comparison.months)} months)" if first != last else first
    yield f"share class {comparison.currency}"


def _sections(comparison: Comparison, panels: Sequence[Panel]) -> Iterator[Section]:
    notes = joined(tag("p", note, class_="note") for note in comparison.notes)
    notes += joined(tag("p", warning, class_="banner") for warning in comparison.warnings)
    yield Section("figures", "Figures", notes + card("", _figures(comparison)))
    yield Section("configuration", "Configured differently", card("", _differences(comparison)))
    yield Section("curves", "Curves", tag("div", joined(drawn(panel) for panel in panels), class_="grid"))
    yield Section("sources", "Profit by source", card("", _bars(comparison)) + card("", _sources(comparison)))
    yield Section("months", "Months", card("", _months(comparison)))


def _figures(comparison: Comparison) -> Html:
    currency = comparison.currency
    rows: list[list[object]] = [
        [
            row.title + (f", {currency}" if row.form == "money" else ""),
            *(written(row.form, value, currency) for value in row.values),
        ]
        for row in figure_rows(comparison)
    ]
    rows.append(["Gates", *(joined(verdicts(_gates(record)), " ") for record in comparison.records)])
    return table(["", *comparison.names], rows, "k" + "n" * len(comparison.records))


def _gates(record: Record) -> tuple[GateResult, ...]:
    return tuple(gate for month in record.months for gate in month.manifest.gates)


def _differences(comparison: Comparison) -> Html:
    found = differences(comparison)
    if not found:
        return tag("p", "The records are of one configuration.", class_="note")
    rows = [[tag("code", one.key), *(tag("code", value or DASH) for value in one.values)] for one in found]
    return table(["Key", *comparison.names], rows, "k" + "t" * len(comparison.records))


def _bars(comparison: Comparison) -> Html:
    rows = attribution_rows(comparison)
    sums = {category: [100.0 * value for value in values] for category, values in rows.items()}
    keys = joined(
        tag("span", Html(f'<span class="swatch" style="background:var(--{name})"></span>') + category_label(name))
        for name in sums
    )
    note = tag("p", "Percent of the equity at the start; the sum of a column is its total return.", class_="note")
    bars = tag("div", profit_bars(comparison.names, sums), class_="scroll") if sums else Html("")
    return note + bars + tag("div", keys, class_="keys")


def _sources(comparison: Comparison) -> Html:
    shares = attribution_rows(comparison)
    rows = [
        [category_label(category), *(toned(value, percent(value, 3)) for value in values)]
        for category, values in shares.items()
    ]
    sums = [percent(sum(values[index] for values in shares.values()), 3) for index in range(len(comparison.records))]
    return table(
        ["Source, of equity at the start", *comparison.names],
        rows,
        "k" + "n" * len(comparison.records),
        foot=["sum", *sums],
    )


def _months(comparison: Comparison) -> Html:
    """Returns by month, and what each is above or below the first record."""
    base, *others = comparison.names
    returns = [[figures["time_weighted_return"] or 0.0 for figures in record.by_month] for record in comparison.records]
    rows = [
        [
            month,
            *(toned(value, percent(value)) for value in values),
            *(toned(value - values[0], percent(value - values[0])) for value in values[1:]),
        ]
        for month, values in zip(comparison.months, zip(*returns, strict=True), strict=True)
    ]
    head = ["Month", *comparison.names, *(f"{name} less {base}" for name in others)]
    return table(head, rows, "k" + "n" * (len(comparison.names) + len(others)))


def _growth(comparison: Comparison) -> Panel:
    stamps = _common_stamps(comparison)
    growth = {name: _on(record, stamps, _index(record)) - 1.0 for name, record in _named(comparison)}
    equity = {
        name: _on(record, stamps, column_of(record.tables["timesteps"], "equity_share_class"))
        for name, record in _named(comparison)
    }
    colours, currency = palette(len(growth)), comparison.currency
    views = [
        view_of("growth", "since the start", "percent", stamps, growth, colours, zero=True),
        view_of("equity", currency, "money", stamps, equity, colours),
    ]
    return Panel("equity", "Equity", "Growth of the capital, time-weighted; or net asset value.", views, 340, wide=True)


def _drawdown(comparison: Comparison) -> Panel:
    stamps = _common_stamps(comparison)
    lines = {name: _on(record, stamps, 0.0 - drawdowns(_index(record))) for name, record in _named(comparison)}
    view = view_of("", "below the peak", "percent", stamps, lines, palette(len(lines)), zero=True, span=1e-4)
    note = "Fall of each index below its own running peak within these months."
    return Panel("drawdown", "Drawdown", note, [view], 220, wide=True)


def _named(comparison: Comparison) -> Iterator[tuple[str, Record]]:
    return zip(comparison.names, comparison.records, strict=True)


def _index(record: Record) -> FloatArray:
    return index_of_steps(record.tables["timesteps"], opening=record.opens)


def _common_stamps(comparison: Comparison) -> IntArray:
    """Timesteps that all records have: the step is configuration as well."""
    return reduce(np.intersect1d, (stamps_of(record.tables["timesteps"]) for record in comparison.records))


def _on(record: Record, stamps: IntArray, values: FloatArray) -> FloatArray:
    found: FloatArray = values[np.searchsorted(stamps_of(record.tables["timesteps"]), stamps)]
    return found
