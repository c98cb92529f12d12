"""The reference workload "basis" (W1): half of the capital buys spot, the other half backs a short of the same
quantity on one venue; back to 50/50 when the leverage of the short leaves a band of +-2%.

`plain_loop` is the whole workload in thirty lines of arithmetic that share nothing with the package. `engine_config`
expresses the same rules as a configuration of the engine, and `feed` gives both the same closes as prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.wiring import WiredMode, wire_mode
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.timeline import HOUR
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine

CONFIGS = Path(__file__).parents[2] / "configs"
CAPITAL = 100_000.0
SPOT_FEE, PERP_FEE = 0.001, 0.0004
BAND = 0.02
HIGHEST, LOWEST = (1 + BAND) / (1 - BAND), (1 - BAND) / (1 + BAND)

OVERRIDES = {
    "strategy.spot_fraction": 0.5,
    "strategy.hedge_allocation": {"binance": 1.0},
    "reserve_fraction": 0.0,
    "margin_ratio": {"emergency": 0.12, "derisk": 1 / HIGHEST, "warn": 0.99, "relever": 1 / LOWEST},
    "equity_deviation_threshold": 1e9,
    "min_trade_usd": 0.0,
    "max_drawdown": 1.0,
    "component_config.risk_monitor.enabled_risk_types": ["cex_margin_ratio"],
    "venues": {
        "wallet": {"transfer_fee_usdt": 0.0},
        "binance": {
            "spot": {"taker_fee_bp": SPOT_FEE * 1e4, "min_notional": 0},
            "perp": {"taker_fee_bp": PERP_FEE * 1e4, "min_notional": 0},
            "spot_fee_in": "base",
            "instruments": [
                {"key": "binance:BaseToken:USDT"},
                {"key": "binance:BaseToken:BTC", "slippage_bp": {10_000: 0.0}},
                {"key": "binance:Perp:BTCUSDT", "token": "BTC", "slippage_bp": {10_000: 0.0}},
            ],
        },
    },
}


class Series(NamedTuple):
    """Spot and perp closes, and the funding rates that settle on each step (0.0 where none does)."""

    spot: list[float]
    perp: list[float]
    funding: list[float]


class Outcome(NamedTuple):
    """Equity by step, sums of funding received and fees paid, number of rebalances."""

    equity: list[float]
    funding: float
    fees: float
    rebalances: int


class ClosesFeed:
    """A market feed of closes: every price of a step is its close, and the bar has no other high or low."""

    def __init__(self, series: Series, wired: WiredMode) -> None:
        universe = wired.settings.universe
        ones, zeros = (1.0,) * len(universe), (0.0,) * len(universe)
        spot_slot = universe.slot("binance:BaseToken:BTC")
        perp_slot = universe.slot("binance:Perp:BTCUSDT")
        self._snapshots = {}
        for step, (spot, perp, rate) in enumerate(zip(*series, strict=True)):
            price = tuple(spot if slot in (spot_slot, perp_slot) else 1.0 for slot in range(len(universe)))
            mark = tuple(perp if slot == perp_slot else value for slot, value in enumerate(price))
            funding = tuple(rate if slot == perp_slot else 0.0 for slot in range(len(zeros)))
            stamp = step * HOUR
            self._snapshots[stamp] = MarketSnapshot(
                timestamp=stamp,
                price=price,
                index=ones,
                ratio=ones,
                mark=mark,
                last=mark,
                value=mark,
                underlying=ones,
                low=mark,
                high=mark,
                funding=funding if rate else None,
                usd=1.0,
                share_price=1.0,
            )
        self.timestamps = list(self._snapshots)

    def at(self, timestamp: int) -> MarketSnapshot:
        return self._snapshots[timestamp]


def wire() -> WiredMode:
    """The engine's configuration of the workload."""
    return wire_mode(ConfigFolder(CONFIGS), "btc_basis", OVERRIDES)


def new_engine(wired: WiredMode, feed: ClosesFeed) -> EventDrivenStrategyEngine:
    return EventDrivenStrategyEngine(wired.engine_config(), "backtest", feed, CAPITAL, "USDT")


def plain_loop(series: Series) -> Outcome:
    """The workload without an engine: cash and margin in four floats."""
    cash = quantity = size = entry = funding = fees = 0.0
    equity: list[float] = []
    rebalances = 0
    for spot, perp, rate in zip(*series, strict=True):
        payment = -size * perp * rate
        cash += payment
        funding += payment
        spent = 0.0
        if not equity:
            cash, spent = CAPITAL / 2, CAPITAL / 2
        else:
            margin = cash + size * (perp - entry)
            leverage = -size * perp / margin
            if not LOWEST <= leverage <= HIGHEST:
                spent = (margin + quantity * spot) / 2 - quantity * spot
                cash -= max(spent, 0.0)
                rebalances += 1
        if spent > 0.0:
            bought = spent * (1 - SPOT_FEE) / spot
            entry = (entry * -size + perp * bought) / (bought - size)
            quantity, size = quantity + bought, size - bought
            fees += spent * SPOT_FEE + bought * perp * PERP_FEE
            cash -= bought * perp * PERP_FEE
        elif spent < 0.0:
            sold = -spent / spot
            quantity, size = quantity - sold, size + sold
            fees += -spent * SPOT_FEE + sold * perp * PERP_FEE
            cash += -spent * (1 - SPOT_FEE) - sold * perp * PERP_FEE - sold * (perp - entry)
        equity.append(cash + size * (perp - entry) + quantity * spot)
    return Outcome(equity, funding, fees, rebalances)


def run_engine(engine: EventDrivenStrategyEngine, timestamps: Sequence[int]) -> Outcome:
    log = engine.run(timestamps)
    deltas = [entry.delta for entry in log.deltas]
    decisions = {entry.timestamp for entry in log.orders}
    return Outcome(
        [commit.pnl.equity for commit in log.closing_commits],
        sum(delta.amount for delta in deltas if delta.source == "funding"),
        sum(delta.fee for delta in deltas),
        len(decisions) - 1,
    )
