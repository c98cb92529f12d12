"""Which points of a sweep are best, and by how much the best is luck."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.results.columns import FloatArray
from basis_pipeline.results.metrics import daily_returns, stamps_of
from basis_pipeline.results.overfitting import Overfitting, overfitting
from basis_pipeline.results.sweep_types import Outcome, PointStatus

SMALLER_IS_BETTER = frozenset({"max_drawdown", "volatility", "turnover", "orders", "orders_failed"})
"""Metrics where the best point has the smallest; costs are negative and better when larger."""


def ranked(outcomes: Iterable[Outcome], metric: str) -> list[Outcome]:
    """The points that are done, best first; those without the metric last, equal ones in the order of the plan.

    Raises:
        ConfigError: no point has such a metric.
    """
    done = [outcome for outcome in outcomes if outcome[1].status is PointStatus.DONE]
    if done and not any(metric in result.metrics for _, result in done):
        known = ", ".join(sorted({name for _, result in done for name in result.metrics}))
        raise ConfigError(f"there is no metric {metric!r} to rank by.", remedy=f"known are {known}.")
    sign = 1.0 if metric in SMALLER_IS_BETTER or metric.startswith("cost_") else -1.0

    def place(outcome: Outcome) -> tuple[bool, float]:
        value = outcome[1].metrics.get(metric)
        return value is None, 0.0 if value is None else sign * value

    return sorted(done, key=place)


def luck(outcomes: Sequence[Outcome], equity: Mapping[int, pa.Table]) -> Overfitting | None:
    """What of the best Sharpe ratio is to be expected from having tried so many; `best` indexes the done points."""
    done = [point.number for point, result in outcomes if result.status is PointStatus.DONE]
    return overfitting([_returns(equity[number]) for number in done])


def _returns(equity: pa.Table) -> FloatArray:
    return daily_returns(equity["growth"].to_numpy(), stamps_of(equity))
