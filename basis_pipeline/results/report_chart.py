"""Charts as data: panels, views and lines, thinned to what a screen can show. `assets/report.js` draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from basis_pipeline.domain.timeline import SECOND
from basis_pipeline.results.columns import FloatArray, IntArray
from basis_pipeline.results.metrics import stamps_of

BUCKETS = 500
"""Longer series are shown in this many stretches of time, each with its lowest and its highest value."""

Format = Literal["money", "percent"]


class Series(msgspec.Struct, frozen=True):
    """One line. `colour` names a CSS variable; `filled` says what the area under it reaches to."""

    label: str
    colour: str
    values: list[float | None]
    emphasis: bool = False
    filled: Literal["", "zero", "bottom"] = ""


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


class Panel(msgspec.Struct, frozen=True):
    id: str
    title: str
    note: str
    views: list[View]
    height: int = 240
    wide: bool = False


def thin(columns: Sequence[FloatArray], buckets: int = BUCKETS) -> IntArray:
    """Rows to keep: the first, the last, and those of every column's lowest and highest value in each bucket."""
    rows = len(columns[0])
    if rows <= 2 * buckets:
        return np.arange(rows)
    edges = np.linspace(0, rows, buckets + 1).astype(np.int64)
    kept = {0, rows - 1}
    for column in columns:
        known = np.nan_to_num(column, nan=0.0)
        for first, last in pairwise(edges.tolist()):
            kept |= {first + int(known[first:last].argmin()), first + int(known[first:last].argmax())}
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
) -> View:
    kept = thin(list(lines.values()))
    series = [
        Series(name, colour, _rounded(values[kept]), name == "total" or len(lines) == 1, filled)
        for (name, values), colour in zip(lines.items(), colours, strict=True)
    ]
    return View(label, unit, form, (stamps[kept] // SECOND).tolist(), series, zero, stepped, span)


def _rounded(values: FloatArray) -> list[float | None]:
    """Seven significant digits are more than a screen shows and half the bytes."""
    return [None if np.isnan(value) else float(f"{value:.7g}") for value in values.tolist()]


def palette(number: int) -> list[str]:
    return [f"--s{index % 8}" for index in range(number)]


def column_of(table: pa.Table, name: str) -> FloatArray:
    values: FloatArray = table[name].to_numpy(zero_copy_only=False).astype(np.float64)
    return values


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
