"""What a dataset of the registry allows of its rows, checked by pandera.

Half a second of imports: whoever only reads published data does without this module.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pandera.pandas as pandera
from pandera.errors import SchemaErrors

from basis_pipeline.market_data.dataset_types import Column, Dataset
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import Series

_REMEDY = "correct the file, download it again, or declare a rule for it in configs/data."


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
