"""Charts as data: panels, views and lines, thinned to what a screen can show. `assets/report.js` draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from basis_pipeline.domain.records import Category, categories_among
from basis_pipeline.domain.timeline import SECOND
from basis_pipeline.results.columns import FloatArray, IntArray
from basis_pipeline.results.metrics import stamps_of
from basis_pipeline.results.reports.palette import series_variable
from basis_pipeline.results.reports.text import day, percent, plain

BUCKETS = 500
"""A longer line is shown in this many stretches of time, each with its lowest and its highest value."""

FEWEST_BUCKETS = 200
"""Lines that share their times share the buckets, down to this number: every line keeps the extremes of all of them."""

Format = Literal["money", "percent"]


class Series(msgspec.Struct, frozen=True):
    """One line. `colour` names a CSS variable; `filled` says what the area under it reaches to."""

    label: str
    colour: str
    values: list[float | None]
    emphasis: bool = False
    filled: Literal["", "zero", "bottom"] = ""


class Level(msgspec.Struct, frozen=True):
    """A limit drawn as a dashed line across; `kept` keeps it in sight however far away the lines are."""

    label: str
    value: float
    colour: str
    kept: bool = False


class View(msgspec.Struct, frozen=True):
    """One way to look at a panel: lines over common times (seconds, UTC).

    `zero` keeps zero in sight; `span` is the least height of the value axis, so that rounding noise stays flat.
    """

    label: str
    unit: str
    format: Format
    times: list[int]
    series: list[Series]
    zero: bool = False
    stepped: bool = False
    span: float = 0.0
    levels: list[Level] = []


class Panel(msgspec.Struct, frozen=True):
    """A chart: its title, what its lines are and what a healthy one looks like, and its views (tabs)."""

    id: str
    title: str
    note: str
    views: list[View]
    height: int = 240
    wide: bool = False


def thin(columns: Sequence[FloatArray], buckets: int = BUCKETS) -> IntArray:
    """Rows to keep: the first, the last, and those of every column's lowest and highest value in each bucket.

    NaN is no value: it is neither low nor high. Both sides of every gap are kept, so that no line bridges one.
    """
    rows = len(columns[0])
    if rows <= 2 * buckets:
        return np.arange(rows)
    edges = np.linspace(0, rows, buckets + 1).astype(np.int64)
    kept = {0, rows - 1}
    stretches = list(pairwise(edges.tolist()))
    for column in columns:
        missing = np.isnan(column)
        gaps = np.flatnonzero(np.diff(missing))
        kept.update(gaps.tolist(), (gaps + 1).tolist())
        lows, highs = np.where(missing, np.inf, column), np.where(missing, -np.inf, column)
        for first, last in stretches:
            kept |= {first + int(lows[first:last].argmin()), first + int(highs[first:last].argmax())}
    return np.array(sorted(kept))


def view_of(  # noqa: PLR0917 - label, unit and format are what every view begins with
    label: str,
    unit: str,
    form: Format,
    stamps: IntArray,
    lines: Mapping[str, FloatArray],
    colours: Sequence[str],
    *,
    filled: Literal["", "zero", "bottom"] = "",
    zero: bool = False,
    stepped: bool = False,
    span: float = 0.0,
    levels: Sequence[Level] = (),
) -> View:
    """Lines over `stamps` (microseconds UTC), one colour each, thinned and rounded to what a screen shows."""
    kept = thin(list(lines.values()), max(BUCKETS // len(lines), FEWEST_BUCKETS))
    series = [
        Series(name, colour, _rounded(values[kept]), name == "total" or len(lines) == 1, filled)
        for (name, values), colour in zip(lines.items(), colours, strict=True)
    ]
    return View(label, unit, form, (stamps[kept] // SECOND).tolist(), series, zero, stepped, span, list(levels))


def in_words(view: View) -> str:
    """What a view shows, for a reader who cannot see it."""
    first, last = (day(float(second)) for second in (view.times[0], view.times[-1]))
    return f"{first} to {last}, {view.unit}. " + "; ".join(_line_in_words(view, series) for series in view.series)


def _line_in_words(view: View, series: Series) -> str:
    known = [value for value in series.values if value is not None]
    if not known:
        return f"{series.label}: no value"
    low, high, end = (
        percent(value) if view.format == "percent" else plain(value) for value in (min(known), max(known), known[-1])
    )
    return f"{series.label}: lowest {low}, highest {high}, at the end {end}"


def _rounded(values: FloatArray) -> list[float | None]:
    """Seven significant digits are more than a screen shows and half the bytes."""
    return [None if np.isnan(value) else float(f"{value:.7g}") for value in values.tolist()]


def palette(number: int) -> list[str]:
    """Colours for lines that have none of their own."""
    return [series_variable(index) for index in range(number)]


def column_of(table: pa.Table, name: str) -> FloatArray:
    """A column as floats, null as NaN."""
    values: FloatArray = table[name].to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def categories_of(attribution: pa.Table) -> tuple[Category, ...]:
    """The rows of a timestep in the attribution of a backtest, or of a live record."""
    return categories_among(attribution["category"].unique().to_pylist())


def pivot(table: pa.Table, key: str, value: str) -> tuple[IntArray, dict[str, FloatArray]]:
    """Values by key over the stamps of the table, the last of a stamp; NaN where a key has no row."""
    stamps, rows = np.unique(stamps_of(table), return_inverse=True)
    keys = table[key].combine_chunks()
    names = pc.unique(keys).to_pylist()
    columns = pc.index_in(keys, pa.array(names)).to_numpy(zero_copy_only=False)
    matrix = np.full((len(stamps), len(names)), np.nan)
    matrix[rows, columns] = column_of(table, value)
    return stamps, {name: matrix[:, index] for index, name in enumerate(names)}


def running(stamps: IntArray, amounts: Mapping[str, FloatArray], end: int) -> tuple[IntArray, dict[str, FloatArray]]:
    """Running sums of what happened at `stamps`, one value per stamp, held until `end`; all-zero lines are left out."""
    sums = {name: np.cumsum(values) for name, values in amounts.items() if np.any(values)}
    last = np.append(np.flatnonzero(np.diff(stamps)), len(stamps) - 1) if len(stamps) else np.arange(0)
    held = np.append(last, last[-1:])
    return np.append(stamps[last], end), {name: values[held] for name, values in sums.items()}
