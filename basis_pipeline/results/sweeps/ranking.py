"""Which points of a sweep are best, how they are shown, and how far the best is luck."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.results.columns import FloatArray
from basis_pipeline.results.metrics import daily_returns, stamps_of
from basis_pipeline.results.reports.text import DASH, money, percent, plain
from basis_pipeline.results.sweeps.axes import axes_of, short, value_on
from basis_pipeline.results.sweeps.overfitting import Overfitting, overfitting
from basis_pipeline.results.sweeps.parts import Outcome, PointResult, PointStatus, SweepPlan, SweepPoint

SMALLER_IS_BETTER = frozenset({"max_drawdown", "volatility", "turnover", "orders", "orders_failed"})
"""Metrics where the best point has the smallest; costs are negative and better when larger."""


class Shown(NamedTuple):
    """A metric as a column. `form`: percent, plain, count, or money in the share class."""

    metric: str
    title: str
    form: str

    def written(self, value: float | None, currency: str) -> str:
        """The figure as people read it."""
        if self.form == "percent":
            return percent(value)
        return money(value, currency) if self.form == "money" else plain(value, 0 if self.form == "count" else 3)


SHOWN = (
    Shown("time_weighted_return", "Return", "percent"),
    Shown("cagr", "CAGR", "percent"),
    Shown("sharpe", "Sharpe", "plain"),
    Shown("sortino", "Sortino", "plain"),
    Shown("volatility", "Volatility", "percent"),
    Shown("max_drawdown", "Max drawdown", "percent"),
    Shown("pnl_funding", "Funding", "money"),
    Shown("pnl_transaction_costs", "Costs", "money"),
    Shown("orders", "Orders", "count"),
    Shown("min_margin_ratio", "Min margin ratio", "percent"),
    Shown("min_health_factor", "Min health factor", "plain"),
)


class RankingColumn(NamedTuple):
    title: str
    numeric: bool


class Ranking(NamedTuple):
    """The best points as a table of texts, one row each."""

    columns: list[RankingColumn]
    rows: list[list[str]]


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


def ranking(plan: SweepPlan, best_first: Sequence[Outcome]) -> Ranking:
    """`best_first` as `ranked` gives it, with what is varied and the figures that any of the points has."""
    axes, shown = axes_of(plan.points), present(best_first, plan.rank_by)
    mixed = len({result.share_class for _, result in best_first}) > 1
    columns = [
        RankingColumn("", True),
        RankingColumn("Point", True),
        *(RankingColumn(short(axis.key), False) for axis in axes),
        *(RankingColumn(titled(one, best_first), True) for one in shown),
        RankingColumn("Gates that warned", False),
    ]
    rows = [
        [
            str(place),
            str(point.number),
            *(value_on(point, axis.key) for axis in axes),
            *(_cell(one, result, name_currency=mixed) for one in shown),
            ", ".join(result.warned) or DASH,
        ]
        for place, (point, result) in enumerate(best_first, start=1)
    ]
    return Ranking(columns, rows)


def _cell(shown: Shown, result: PointResult, *, name_currency: bool) -> str:
    text = shown.written(result.metrics.get(shown.metric), result.share_class)
    return f"{text} {result.share_class}" if name_currency and shown.form == "money" and text != DASH else text


def titled(shown: Shown, outcomes: Sequence[Outcome]) -> str:
    """The title of a metric, with its currency where that is one for all points."""
    currencies = {result.share_class for _, result in outcomes if result.share_class}
    return f"{shown.title}, {currencies.pop()}" if shown.form == "money" and len(currencies) == 1 else shown.title


def setting(plan: SweepPlan, point: SweepPoint) -> str:
    """Where a point stands on every axis, in words."""
    return ", ".join(f"{short(axis.key)} {value_on(point, axis.key)}" for axis in axes_of(plan.points))


def shown_as(metric: str) -> Shown:
    """How a metric is shown; one without a column of its own as a plain number."""
    return next((one for one in SHOWN if one.metric == metric), Shown(metric, metric, "plain"))


def present(outcomes: Sequence[Outcome], rank_by: str) -> list[Shown]:
    """The metrics that any point has; the one that ranks is always among them."""
    known = [one for one in SHOWN if any(result.metrics.get(one.metric) is not None for _, result in outcomes)]
    return known if rank_by in {one.metric for one in known} else [shown_as(rank_by), *known]


def luck(outcomes: Sequence[Outcome], equity: Mapping[int, pa.Table]) -> Overfitting | None:
    """What of the best Sharpe ratio is to be expected from having tried so many; `best` indexes the done points."""
    done = [point.number for point, result in outcomes if result.status is PointStatus.DONE]
    return overfitting([_returns(equity[number]) for number in done])


def _returns(equity: pa.Table) -> FloatArray:
    return daily_returns(equity["growth"].to_numpy(), stamps_of(equity))
