"""Modes against each other: growth over the same days, returns by month, correlation of daily returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from basis_pipeline.domain.timeline import DAY
from basis_pipeline.results.columns import FloatArray, IntArray
from basis_pipeline.results.metrics import daily_returns, drawdowns, index_of_steps, stamps_of
from basis_pipeline.results.reports.chart import Panel, palette, view_of
from basis_pipeline.results.reports.headline import heat
from basis_pipeline.results.reports.record import Summary
from basis_pipeline.results.reports.text import Cell, Html, html, plain, table, tag

FEWEST_DAYS = 20
"""Days in common below which a correlation says nothing and is not shown."""


class _Line(NamedTuple):
    """The index of a record by step, in the share class and in USD."""

    title: str
    stamps: IntArray
    growth: FloatArray
    growth_usd: FloatArray


def growth_panel(summaries: Sequence[Summary]) -> Panel:
    """Growth and drawdown of every record at 00:00 UTC and at its end, each from its own first step."""
    found = [
        _Line(
            summary.title,
            stamps_of(summary.steps),
            index_of_steps(summary.steps, opening=summary.opens),
            index_of_steps(summary.steps, "_usd", opening=summary.opens),
        )
        for summary in summaries
    ]
    days = _days(found)
    views = {
        "share class": ("since the first step", {line.title: line.growth - 1.0 for line in found}),
        "USD": ("since the first step", {line.title: line.growth_usd - 1.0 for line in found}),
        "drawdown": ("below the peak", {line.title: 0.0 - drawdowns(line.growth) for line in found}),
    }
    made = []
    for label, (unit, values) in views.items():
        lines = {line.title: _as_of(days, line.stamps, values[line.title]) for line in found}
        made.append(view_of(label, unit, "percent", days, lines, palette(len(lines)), zero=True, span=1e-4))
    note = "At 00:00 UTC and at the end, external flows excluded; each mode in its own share class, or all in USD."
    return Panel("growth", "Growth", note, made, 320, wide=True)


def _days(lines: Sequence[_Line]) -> IntArray:
    parts = [np.append(line.stamps[line.stamps % DAY == 0], line.stamps[-1]) for line in lines]
    days: IntArray = np.unique(np.concatenate(parts))
    return days


def _as_of(days: IntArray, stamps: IntArray, values: FloatArray) -> FloatArray:
    """The latest value at each of `days`, NaN before the first step and from a day after the last one."""
    places = np.searchsorted(stamps, days, side="right") - 1
    known = (places >= 0) & (days - stamps[-1] < DAY)
    return np.where(known, values[np.maximum(places, 0)], np.nan)


def monthly_table(summaries: Sequence[Summary]) -> Html:
    """Time-weighted return of every month, share class; each mode is shaded on a scale of its own."""
    months = sorted({month.manifest.month for summary in summaries for month in summary.months})
    rows = []
    for summary in summaries:
        returns = {
            month.manifest.month: figures["time_weighted_return"] or 0.0
            for month, figures in zip(summary.months, summary.by_month, strict=True)
        }
        largest = max(map(abs, returns.values())) or 1.0
        rows.append([summary.title, *(heat(returns.get(month), largest) for month in months)])
    head = ["Mode", *(month[2:] for month in months)]
    return table(head, rows, "k" + "n" * len(months), class_="data heat dense", label="Return by month")


def correlation_table(summaries: Sequence[Summary]) -> Html:
    """Correlation of daily returns in the share class, over the days that both modes have."""
    by_title = {summary.title: _daily(summary) for summary in summaries}
    rows = []
    for number, (title, own) in enumerate(by_title.items(), start=1):
        cells = (_correlation_cell(*correlation(own, other)) for other in by_title.values())
        rows.append([f"{number} {title}", *cells])
    head = ["", *map(str, range(1, len(by_title) + 1))]
    note = (
        "Pearson correlation of returns between 00:00 UTC stamps, each in its own share class, over the days that two "
        f"modes have in common; nothing below {FEWEST_DAYS} days."
    )
    kinds, label = "k" + "n" * len(by_title), "Correlation of daily returns"
    return tag("p", note, class_="note") + table(head, rows, kinds, class_="data heat matrix", label=label)


def correlation(first: dict[int, float], second: dict[int, float]) -> tuple[float | None, int]:
    """Correlation over the days that both have, and how many; None for too few days or without dispersion."""
    days = sorted(first.keys() & second.keys())
    if len(days) < FEWEST_DAYS:
        return None, len(days)
    pair = np.array([[found[day] for day in days] for found in (first, second)])
    if not np.all(pair.std(axis=1) > 0.0):
        return None, len(days)
    return float(np.corrcoef(pair)[0, 1]), len(days)


def _daily(summary: Summary) -> dict[int, float]:
    """Return of each day by the stamp it ends at."""
    stamps = stamps_of(summary.steps)
    returns = daily_returns(index_of_steps(summary.steps, opening=summary.opens), stamps)
    return dict(zip(stamps[stamps % DAY == 0][1:].tolist(), returns.tolist(), strict=True))


def _correlation_cell(value: float | None, days: int) -> Html:
    if value is None:
        return Cell(f'<td class="n quiet" title="{days} days">–</td>')
    colour, shade = ("accent" if value >= 0.0 else "warn"), 0.04 + 0.36 * abs(value)
    background = f"background:color-mix(in srgb, var(--{colour}) {shade:.0%}, transparent)"
    return Cell(f'<td class="n" style="{background}" title="{days} days">{html(plain(value))}</td>')
