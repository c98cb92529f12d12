"""What manifests say, as tables: published months, gate verdicts, data usage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from basis_pipeline.domain.evidence import GateStatus
from basis_pipeline.results.store import MonthManifest, PublishedMonth

Row = dict[str, object]

_STRING, _COUNT, _BOOL = pa.string(), pa.int64(), pa.bool_()

_MONTHS = {
    "opening_month": _STRING,
    "complete": _BOOL,
    "share_class": _STRING,
    "initial_capital": pa.float64(),
    "generation": _STRING,
    "predecessor": _STRING,
    "config_digest": _STRING,
    "data_version": _STRING,
    "engine_version": _STRING,
    "gates_passed": _COUNT,
    "gates_warned": _COUNT,
    "gates_failed": _COUNT,
    "run_id": _STRING,
    "published_at": _STRING,
}
_GATES = {
    "gate": _STRING,
    "severity": _STRING,
    "status": _STRING,
    "value": pa.float64(),
    "threshold": _STRING,
    "message": _STRING,
}
_USAGE = {
    "dataset": _STRING,
    "venue": _STRING,
    "symbol": _STRING,
    "rows": _COUNT,
    "filled": _COUNT,
    "proxied": _COUNT,
    "corrected": _COUNT,
    "complete": _BOOL,
}


def _month_rows(month: PublishedMonth) -> Iterator[Row]:
    statuses = Counter(gate.status for gate in month.manifest.gates)
    counts: Row = {f"gates_{status}": statuses[status] for status in GateStatus}
    own = {name: getattr(month.manifest, name) for name in _MONTHS if name in MonthManifest.__struct_fields__}
    yield own | counts | {"generation": month.generation}


def _gate_rows(month: PublishedMonth) -> Iterator[Row]:
    for gate in month.manifest.gates:
        yield {name: getattr(gate, name) for name in _GATES}


def _usage_rows(month: PublishedMonth) -> Iterator[Row]:
    for series in month.manifest.data_usage.series:
        yield {name: getattr(series, name) for name in _USAGE}


def _summary(
    columns: dict[str, pa.DataType], rows: Callable[[PublishedMonth], Iterator[Row]]
) -> Callable[[Sequence[PublishedMonth], Sequence[str]], pa.Table]:
    """Table maker: one block of `rows` per month, led by the month's hive keys."""

    def table(months: Sequence[PublishedMonth], keys: Sequence[str]) -> pa.Table:
        schema = pa.schema([*((key, _STRING) for key in keys), *columns.items()])
        found = [{key: getattr(month.manifest, key) for key in keys} | row for month in months for row in rows(month)]
        return pa.Table.from_pylist(found, schema)

    return table


SUMMARIES = {
    "published_months": _summary(_MONTHS, _month_rows),
    "gates": _summary(_GATES, _gate_rows),
    "data_usage": _summary(_USAGE, _usage_rows),
}
"""Table name -> maker of the table from published months and their hive keys."""
