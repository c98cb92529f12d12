"""Schemas derived from the registry: Arrow for the files, descriptions for a catalogue."""

from __future__ import annotations

import msgspec
import pandas as pd
import pyarrow as pa

from basis_pipeline.market_data.dataset_types import PROVENANCE, Dataset
from basis_pipeline.market_data.series import REASON

_DICTIONARY = pa.dictionary(pa.int32(), pa.string())
_ARROW = {"number": pa.float64(), "flag": pa.bool_(), "time": pa.timestamp("us"), "text": pa.string()}


class ColumnDescription(msgspec.Struct, frozen=True):
    """What a catalogue shows of a column."""

    name: str
    type: str
    unit: str
    description: str
    nullable: bool


def arrow_schema(dataset: Dataset, *, quarantine: bool = False) -> pa.Schema:
    """Columns of a published table; the quarantine has `reason` besides and allows NULL everywhere."""
    fields = [pa.field("timestamp", pa.timestamp("us"), nullable=quarantine)]
    fields += [
        pa.field(column.name, _ARROW[column.kind], nullable=column.nullable or quarantine) for column in dataset.columns
    ]
    fields += [
        pa.field("quality", _DICTIONARY),
        pa.field("source_file", _DICTIONARY),
        pa.field("source_row", pa.int32()),
    ]
    return pa.schema([*fields, pa.field(REASON, _DICTIONARY)] if quarantine else fields)


def to_arrow(frame: pd.DataFrame, dataset: Dataset, *, quarantine: bool = False) -> pa.Table:
    """Rows as a table of `arrow_schema`; NaN becomes NULL."""
    schema = arrow_schema(dataset, quarantine=quarantine)
    return pa.table([_array(frame, field) for field in schema], schema=schema)


def describe(dataset: Dataset) -> tuple[ColumnDescription, ...]:
    """All published columns of a dataset in order."""
    types = {field.name: str(field.type) for field in arrow_schema(dataset)}
    stamp = ColumnDescription(
        "timestamp", types["timestamp"], "UTC", "Time of the row; of a bar its open.", nullable=False
    )
    described = [
        ColumnDescription(column.name, types[column.name], column.unit, column.description, column.nullable)
        for column in (*dataset.columns, *PROVENANCE)
    ]
    return (stamp, *described)


def _array(frame: pd.DataFrame, field: pa.Field) -> pa.Array:
    if field.name not in frame.columns:
        return pa.nulls(len(frame), field.type)
    values = frame[field.name]
    if pa.types.is_timestamp(field.type):
        return pa.array(values.astype("Int64"), pa.int64()).cast(field.type)
    if pa.types.is_dictionary(field.type):
        return pa.array(values, pa.string(), from_pandas=True).dictionary_encode()
    return pa.array(values, field.type, from_pandas=True)
