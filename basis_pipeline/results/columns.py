"""Columns of Arrow tables from lists of records, without a Python object per row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from basis_pipeline.domain.market import Floats
from basis_pipeline.domain.records import ChainSnapshot

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Column: TypeAlias = FloatArray | IntArray | pa.Array | list[str]


def floats(records: Sequence[object], attribute: str) -> FloatArray:
    return np.fromiter(map(attrgetter(attribute), records), np.float64, len(records))


def integers(records: Sequence[object], attribute: str) -> IntArray:
    return np.fromiter(map(attrgetter(attribute), records), np.int64, len(records))


def matrix(rows: Iterable[Floats], height: int, width: int) -> FloatArray:
    return np.fromiter(chain.from_iterable(rows), np.float64, height * width).reshape(height, width)


def stamps(records: Sequence[object], repeat: int = 1) -> pa.Array:
    return pa.array(np.repeat(integers(records, "timestamp"), repeat).view("datetime64[us]"))


def codes(indices: npt.NDArray[np.integer], vocabulary: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(indices.astype(np.int32), pa.array(vocabulary, pa.string()))


def cycle(vocabulary: Sequence[str], times: int) -> pa.DictionaryArray:
    return codes(np.tile(np.arange(len(vocabulary)), times), vocabulary)


def words(values: Iterable[str]) -> pa.DictionaryArray:
    return pa.array(list(values), pa.string()).dictionary_encode()


def triggers(commits: Sequence[ChainSnapshot]) -> pa.DictionaryArray:
    return words(map(attrgetter("trigger"), commits))


def table_of(schema: pa.Schema, columns: Mapping[str, Column]) -> pa.Table:
    return pa.table({field.name: columns[field.name] for field in schema}, schema)
