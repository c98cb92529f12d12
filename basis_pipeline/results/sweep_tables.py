"""The tables of a sweep: one row per point, what was varied, every figure, and the daily equity of each point.

They are Parquet below `results/sweeps`, and `sweep_points`, `sweep_parameters`, `sweep_metrics` and `sweep_equity` in
the catalogue.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from basis_pipeline.domain.timeline import DAY
from basis_pipeline.results.metrics import index_of_steps, stamps_of
from basis_pipeline.results.sweep_types import Outcome, PointResult, SweepPoint

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

POINTS = pa.schema(
    [
        ("point", pa.int64()),
        ("mode", pa.string()),
        ("first_month", pa.string()),
        ("last_month", pa.string()),
        ("overrides", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("share_class", pa.string()),
        *((name, pa.float64()) for name in HEADLINE),
        ("gates_passed", pa.int64()),
        ("gates_warned", pa.int64()),
        ("warned", pa.string()),
        ("experiment", pa.string()),
        ("identity", pa.string()),
    ]
)
PARAMETERS = pa.schema([("point", pa.int64()), ("key", pa.string()), ("value", pa.string()), ("number", pa.float64())])
METRICS = pa.schema([("point", pa.int64()), ("metric", pa.string()), ("value", pa.float64())])
EQUITY = pa.schema(
    [
        ("timestamp", pa.timestamp("us")),
        ("equity_share_class", pa.float64()),
        ("equity_usd", pa.float64()),
        ("growth", pa.float64()),
    ]
)
SWEEP_EQUITY = EQUITY.insert(0, pa.field("point", pa.int64()))
SWEEP_TABLES = {"points": POINTS, "parameters": PARAMETERS, "metrics": METRICS, "equity": SWEEP_EQUITY}
"""The tables of a sweep by name."""


def points_table(outcomes: Iterable[Outcome]) -> pa.Table:
    return pa.Table.from_pylist([_point_row(point, result) for point, result in outcomes], POINTS)


def parameters_table(points: Iterable[SweepPoint]) -> pa.Table:
    rows = [
        {"point": point.number, "key": key, "value": written(value), "number": _number(value)}
        for point in points
        for key, value in point.overrides.items()
    ]
    return pa.Table.from_pylist(rows, PARAMETERS)


def metrics_table(outcomes: Iterable[Outcome]) -> pa.Table:
    rows = [
        {"point": point.number, "metric": name, "value": value}
        for point, result in outcomes
        for name, value in result.metrics.items()
    ]
    return pa.Table.from_pylist(rows, METRICS)


def daily_equity(months: Sequence[Mapping[str, pa.Table]]) -> pa.Table:
    """Equity and growth of one unit of share class at every 00:00 UTC and at the last record; empty without months."""
    if not months:
        return EQUITY.empty_table()
    steps = pa.concat_tables([tables["timesteps"] for tables in months], promote_options="permissive")
    stamps = stamps_of(steps)
    kept = np.flatnonzero((stamps % DAY == 0) | (np.arange(len(stamps)) == len(stamps) - 1))
    columns: dict[str, Any] = {name: steps[name].take(kept) for name in EQUITY.names[:3]}
    growth = index_of_steps(steps, opening=True)[kept]
    return pa.table(columns | {"growth": growth}, EQUITY)


def equity_table(curves: Iterable[tuple[int, pa.Table]]) -> pa.Table:
    """The daily equity of many points under one another; `curves` are numbers of points and their `daily_equity`."""
    parts = [curve.add_column(0, "point", pa.array([number] * len(curve), pa.int64())) for number, curve in curves]
    return pa.concat_tables([SWEEP_EQUITY.empty_table(), *parts])


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
