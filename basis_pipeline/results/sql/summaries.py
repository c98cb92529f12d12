"""What manifests say, as tables: published months, gate verdicts, data usage, configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from basis_pipeline.domain.evidence import GateStatus
from basis_pipeline.results.store import MonthManifest, PublishedMonth
from basis_pipeline.results.tables import ColumnDoc

Row = dict[str, object]
Months = Sequence[PublishedMonth]

_TYPES = {"string": pa.string(), "int64": pa.int64(), "bool": pa.bool_(), "double": pa.float64()}


class Summary(NamedTuple):
    """A table made of manifests. `rows` gives its rows without the hive keys, `columns` name, type, unit, meaning."""

    columns: tuple[tuple[str, str, str, str], ...]
    rows: Callable[[PublishedMonth], Iterator[Row]]

    def table(self, months: Months, keys: Sequence[str]) -> pa.Table:
        """One block of rows per month, led by the month's hive keys."""
        schema = pa.schema(
            [*((name, pa.string()) for name in keys), *((name, _TYPES[kind]) for name, kind, *_ in self.columns)]
        )
        found = [
            {key: getattr(month.manifest, key) for key in keys} | row | {"source": month.manifest.source}
            for month in months
            for row in self.rows(month)
        ]
        return pa.Table.from_pylist(found, schema)


def _month_rows(month: PublishedMonth) -> Iterator[Row]:
    statuses = Counter(gate.status for gate in month.manifest.gates)
    counts: Row = {f"gates_{status}": statuses[status] for status in GateStatus}
    own = {name: getattr(month.manifest, name) for name, *_ in _MONTHS if name in MonthManifest.__struct_fields__}
    yield own | counts | {"generation": month.generation}


def _gate_rows(month: PublishedMonth) -> Iterator[Row]:
    for gate in month.manifest.gates:
        yield {name: getattr(gate, name) for name, *_ in _GATES if name != "source"}


def _usage_rows(month: PublishedMonth) -> Iterator[Row]:
    for series in month.manifest.data_usage.series:
        yield {name: getattr(series, name) for name, *_ in _USAGE if name != "source"}


def _timing_rows(month: PublishedMonth) -> Iterator[Row]:
    for phase, timing in month.manifest.timings.items():
        yield {
            "phase": phase,
            "times": timing.count,
            "mean": timing.mean,
            "median": timing.median,
            "p95": timing.p95,
            "worst": timing.worst,
            "budget": timing.budget,
            "over_budget": timing.over,
        }


def configuration_table(months: Months, keys: Sequence[str]) -> pa.Table:
    """Keys that affect behaviour by record, mode and digest: months of one configuration share its rows."""
    owners = [key for key in keys if key != "month"]
    columns = [*owners, *(name for name, *_ in CONFIGURATION)]
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for month in months:
        owner = (*(str(getattr(month.manifest, key)) for key in owners), month.manifest.config_digest)
        found.setdefault(owner, month.manifest.config.get("behaviour", {}))
    rows = [(*owner, key, value) for owner, behaviour in found.items() for key, value in behaviour.items()]
    return pa.Table.from_pylist(
        [dict(zip(columns, row, strict=True)) for row in rows], pa.schema([(name, pa.string()) for name in columns])
    )


_MONTHS = (
    ("opening_month", "string", "UTC", "month in which the record opened"),
    ("complete", "bool", "", "every required series reached the last step of the month"),
    ("share_class", "string", "", "currency of what is in share class units"),
    ("initial_capital", "double", "share class", "capital at the opening"),
    ("generation", "string", "", "digest of the month's content; names its files"),
    ("predecessor", "string", "", "generation of the month before it was run from; null in the opening month"),
    ("config_digest", "string", "", "digest of the configuration as far as it affects behaviour"),
    ("data_version", "string", "", "digest of configuration, data, engine version and the predecessor's state"),
    ("engine_version", "string", "", "version that ran it"),
    ("gates_passed", "int64", "count", "gates that passed"),
    ("gates_warned", "int64", "count", "violated gates of severity WARN"),
    ("gates_failed", "int64", "count", "violated gates of severity ERROR"),
    ("run_id", "string", "", "the run that wrote it"),
    ("published_at", "string", "ISO 8601, UTC", "wall clock at publication"),
    ("source", "string", "", "backtest or live: what the month is a record of"),
)
_GATES = (
    ("gate", "string", "", "name in the registry, see `basis gates`"),
    ("severity", "string", "", "error or warn"),
    ("status", "string", "", "passed, warned or failed"),
    ("value", "double", "see threshold", "the number judged; null where there is none"),
    ("threshold", "string", "", "what it was held against"),
    ("message", "string", "", "what was found, with the worst timestamp"),
    ("source", "string", "", "backtest or live: what the month is a record of"),
)
_USAGE = (
    ("dataset", "string", "", "kind of data"),
    ("venue", "string", "", "where it is from"),
    ("symbol", "string", "", "instrument"),
    ("rows", "int64", "count", "values that some step of the month used"),
    ("filled", "int64", "count", "of them, taken from a declared second source"),
    ("proxied", "int64", "count", "of them, estimated from other venues"),
    ("corrected", "int64", "count", "of them, moved by a declared stamp correction"),
    ("complete", "bool", "", "the series reaches the last step of the month"),
    ("source", "string", "", "backtest or live: what the month is a record of"),
)
_TIMINGS = (
    (
        "phase",
        "string",
        "",
        (
            "step: total, refresh, strategy: once a step; execution: once a plan; exposure, risk, pnl, "
            "logging: once a chain, after every refresh and every order; order: the parts of one order"
        ),
    ),
    ("times", "int64", "count", "how often it was run"),
    ("mean", "double", "s", "wall clock per time"),
    ("median", "double", "s", "median of the times; null in months that were published before it was recorded"),
    ("p95", "double", "s", "95th percentile of the times, null as the median"),
    ("worst", "double", "s", "longest time, with whatever else the machine did meanwhile"),
    ("budget", "double", "s", "what one time may take; null where it has no budget"),
    ("over_budget", "int64", "count", "times that took longer than the budget, null as the budget"),
    ("source", "string", "", "backtest or live: what the month is a record of"),
)
CONFIGURATION = (
    ("config_digest", "string", "", "the configuration it belongs to, see published_months"),
    ("key", "string", "", "path of a key that affects behaviour"),
    ("value", "string", "JSON", "its value"),
)
_RETURNS = (
    ("total_return", "double", "fraction", "profit / start equity in the share class"),
    ("total_return_usd", "double", "fraction", "the same in USD"),
)

SUMMARIES = {
    "published_months": Summary(_MONTHS, _month_rows),
    "gates": Summary(_GATES, _gate_rows),
    "data_usage": Summary(_USAGE, _usage_rows),
    "timings": Summary(_TIMINGS, _timing_rows),
}
"""Tables by name; they begin with the hive keys of their months."""

DESCRIPTIONS = {
    "months": "one row per published month: what its manifest says, and its returns",
    "published_months": "what the manifest of every published month says",
    "gates": "the verdict of every gate on every published month",
    "data_usage": "the market data series that every month was computed from",
    "timings": "how long the phases of the steps and orders of every published month took, against their budgets",
    "configuration": "the configuration behind every published month, one row per key",
}


def summary_docs() -> Iterator[ColumnDoc]:
    """Every column of these tables, the hive keys excepted."""
    documented = {name: summary.columns for name, summary in SUMMARIES.items()}
    documented |= {"months": _MONTHS + _RETURNS, "configuration": CONFIGURATION}
    for table, columns in documented.items():
        for name, kind, unit, description in columns:
            yield ColumnDoc(table, name, kind, unit, nullable=name in _NULLABLE, description=description)


_NULLABLE = {"predecessor", "value", "total_return", "total_return_usd", "median", "p95", "budget", "over_budget"}
