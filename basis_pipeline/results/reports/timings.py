"""How long the engine took for a record, by phase: what manifests know, never a result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from basis_pipeline.domain.timings import Phase, Timing
from basis_pipeline.results.reports.record import Record
from basis_pipeline.results.reports.text import DASH, Html, table, tag

_HEAD = ("Phase", "Times", "Mean", "Median", "95%", "Longest", "Budget", "Over budget")
_NOTE = (
    "Milliseconds of wall clock; they depend on the machine and on what else it did, and no other figure depends on "
    "them. Exposure, risk, pnl and logging run after every refresh and every order. Median and 95% are those of the "
    "slowest month."
)
_T = TypeVar("_T")


def timings_table(record: Record) -> Html:
    """Every phase over all months, against what one time of it may take."""
    found: dict[Phase, list[Timing]] = {}
    for month in record.months:
        for phase, timing in month.manifest.timings.items():
            found.setdefault(phase, []).append(timing)
    if not found:
        return tag("p", "Nothing was timed.", class_="note")
    rows = [_row(phase, months) for phase, months in found.items()]
    return tag("p", _NOTE, class_="note") + table(_HEAD, rows, "knnnnnnn", label="Run time")


def _row(phase: Phase, months: Sequence[Timing]) -> list[object]:
    times = sum(month.count for month in months)
    took = (
        sum(month.seconds for month in months) / times,
        _over_all((month.median for month in months), max),
        _over_all((month.p95 for month in months), max),
        max(month.worst for month in months),
    )
    over, budget = _over_all((month.over for month in months), sum), months[-1].budget
    limit = "none" if budget is None else f"{1e3 * budget:,.0f}"
    late = DASH if over is None else tag("span", f"{over:,}", class_="loss") if over else "0"
    return [str(phase), f"{times:,}", *map(_milliseconds, took), limit, late]


def _over_all(values: Iterable[_T | None], combine: Callable[[list[_T]], _T]) -> _T | None:
    """None where a month does not know its value."""
    known = list(values)
    found = [value for value in known if value is not None]
    return combine(found) if len(found) == len(known) else None


def _milliseconds(seconds: float | None) -> str:
    return DASH if seconds is None else f"{1e3 * seconds:,.3f}"
