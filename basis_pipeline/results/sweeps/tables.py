"""The tables of a sweep: one row per point, what was varied, every figure, and the daily equity of each point.

They are Parquet below `results/sweeps`, and `sweep_points`, `sweep_parameters`, `sweep_metrics` and `sweep_equity` in
the catalogue.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from basis_pipeline.domain.timeline import DAY
from basis_pipeline.results.metrics import index_of_steps, stamps_of
from basis_pipeline.results.sweeps.parts import Outcome, PointResult, SweepPoint

HEADLINE = (
    "time_weighted_return",
    "cagr",
    "volatility",
    "sharpe",
    "sortino",
    "max_drawdown",
    "profit",
    "end_equity",
    "pnl_funding",
    "pnl_transaction_costs",
    "orders",
    "orders_failed",
    "turnover",
    "min_margin_ratio",
    "min_health_factor",
)
"""Figures that have a column of their own in `sweep_points`; all others are in `sweep_metrics`."""

_TEXT, _COUNT, _NUMBER, _AT = pa.string(), pa.int64(), pa.float64(), pa.timestamp("us")
_POINT = ("point", _COUNT, "count", "number of the point in its sweep, from 1")


class SweepTable(NamedTuple):
    """A table of a sweep; of each column its name, type, unit and meaning."""

    description: str
    columns: tuple[tuple[str, pa.DataType, str, str], ...]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, kind) for name, kind, _, _ in self.columns])


_CURVE = (
    ("timestamp", _AT, "UTC", "00:00 of every day, and the last record"),
    ("equity_share_class", _NUMBER, "share class", "net asset value"),
    ("equity_usd", _NUMBER, "USD", "net asset value"),
    ("growth", _NUMBER, "ratio", "of one unit of capital, time-weighted, share class"),
)
SWEEP_TABLES = {
    "points": SweepTable(
        "one row per point of a sweep: what it is, what came of it, its headline figures",
        (
            _POINT,
            ("mode", _TEXT, "", "the mode it varies"),
            ("first_month", _TEXT, "", "its first month, where it opens"),
            ("last_month", _TEXT, "", "its last month, included"),
            ("overrides", _TEXT, "JSON", "key of the mode's file: value"),
            ("status", _TEXT, "", "done, rejected by a gate, or failed"),
            ("reason", _TEXT, "", "why it is not done"),
            ("share_class", _TEXT, "", "currency of its figures"),
            *((name, _NUMBER, "see metrics", "headline figure, defined in metrics") for name in HEADLINE),
            ("gates_passed", _COUNT, "count", "verdicts over all months"),
            ("gates_warned", _COUNT, "count", "verdicts over all months"),
            ("warned", _TEXT, "", "names of the gates that warned"),
            ("experiment", _TEXT, "", "the experiment that holds its tables, if they were kept"),
            ("identity", _TEXT, "", "digest of configuration, months, data, engine and gates"),
        ),
    ),
    "parameters": SweepTable(
        "one row per point and key that it overrides",
        (
            _POINT,
            ("key", _TEXT, "", "key of the mode's file"),
            ("value", _TEXT, "", "what it was set to, as a person reads it"),
            ("number", _NUMBER, "as configured", "the same as a number, where it is one"),
        ),
    ),
    "metrics": SweepTable(
        "every figure of every point that is done",
        (
            _POINT,
            ("metric", _TEXT, "", "name of the figure, as in metrics"),
            ("value", _NUMBER, "see metrics", "the figure; null where it is not defined"),
        ),
    ),
    "equity": SweepTable("daily equity of every point that is done", (_POINT, *_CURVE)),
}
"""The tables of a sweep by name."""

_CURVE_SCHEMA = SweepTable("", _CURVE).schema


def points_table(outcomes: Iterable[Outcome]) -> pa.Table:
    return pa.Table.from_pylist(
        [_point_row(point, result) for point, result in outcomes], SWEEP_TABLES["points"].schema
    )


def parameters_table(points: Iterable[SweepPoint]) -> pa.Table:
    rows = [
        {"point": point.number, "key": key, "value": written(value), "number": _number(value)}
        for point in points
        for key, value in point.overrides.items()
    ]
    return pa.Table.from_pylist(rows, SWEEP_TABLES["parameters"].schema)


def metrics_table(outcomes: Iterable[Outcome]) -> pa.Table:
    rows = [
        {"point": point.number, "metric": name, "value": value}
        for point, result in outcomes
        for name, value in result.metrics.items()
    ]
    return pa.Table.from_pylist(rows, SWEEP_TABLES["metrics"].schema)


def daily_equity(months: Sequence[Mapping[str, pa.Table]]) -> pa.Table:
    """Equity and growth of one unit of share class at every 00:00 UTC and at the last record; empty without months."""
    if not months:
        return _CURVE_SCHEMA.empty_table()
    steps = pa.concat_tables([tables["timesteps"] for tables in months], promote_options="permissive")
    stamps = stamps_of(steps)
    kept = np.flatnonzero((stamps % DAY == 0) | (np.arange(len(stamps)) == len(stamps) - 1))
    columns: dict[str, Any] = {name: steps[name].take(kept) for name in _CURVE_SCHEMA.names[:3]}
    growth = index_of_steps(steps, opening=True)[kept]
    return pa.table(columns | {"growth": growth}, _CURVE_SCHEMA)


def equity_table(curves: Iterable[tuple[int, pa.Table]]) -> pa.Table:
    """The daily equity of many points under one another; `curves` are numbers of points and their `daily_equity`."""
    parts = [curve.add_column(0, "point", pa.array([number] * len(curve), pa.int64())) for number, curve in curves]
    return pa.concat_tables([SWEEP_TABLES["equity"].schema.empty_table(), *parts])


def written(value: object) -> str:
    """A value of an override as a person reads it: 0.5, binance 0.6 bybit 0.4, true."""
    if isinstance(value, Mapping):
        return " ".join(f"{key} {written(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(written, value))
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _point_row(point: SweepPoint, result: PointResult) -> dict[str, object]:
    own: dict[str, object] = {
        "point": point.number,
        "mode": point.mode,
        "first_month": point.first,
        "last_month": point.last,
        "overrides": json.dumps(point.overrides, default=str),
        "status": str(result.status),
        "reason": result.reason or None,
        "share_class": result.share_class or None,
        "gates_passed": result.gates_passed,
        "gates_warned": result.gates_warned,
        "warned": ", ".join(result.warned) or None,
        "experiment": result.experiment,
        "identity": point.identity or None,
    }
    return own | {name: result.metrics.get(name) for name in HEADLINE}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
