"""Schemas derived from the registry: pandera for validation, Arrow for the files, descriptions for a catalogue."""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from pandera.errors import SchemaErrors

from basis_pipeline.market_data.dataset_types import PROVENANCE, Column, Dataset
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import REASON, Series

_DICTIONARY = pa.dictionary(pa.int32(), pa.string())
_ARROW = {"number": pa.float64(), "flag": pa.bool_(), "time": pa.timestamp("us"), "text": pa.string()}
_REMEDY = "correct the file, download it again, or declare a rule for it in configs/data."


class ColumnDescription(msgspec.Struct, frozen=True):
    """What a catalogue shows of a column."""

    name: str
    type: str
    unit: str
    description: str
    nullable: bool


@cache
def pandera_schema(dataset: Dataset) -> pandera.DataFrameSchema:
    """The schema of a dataset's rows at work: `timestamp` and times are int64 microseconds UTC."""
    columns = {column.name: _pandera_column(column) for column in dataset.columns}
    timestamp = pandera.Column("int64", nullable=False)
    return pandera.DataFrameSchema({"timestamp": timestamp, **columns}, unique=list(dataset.key), strict=False)


def violations(series: Series) -> list[Finding]:
    """Everything in a series that its dataset does not allow: one ERROR per column and rule, naming the first row."""
    try:
        pandera_schema(series.dataset).validate(series.frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        groups = cases.groupby([cases["column"].fillna("").astype(str), cases["check"].astype(str)], sort=True)
        return [_violation(series.frame, column, check, group) for (column, check), group in groups]
    return []


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


def _pandera_column(column: Column) -> pandera.Column:
    if column.kind == "number":
        return pandera.Column("float64", checks=_bounds(column), nullable=column.nullable)
    if column.kind == "text":
        checks = [pandera.Check.isin(column.choices)] if column.choices else []
        return pandera.Column(checks=checks, nullable=column.nullable)
    return pandera.Column("bool" if column.kind == "flag" else "int64", nullable=False)


def _bounds(column: Column) -> list[pandera.Check]:
    checks = [pandera.Check(np.isfinite, name="finite", ignore_na=True)]
    if column.above is not None:
        checks.append(pandera.Check.gt(column.above))
    if column.low is not None:
        checks.append(pandera.Check.ge(column.low))
    if column.high is not None:
        checks.append(pandera.Check.le(column.high))
    return checks


def _violation(frame: pd.DataFrame, column: str, check: str, cases: pd.DataFrame) -> Finding:
    at = cases["index"].dropna()
    value = cases["failure_case"].iloc[0]
    file, row = "", None
    if len(at):
        first = int(at.iloc[0])
        file, row = str(frame.at[first, "source_file"]), int(str(frame.at[first, "source_row"]))
    message = f"{len(cases)} values break {check}, first {value!r}."
    return Finding("ERROR", "schema", message, _REMEDY, file, row, column, count=len(cases))


def _array(frame: pd.DataFrame, field: pa.Field) -> pa.Array:
    if field.name not in frame.columns:
        return pa.nulls(len(frame), field.type)
    values = frame[field.name]
    if pa.types.is_timestamp(field.type):
        return pa.array(values.astype("Int64"), pa.int64()).cast(field.type)
    if pa.types.is_dictionary(field.type):
        return pa.array(values, pa.string(), from_pandas=True).dictionary_encode()
    return pa.array(values, field.type, from_pandas=True)
