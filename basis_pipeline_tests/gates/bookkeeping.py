"""Bookkeeping by hand: from quantities and prices to the rows of the result tables.

The arithmetic is written out here and uses none of the package's formulas, so that a gate is held against numbers that
the package did not compute.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from basis_pipeline.domain.position_keys import Instrument, PositionKey, Universe
from basis_pipeline.domain.records import CATEGORIES, Category
from basis_pipeline.domain.state import EngineState, PnLState, PositionState, RiskState, StrategyState
from basis_pipeline.domain.timeline import HOUR, month_end, month_start
from basis_pipeline.gates.market import MonthMarket
from basis_pipeline.results.tables import SCHEMAS

CAPITAL = 100_000.0
USD = 0.9998
WALLET, CASH = "wallet:BaseToken:USDT", "binance:BaseToken:USDT"
COIN, PERP = "binance:BaseToken:BTC", "binance:Perp:BTCUSDT"
SUPPLIED = "aave_v3:aToken:aUSDT"


def _universe(*instruments: tuple[str, str]) -> Universe:
    return Universe(Instrument(PositionKey.parse(key), asset, asset) for key, asset in instruments)


BASIS = _universe((WALLET, "USDT"), (CASH, "USDT"), (COIN, "BTC"), (PERP, "BTC"))
LENDING = _universe((WALLET, "USDT"), (SUPPLIED, "USDT"))
DIRECTIONAL = _universe((WALLET, "USDT"), (CASH, "USDT"), (PERP, "BTC"))
STAKED = "wallet:LST:weETH"
STAKING = _universe((WALLET, "USDT"), (STAKED, "USDT"))
"""A book counted in the coin that it stakes; what the coin is called plays no part."""


@dataclass
class Book:
    """Quantities, an average short entry, and the rows of the tables. Subclasses say what happens at a step."""

    universe: Universe
    mode: str
    opening_month: str
    quantities: dict[str, float] = field(init=False)
    entry: float = 0.0
    sequence: int = 0
    operation_id: int = 0
    timestamp: int = 0
    equity: float = 0.0
    cumulative: float = 0.0
    flow: float = 0.0
    sums: dict[Category, float] = field(default_factory=lambda: dict.fromkeys(CATEGORIES, 0.0))
    parts: dict[Category, float] = field(init=False)
    rows: dict[str, list[dict[str, object]]] = field(init=False)
    quotes: list[list[tuple[float, float, float, float]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.quantities = dict.fromkeys(self.universe.keys, 0.0)

    def run(self, month: str, hours: int | None = None) -> dict[str, pa.Table]:
        """All tables of a month, or of its first `hours`."""
        self.rows = {name: [] for name in SCHEMAS}
        self.quotes = self.quotes[-1:]
        end = month_end(month) if hours is None else month_start(month) + hours * HOUR
        for self.timestamp in range(month_start(month), end, HOUR):
            self._timestep()
        return {name: pa.Table.from_pylist(rows, SCHEMAS[name]) for name, rows in self.rows.items()}

    def market(self) -> MonthMarket:
        """Of the month that was run last."""
        opened = self.timestamp - (len(self.quotes) - 1) * HOUR == month_start(self.opening_month)
        columns = np.array([*self.quotes[:1], *self.quotes] if opened else self.quotes)
        stamps = self.timestamp + np.arange(2 - len(columns), 1) * HOUR
        price, mark, underlying, funding = np.moveaxis(columns, 2, 0)
        usd = np.full(len(columns), USD)
        return MonthMarket(stamps, price, mark, mark, 0.999 * mark, 1.001 * mark, underlying, funding, usd)

    def state(self) -> EngineState:
        entries = {PERP: self.entry}
        return EngineState(
            mode=self.mode, config_digest="c0ffee", behaviour={}, timestamp=self.timestamp,
            sequence=self.sequence, event_sequence=0, operation_id=self.operation_id, funded=True,
            positions={key: PositionState(held, entries.get(key, 0.0)) for key, held in self.quantities.items()},
            market=None, risk=RiskState(), strategy=StrategyState(), settled={},
            pnl=PnLState(
                tuple(self.sums.values()), tuple(part * USD for part in self.sums.values()),
                self.equity, self.equity * USD, self.cumulative, self.cumulative * USD,
            ),
        )  # fmt: skip

    @property
    def opens(self) -> bool:
        return self.timestamp == month_start(self.opening_month)

    @property
    def hour(self) -> int:
        """Hours since the opening."""
        return (self.timestamp - month_start(self.opening_month)) // HOUR

    def values(self) -> dict[str, float]:
        """USDT by position."""
        raise NotImplementedError

    def index(self, key: str) -> float:
        return 1.0

    def quote(self, key: str) -> tuple[float, float, float, float]:
        """Price of the asset, mark, units of the asset per stored unit, funding rate settled at this step."""
        return 1.0, 1.0, self.index(key), 0.0

    def refresh(self) -> None:
        """What the world does at this step."""
        raise NotImplementedError

    def trade(self) -> None:
        """What the strategy does at this step."""
        raise NotImplementedError

    def change(self, key: str, amount: float, source: str, price: float | None = None) -> None:
        """`price`: of a fill, which is its reference too: nothing slips in these books."""
        self.quantities[key] += amount
        self.rows["deltas"].append(
            {"sequence": self.sequence + 1, "timestamp": self.timestamp, "position_key": key, "delta_amount": amount,
             "source": source, "fee": 0.0, "operation_id": self.operation_id, "price": price, "reference_price": price}
        )  # fmt: skip

    def order(self, key: str, quantity: float) -> None:
        """The order whose deltas have just been applied, and the commit that follows it."""
        self.operation_id += 1
        self.commit("execution_manager")
        operation = {WALLET: "transfer", SUPPLIED: "supply", STAKED: "stake", PERP: "perp_trade"}.get(key, "spot_trade")
        names = ("venue", "action", "side", "counter_position_key", "trail", "tag", "reason", "error_code")
        self.rows["orders"].append(
            dict.fromkeys(names, "") | dict.fromkeys(("fee", "slippage", "gas"), 0.0)
            | {"sequence": self.sequence, "timestamp": self.timestamp, "operation_id": self.operation_id,
               "operation": operation, "position_key": key, "quantity": quantity, "filled": quantity,
               "status": "success", "reduce_only": False, "error_message": ""}
        )  # fmt: skip

    def commit(self, trigger: str) -> None:
        self.sequence += 1
        head = {"timestamp": self.timestamp, "sequence": self.sequence, "trigger": trigger}
        for asset in self.universe.assets:
            self.rows["exposures"].append(
                head | {"asset": asset, "net_delta": 0.0, "price_usd": 1.0, "net_delta_usd": 0.0}
            )
        for dimension, value in {"delta_drift": 0.0, "margin_ratio": self.margin_ratio()}.items():
            self.rows["risk"].append(head | {"dimension": dimension, "venue": "", "value": value, "level": "info"})
        self.trigger = trigger

    def margin_ratio(self) -> float | None:
        return None

    def net_delta(self) -> float:
        return 0.0

    def _timestep(self) -> None:
        before = self.equity
        self.flow, self.parts = 0.0, dict.fromkeys(CATEGORIES, 0.0)
        if self.opens:
            self.change(WALLET, CAPITAL, "initial")
            self.flow = CAPITAL
        self.refresh()
        self.commit("position_refresh")
        self.trade()
        values = self.values()
        self.equity = sum(values.values())
        step = self.equity - before - self.flow
        self.cumulative += step
        self.parts[Category.RESIDUAL] = step - sum(self.parts.values())
        self.sums = {name: total + self.parts[name] for name, total in self.sums.items()}
        self._close(step, values)

    def _close(self, step: float, values: dict[str, float]) -> None:
        self.quotes.append([self.quote(key) for key in self.universe.keys])
        money = {
            "equity_share_class": self.equity,
            "step_pnl": step,
            "cumulative_pnl": self.cumulative,
            "flow": self.flow,
        }
        dollars = {
            "equity_usd": self.equity,
            "step_pnl_usd": step,
            "cumulative_pnl_usd": self.cumulative,
            "flow_usd": self.flow,
        }
        self.rows["timesteps"].append(
            {"timestamp": self.timestamp, "trigger": self.trigger, "sequence": self.sequence, **money,
             **{name: value * USD for name, value in dollars.items()}, "net_delta_usd": self.net_delta() * USD,
             "excess_delta_usd": 0.0,
             "gross_exposure_usd": 0.0, "min_margin_ratio": self.margin_ratio(), "min_health_factor": None,
             "risk_level": "info", "share_price_usd": USD}
        )  # fmt: skip
        for key, held in self.quantities.items():
            self.rows["positions"].append(
                {"timestamp": self.timestamp, "position_key": key, "quantity": held,
                 "underlying_quantity": held * self.index(key), "value_usd": values[key] * USD,
                 "entry_price": self.entry if key == PERP and held else None}
            )  # fmt: skip
        for name, part in self.parts.items():
            self.rows["pnl_attribution"].append(
                {"timestamp": self.timestamp, "category": name, "pnl": part, "pnl_usd": part * USD}
            )
