"""Headline figures of a month or of a range of months, from the result tables.

Definitions (a year has 365 days, the risk-free rate is 0, flows are never profit):

* return of a step: r = step_pnl / equity of the step before. External flows are credited when a step refreshes, so this
  breaks the chain just before each flow. In the opening step the base is the initial capital.
* total return: sum of step_pnl / equity before the range; time-weighted return: product of (1 + r), less 1.
* money-weighted return: the growth g - 1 over the range at which what was there at its start and every flow since, each
  from its payment stamp on, grow to the equity at its end (internal rate of return; equal to the time-weighted return
  without flows). Not annualised.
* volatility, Sharpe ratio (Sharpe 1994, ex post), Sortino ratio (Sortino and Price 1994, target 0, downside deviation
  over all observations): from returns between 00:00 UTC stamps.
* drawdown: 1 - index / its running peak, over every closing record, the start included.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from basis_pipeline.domain.orders import Operation, OrderState
from basis_pipeline.domain.position_keys import PositionKey, PositionType
from basis_pipeline.domain.records import Trigger
from basis_pipeline.domain.timeline import DAY, SECOND, YEAR
from basis_pipeline.results.columns import FloatArray, IntArray
from basis_pipeline.results.funding import funding_by_venue
from basis_pipeline.results.money_weighted import money_weighted_return
from basis_pipeline.results.stops import bracket_closes
from basis_pipeline.results.tables import METRICS

DAYS_A_YEAR = YEAR / DAY
SHORTEST = 7 * DAY
"""Less than this, as of a live session of some hours, is not made into a figure per year."""
EPOCH = "seconds since 1970-01-01 UTC"
_IDLE_TYPES = frozenset({PositionType.BASE_TOKEN, PositionType.RECEIVABLE})


class Metric(NamedTuple):
    """One figure; `value` is None where it is not defined."""

    metric: str
    value: float | None
    unit: str
    description: str


class Drawdown(NamedTuple):
    """Depth (fraction, 0 = none) and the stamps (microseconds UTC) of the peak before it and of its lowest point."""

    depth: float
    peak: int | None
    trough: int | None


def compute_metrics(tables: Mapping[str, pa.Table], *, opening: bool) -> list[Metric]:
    """All figures of the consecutive months in `tables`.

    Args:
        tables: at least timesteps, positions, risk, pnl_attribution, orders and deltas; timesteps must not be empty.
        opening: the first step is the opening of the record, so its flow is the capital everything is measured on.
    """
    steps = tables["timesteps"]
    return [
        *performance(steps, opening=opening),
        *_attribution(tables["pnl_attribution"]),
        *_funding(tables["deltas"]),
        *_trading(tables["orders"], bracket_closes(tables["deltas"]), steps),
        Metric("min_margin_ratio", _lowest(tables["risk"], "margin_ratio"), "fraction", "lowest at a refresh"),
        Metric("min_health_factor", _lowest(tables["risk"], "health_factor"), "fraction", "lowest at a refresh"),
        Metric(
            "time_in_market", _time_in_market(tables), "fraction", "share of steps with more than plain tokens held"
        ),
    ]


def metrics_table(metrics: Iterable[Metric]) -> pa.Table:
    return pa.Table.from_pylist([metric._asdict() for metric in metrics], METRICS)


# Formulas


def returns_by_step(equity: FloatArray, step_pnl: FloatArray, base: float) -> FloatArray:
    """Return of each step on the equity of the step before it; `base` stands before the first.

    A step without equity before it has no return; it counts as 0, so that a book that was never funded stays flat.
    """
    before: FloatArray = np.concatenate((np.array([base]), equity[:-1]))
    return np.divide(step_pnl, before, out=np.zeros_like(before), where=before > 0.0)


def index_of(returns: FloatArray) -> FloatArray:
    """Growth of one unit after each return."""
    return np.cumprod(1.0 + returns, dtype=np.float64)


def annualised(growth: float, elapsed: float) -> float | None:
    """CAGR: `growth` ** (year / `elapsed`) - 1, `elapsed` in microseconds; None below a week, or for a lost book."""
    return growth ** (YEAR / elapsed) - 1.0 if elapsed >= SHORTEST and growth > 0.0 else None


def volatility(returns: FloatArray) -> float | None:
    """Annualised sample standard deviation of daily returns; None below two of them."""
    return float(np.std(returns, ddof=1)) * math.sqrt(DAYS_A_YEAR) if len(returns) > 1 else None


def sharpe_ratio(returns: FloatArray) -> float | None:
    """Mean over sample standard deviation of daily returns, annualised; None without dispersion."""
    deviation = volatility(returns)
    return float(np.mean(returns)) * DAYS_A_YEAR / deviation if deviation else None


def sortino_ratio(returns: FloatArray) -> float | None:
    """Mean over downside deviation (root mean square of min(r, 0)), annualised; None without a losing day."""
    if not len(returns) or not (downside := float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2)))):
        return None
    return float(np.mean(returns)) / downside * math.sqrt(DAYS_A_YEAR)


def drawdowns(index: FloatArray) -> FloatArray:
    """Fraction below the running peak at each step; the start (1.0) counts as a peak."""
    below: FloatArray = 1.0 - index / np.maximum(np.maximum.accumulate(index), 1.0)
    return below


def max_drawdown(index: FloatArray, stamps: IntArray) -> Drawdown:
    """Deepest drawdown; without one the stamps are None. A peak at the start has the first stamp."""
    below = drawdowns(index)
    trough = int(np.argmax(below))
    if below[trough] <= 0.0:
        return Drawdown(0.0, None, None)
    peak = int(np.argmax(index[: trough + 1]))
    return Drawdown(float(below[trough]), int(stamps[peak]), int(stamps[trough]))


# From tables


def stamps_of(table: pa.Table) -> IntArray:
    """`timestamp` as microseconds."""
    stamps: IntArray = table["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64)
    return stamps


def index_of_steps(steps: pa.Table, suffix: str = "", *, opening: bool) -> FloatArray:
    """Growth of one unit of capital by timestep; `suffix` "" for the share class, "_usd" for USD."""
    equity = steps["equity_usd" if suffix else "equity_share_class"].to_numpy()
    pnl = steps[f"step_pnl{suffix}"].to_numpy()
    return index_of(returns_by_step(equity, pnl, base_of(steps, suffix, opening=opening)))


def base_of(steps: pa.Table, suffix: str = "", *, opening: bool) -> float:
    """Equity before the first step; at the opening the capital that came in with it."""
    first = steps.slice(0, 1).to_pylist()[0]
    equity = first["equity_usd" if suffix else "equity_share_class"]
    base: float = equity - first[f"step_pnl{suffix}"] - (0.0 if opening else first[f"flow{suffix}"])
    return base


def money_weighted_of_steps(steps: pa.Table, suffix: str = "", *, opening: bool) -> float | None:
    """Money-weighted return of a range; the range begins one step before its first stamp, an opening at it."""
    stamps, flows = stamps_of(steps), _flows_since_start(steps, suffix, opening=opening)
    step = int(stamps[1] - stamps[0]) if len(stamps) > 1 and not opening else 0
    elapsed = max(int(stamps[-1] - stamps[0]) + step, 1)
    paid = np.flatnonzero(flows)
    amounts = np.concatenate(([base_of(steps, suffix, opening=opening)], flows[paid]))
    shares = np.concatenate(([1.0], (stamps[-1] - stamps[paid]) / elapsed))
    return money_weighted_return(amounts, shares, steps["equity_usd" if suffix else "equity_share_class"][-1].as_py())


def _flows_since_start(steps: pa.Table, suffix: str, *, opening: bool) -> FloatArray:
    """External flows by timestep; the capital that opens a record is what it starts with, no flow since."""
    flows: FloatArray = steps[f"flow{suffix}"].to_numpy().copy()
    if opening:
        flows[0] = 0.0
    return flows


def daily_returns(index: FloatArray, stamps: IntArray) -> FloatArray:
    """Returns from one 00:00 UTC to the next; off the grid, the last record at or before it stands for a midnight."""
    midnights = np.arange(-(-int(stamps[0]) // DAY) * DAY, int(stamps[-1]) + 1, DAY)
    midnight = index[np.searchsorted(stamps, midnights, side="right") - 1]
    found: FloatArray = midnight[1:] / midnight[:-1] - 1.0
    return found


def performance(steps: pa.Table, *, opening: bool) -> list[Metric]:
    """The figures that follow from the closing records alone, in the share class and in USD."""
    return [*_performance(steps, "", opening=opening), *_performance(steps, "_usd", opening=opening)]


def _performance(steps: pa.Table, suffix: str, *, opening: bool) -> list[Metric]:
    unit = "USD" if suffix else "share class"
    stamps, index = stamps_of(steps), index_of_steps(steps, suffix, opening=opening)
    base, pnl = base_of(steps, suffix, opening=opening), steps[f"step_pnl{suffix}"].to_numpy()
    step = int(stamps[1] - stamps[0]) if len(stamps) > 1 and not opening else 0
    daily, deepest = daily_returns(index, stamps), max_drawdown(index, stamps)
    figures: list[tuple[str, float | None, str, str]] = [
        ("start_equity", base, unit, "equity before the first step; the capital at the opening"),
        ("end_equity", steps["equity_usd" if suffix else "equity_share_class"][-1].as_py(), unit, "equity at the end"),
        ("profit", float(pnl.sum()), unit, "sum of step_pnl"),
        ("net_flow", float(steps[f"flow{suffix}"].to_numpy().sum()), unit, "external flows, positive = into the book"),
        (
            "flows_since_start",
            float(np.abs(_flows_since_start(steps, suffix, opening=opening)).sum()),
            unit,
            "sum of their sizes",
        ),
        ("total_return", _ratio(float(pnl.sum()), base), "fraction", "profit / start equity"),
        ("time_weighted_return", float(index[-1]) - 1.0, "fraction", "chained step returns, broken before each flow"),
        (
            "money_weighted_return",
            money_weighted_of_steps(steps, suffix, opening=opening),
            "fraction",
            "growth of the capital and of every flow from its payment on",
        ),
        (
            "cagr",
            annualised(float(index[-1]), int(stamps[-1] - stamps[0]) + step),
            "fraction",
            "time-weighted, per 365 days",
        ),
        ("volatility", volatility(daily), "fraction per year", "of daily returns, x sqrt(365)"),
        ("sharpe", sharpe_ratio(daily), "ratio", "daily mean / deviation x sqrt(365), risk-free rate 0"),
        ("sortino", sortino_ratio(daily), "ratio", "daily mean / downside deviation x sqrt(365), target 0"),
        ("max_drawdown", deepest.depth, "fraction", "deepest fall of the index below its peak, at any step's close"),
        ("max_drawdown_peak", _seconds(deepest.peak), EPOCH, "when the peak before the deepest drawdown was"),
        ("max_drawdown_trough", _seconds(deepest.trough), EPOCH, "when the deepest drawdown was"),
    ]
    return [Metric(f"{name}{suffix}", value, unit, description) for name, value, unit, description in figures]


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0.0 else None


def _seconds(stamp: int | None) -> float | None:
    return None if stamp is None else stamp / SECOND


def _attribution(attribution: pa.Table) -> Iterable[Metric]:
    sums = attribution.group_by("category", use_threads=False).aggregate([("pnl", "sum"), ("pnl_usd", "sum")])
    for row in sums.to_pylist():
        for suffix, unit in (("", "share class"), ("_usd", "USD")):
            name = f"pnl_{row['category'].removesuffix('_pnl')}{suffix}"
            yield Metric(name, row[f"pnl{suffix}_sum"], unit, f"sum of {row['category']}")


def _funding(deltas: pa.Table) -> Iterable[Metric]:
    for venue, received in funding_by_venue(deltas).items():
        yield Metric(f"funding_{venue}", received, "USDT", f"funding settled at {venue}, positive = received")


def _trading(orders: pa.Table, stops: pa.Table, steps: pa.Table) -> Iterable[Metric]:
    filled = orders.filter(pc.equal(orders["status"], OrderState.SUCCESS))
    traded = filled.filter(pc.is_in(filled["operation"], pa.array([Operation.SPOT_TRADE, Operation.PERP_TRADE])))
    known = not traded["notional"].null_count  # months published before the column existed do not have it
    notional = _sum(traded, "notional") + _sum(stops, "notional") if known else None
    yield Metric("orders", float(orders.num_rows), "count", "orders, whatever became of them")
    yield Metric("orders_failed", float(orders.num_rows - filled.num_rows), "count", "orders that did not succeed")
    yield Metric("traded_notional", notional, "USDT", "notional of spot and perp trades, stops of a venue included")
    turnover = None if notional is None else _ratio(notional, float(np.mean(steps["equity_usd"].to_numpy())))
    yield Metric("turnover", turnover, "ratio", "traded notional (USDT at par) / mean equity in USD")
    for cost in ("fee", "slippage"):
        paid = _sum(orders, cost) + _sum(stops, cost)
        yield Metric(f"cost_{cost}", paid, "USDT", f"sum of {cost}, stops of a venue included, positive = paid")
    yield Metric("cost_gas", _sum(orders, "gas"), "USDT", "sum of gas, positive = paid")


def _sum(table: pa.Table, column: str) -> float:
    return pc.sum(table[column]).as_py() or 0.0


def _lowest(risk: pa.Table, dimension: str) -> float | None:
    """Before the step reacts: at its close a book that derisked in the same step looks safer than it was."""
    refreshed = pc.equal(risk["trigger"], Trigger.POSITION_REFRESH)
    values = risk.filter(pc.and_(refreshed, pc.equal(risk["dimension"], dimension)))["value"]
    lowest: float | None = pc.min(values).as_py()
    return lowest


def _time_in_market(tables: Mapping[str, pa.Table]) -> float:
    positions = tables["positions"]
    keys = pc.unique(positions["position_key"]).to_pylist()
    invested = pa.array([key for key in keys if PositionKey.parse(key).position_type not in _IDLE_TYPES], pa.string())
    held = pc.and_(pc.is_in(positions["position_key"], invested), pc.not_equal(positions["quantity"], 0.0))
    steps_held = int(pc.count_distinct(positions["timestamp"].filter(held)).as_py())
    return steps_held / int(tables["timesteps"].num_rows)
