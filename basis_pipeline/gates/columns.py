"""From Arrow tables to the numpy arrays that gates judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from basis_pipeline.domain.timeline import iso

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def integers(table: pa.Table, column: str) -> Ints:
    """A column without NULLs as int64; timestamps become microseconds UTC."""
    return np.asarray(table[column].cast(pa.int64()).to_numpy(), dtype=np.int64)


def numbers(table: pa.Table, column: str) -> Floats:
    """A numeric column as float64, NULL as NaN."""
    return np.asarray(table[column].to_numpy(), dtype=np.float64)


def present(table: pa.Table, column: str) -> Bools:
    """Where a column is not NULL."""
    return np.asarray(table[column].is_valid().to_numpy(), dtype=np.bool_)


def equal_to(table: pa.Table, column: str, text: str) -> Bools:
    """Where a text column has the value `text`; NULL is not it."""
    matches = pc.fill_null(pc.equal(table[column].cast(pa.string()), text), fill_value=False)
    return np.asarray(matches.to_numpy(), dtype=np.bool_)


def positions_in(names: Sequence[str], table: pa.Table, column: str) -> Ints:
    """Index into `names` of every value of a text column; ValueError for a value that is not among them."""
    encoded = table[column].cast(pa.string()).combine_chunks().dictionary_encode()
    places = np.array([names.index(value) for value in encoded.dictionary.to_pylist()], dtype=np.int64)
    return places[np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)]


def panel(table: pa.Table, value: str, by: str, names: Sequence[str], timestamps: Ints) -> Floats:
    """Pivot a long table to one row per timestamp and one column per name; NaN where the table has no row."""
    wide = np.full((len(timestamps), len(names)), np.nan)
    stamps = integers(table, "timestamp")
    rows = np.minimum(np.searchsorted(timestamps, stamps), len(timestamps) - 1)
    known = timestamps[rows] == stamps
    wide[rows[known], positions_in(names, table, by)[known]] = numbers(table, value)[known]
    return wide


def relative(error: Floats, scale: Floats) -> Floats:
    """|error| / scale; 0 without an error, infinite where the scale is not positive or a number is missing."""
    size = np.abs(error)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(size == 0.0, 0.0, size / np.maximum(scale, 0.0))
    return np.where(np.isnan(ratio), np.inf, ratio)


class Extreme(NamedTuple):
    """The worst value of a series, and when it was reached for the first time."""

    value: float
    timestamp: int

    def __str__(self) -> str:
        return f"{self.value:.4g} at {iso(self.timestamp)}"


def largest(values: Floats, timestamps: Ints) -> Extreme:
    """The largest value of a series that is not empty; a missing number counts as +infinity."""
    complete = np.where(np.isnan(values), np.inf, values)
    worst = int(np.argmax(complete))
    return Extreme(float(complete[worst]), int(timestamps[worst]))


def smallest(values: Floats, timestamps: Ints) -> Extreme:
    """The smallest value of a series that is not empty; a missing number counts as -infinity."""
    extreme = largest(-values, timestamps)
    return extreme._replace(value=-extreme.value)
