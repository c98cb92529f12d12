"""A small deterministic run made of the real records: a USDT basis book.

It is bookkeeping, not a strategy: prices are a seeded random walk, and every number in a record follows from the
positions by plain arithmetic, so that equity, attribution and deltas agree by construction.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.events import (
    DecisionEvent,
    OrderEvent,
    RiskEvent,
    SequencedDelta,
    SequencedResult,
    SettlementEvent,
    Severity,
)
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import (
    Action,
    ExecutionHandshake,
    HandshakeStatus,
    Operation,
    Order,
    OrderResult,
    OrderState,
    Side,
)
from basis_pipeline.domain.position_keys import Instrument, PositionKey, Universe
from basis_pipeline.domain.records import (
    CATEGORIES,
    Category,
    ChainSnapshot,
    Exposure,
    PnL,
    Positions,
    Risk,
    RiskFinding,
    RiskLevel,
    Trigger,
)
from basis_pipeline.domain.run_log import RunLog
from basis_pipeline.domain.state import EngineState, PnLState, PositionState, RiskState, StrategyState
from basis_pipeline.domain.timeline import DAY, HOUR, month_end, month_start

CAPITAL = 100_000.0
TRAIL = (OrderState.IDLE, OrderState.ROUTING, OrderState.EXECUTING, OrderState.RECONCILING, OrderState.SUCCESS)


def instrument(key: str, token: str, asset: str, quote: str = "") -> Instrument:
    return Instrument(PositionKey.parse(key), token, asset, quote)


BASIS = Universe(
    [
        instrument("wallet:BaseToken:USDT", "USDT", "USDT"),
        instrument("binance:BaseToken:USDT", "USDT", "USDT"),
        instrument("bybit:BaseToken:USDT", "USDT", "USDT"),
        instrument("binance:BaseToken:BTC", "BTC", "BTC"),
        instrument("binance:Perp:BTCUSDT", "BTC", "BTC", "USDT"),
        instrument("bybit:Perp:BTCUSDT", "BTC", "BTC", "USDT"),
    ]
)
WALLET, BINANCE_CASH, BYBIT_CASH, SPOT, BINANCE_PERP, BYBIT_PERP = range(6)
CASH_OF = {BINANCE_PERP: BINANCE_CASH, BYBIT_PERP: BYBIT_CASH}
MARGIN_VENUES = ("binance", "bybit")
USD = 0.9998
FEES = {SPOT: 10e-4, BINANCE_PERP: 5e-4, BYBIT_PERP: 5.5e-4}
SLIPPAGE = 2e-4


class BasisBook:
    """A long spot, short perp book that is traded at the first step and on the 15th of each month."""

    def __init__(self, first_month: str, seed: int = 7) -> None:
        self.random = np.random.default_rng(seed)
        self.opening_month = first_month
        self.quantities = [0.0] * len(BASIS)
        self.entries = [0.0] * len(BASIS)
        self.price, self.premium = 42_000.0, (2e-4, 1e-4)
        self.sequence = self.operation_id = 0
        self.equity = self.cumulative = self.peak = 0.0
        self.sums = [0.0] * len(CATEGORIES)
        self.timestamp = month_start(first_month)

    def run(self, month: str) -> RunLog:
        """One month of hourly steps, starting from where the book stands."""
        self.log = RunLog()
        for timestamp in range(month_start(month), month_end(month), HOUR):
            self._step(timestamp)
        return self.log

    def state(self) -> EngineState:
        return EngineState(
            mode="btc_basis",
            config_digest="c0ffee",
            behaviour={},
            timestamp=self.timestamp,
            sequence=self.sequence,
            event_sequence=0,
            operation_id=self.operation_id,
            funded=True,
            positions={
                key: PositionState(self.quantities[slot], self.entries[slot]) for slot, key in enumerate(BASIS.keys)
            },
            market=self.market,
            pnl=PnLState(
                attribution=tuple(self.sums),
                attribution_usd=tuple(value * USD for value in self.sums),
                equity=self.equity,
                equity_usd=self.equity * USD,
                cumulative=self.cumulative,
                cumulative_usd=self.cumulative * USD,
            ),
            risk=RiskState(equity=self.equity),
            strategy=StrategyState(reference_equity=CAPITAL),
            settled={},
        )

    def _step(self, timestamp: int) -> None:
        self.timestamp, self.flow, self.step_costs, self.funding = timestamp, 0.0, 0.0, 0.0
        self.start = (list(self.quantities), self.price, self._marks(), self.equity)
        if timestamp == month_start(self.opening_month):
            self._apply(WALLET, CAPITAL, DeltaSource.INITIAL)
            self.flow = CAPITAL
        else:
            self.price *= float(np.exp(self.random.normal(4e-5, 0.004)))
            self.premium = tuple(float(self.random.normal(1.5e-4, 1e-4)) for _ in self.premium)
        self.market = self._market()
        if timestamp % (8 * HOUR) == 0 and self.quantities[SPOT]:
            self._settle_funding()
        self._commit(Trigger.POSITION_REFRESH)
        if timestamp == month_start(self.opening_month):
            self._enter()
        elif timestamp % DAY == 0 and (timestamp - month_start(self.opening_month)) // DAY % 30 == 15:
            self._trade(BINANCE_PERP, -0.01, Action.EXIT_PARTIAL, "margin ratio below derisk")
            self._trade(SPOT, 0.01, Action.EXIT_PARTIAL, "margin ratio below derisk")
        self.cumulative = self.log.commits[-1].pnl.cumulative
        self.sums = [total + part for total, part in zip(self.sums, self.log.commits[-1].pnl.attribution, strict=True)]
        self.log.closings.append(len(self.log.commits) - 1)

    def _marks(self) -> tuple[float, float]:
        return self.price * (1 + self.premium[0]), self.price * (1 + self.premium[1])

    def _market(self) -> MarketSnapshot:
        spot, (binance, bybit) = self.price, self._marks()
        ones, prices = (1.0,) * 6, (1.0, 1.0, 1.0, spot, spot, spot)
        marks = (1.0, 1.0, 1.0, spot, binance, bybit)
        funding = (0.0, 0.0, 0.0, 0.0, 1e-4, 8e-5) if self.timestamp % (8 * HOUR) == 0 else None
        return MarketSnapshot(
            self.timestamp, prices, ones, ones, marks, marks, marks, ones, marks, marks, funding, USD, 1.0
        )

    def _apply(self, slot: int, amount: float, source: DeltaSource, **details: float) -> None:
        self.quantities[slot] += amount
        delta = PositionDelta(slot, amount, source, **details)  # type: ignore[arg-type]
        self.log.deltas.append(SequencedDelta(self.sequence + 1, self.timestamp, delta))

    def _settle_funding(self) -> None:
        for slot, mark, rate in zip((BINANCE_PERP, BYBIT_PERP), self._marks(), (1e-4, 8e-5), strict=True):
            payment = -self.quantities[slot] * mark * rate
            self.funding += payment
            held = self.quantities[slot]
            self._apply(CASH_OF[slot], payment, DeltaSource.FUNDING, price=mark, rate=rate, reference_quantity=held)
            key = BASIS.keys[CASH_OF[slot]]
            venue = key.split(":")[0]
            message = f"funding {payment:.2f} USDT at {venue}"
            self.log.events.append(
                SettlementEvent(
                    self.sequence + 1, self.timestamp, Severity.INFO, message, "funding", venue, payment, key
                )
            )

    def _enter(self) -> None:
        self.log.events.append(
            DecisionEvent(self.sequence, self.timestamp, Severity.INFO, "enter", Action.ENTRY_FULL, "no position", 5)
        )
        for slot, amount in ((BINANCE_CASH, 86_000.0), (BYBIT_CASH, 13_500.0)):
            self._transfer(slot, amount)
        self._trade(SPOT, 1.55, Action.ENTRY_FULL, "no position")
        self._trade(BINANCE_PERP, -0.93, Action.ENTRY_FULL, "no position")
        self._trade(BYBIT_PERP, -0.62, Action.ENTRY_FULL, "no position")

    def _transfer(self, slot: int, amount: float) -> None:
        self.operation_id += 1
        self._apply(WALLET, -amount, DeltaSource.TRANSFER, operation_id=self.operation_id)
        self._apply(slot, amount, DeltaSource.TRANSFER, operation_id=self.operation_id)
        order = Order(
            venue="wallet", operation=Operation.TRANSFER, slot=WALLET, counter_slot=slot, quantity=amount,
            action=Action.ENTRY_FULL, operation_id=self.operation_id,
        )  # fmt: skip
        self._finish(order, "no position", None, 0.0, 0.0)

    def _trade(self, slot: int, amount: float, action: Action, reason: str) -> None:
        self.operation_id += 1
        reference = self.market.last[slot]
        price = reference * (1 + (SLIPPAGE if amount > 0 else -SLIPPAGE))
        fee, slippage = abs(amount) * price * FEES[slot], amount * (price - reference)
        details = {"operation_id": self.operation_id, "price": price, "reference_price": reference, "fee": fee}
        if slot == SPOT:
            cash, paid = BINANCE_CASH, -amount * price - fee
        else:
            cash, paid = CASH_OF[slot], -fee
            held = self.quantities[slot]
            self.entries[slot] = (held * self.entries[slot] + amount * price) / (held + amount)
        self._apply(slot, amount, DeltaSource.TRADE, **details)
        self._apply(cash, paid, DeltaSource.TRADE, operation_id=self.operation_id)
        self.step_costs -= fee + slippage
        order = Order(
            venue=BASIS.keys[slot].split(":")[0],
            operation=Operation.SPOT_TRADE if slot == SPOT else Operation.PERP_TRADE,
            slot=slot, counter_slot=cash, quantity=abs(amount), action=action,
            side=Side.BUY if amount > 0 else Side.SELL, operation_id=self.operation_id,
        )  # fmt: skip
        self._finish(order, reason, price, fee, slippage)

    def _finish(self, order: Order, reason: str, price: float | None, fee: float, slippage: float) -> None:
        handshake = ExecutionHandshake(
            operation_id=order.operation_id, status=HandshakeStatus.CONFIRMED, price=price, filled=order.quantity,
            fee=fee, slippage=slippage, submitted_at=self.timestamp, executed_at=self.timestamp,
        )  # fmt: skip
        self._commit(Trigger.EXECUTION_MANAGER)
        result = OrderResult(order, OrderState.SUCCESS, handshake, trail=TRAIL)
        self.log.orders.append(SequencedResult(self.sequence, self.timestamp, reason, result))
        self.log.events.append(
            OrderEvent(self.sequence, self.timestamp, Severity.INFO, "order filled", order.operation_id, "success")
        )

    def _commit(self, trigger: Trigger) -> None:
        self.sequence += 1
        values = list(self.quantities)
        values[SPOT] *= self.price
        for slot, mark in zip((BINANCE_PERP, BYBIT_PERP), self._marks(), strict=True):
            values[slot] = self.quantities[slot] * (mark - self.entries[slot])
        self.equity = sum(values)
        net = sum(self.quantities[SPOT:])
        gross = sum(abs(quantity) for quantity in self.quantities[SPOT:]) * self.price
        exposure = Exposure(self.equity, tuple(values), (0.0, net), net * self.price, net * self.price, gross)
        positions = Positions(tuple(self.quantities), tuple(self.entries))
        risk = self._risk(values)
        pnl = self._pnl()
        self.log.commits.append(
            ChainSnapshot(self.sequence, self.timestamp, trigger, self.market, positions, exposure, risk, pnl)
        )

    def _risk(self, values: list[float]) -> Risk:
        ratios: list[float | None] = []
        for slot, mark in zip((BINANCE_PERP, BYBIT_PERP), self._marks(), strict=True):
            notional = abs(self.quantities[slot]) * mark
            ratios.append((values[CASH_OF[slot]] + values[slot]) / notional if notional else None)
        self.peak = max(self.peak, self.equity)
        drawdown = 1 - self.equity / self.peak
        low = [(venue, ratio) for venue, ratio in zip(MARGIN_VENUES, ratios, strict=True) if ratio and ratio < 0.2]
        findings = tuple(RiskFinding("margin_ratio", RiskLevel.WARNING, ratio, 0.2, venue) for venue, ratio in low)
        level = RiskLevel.WARNING if findings else RiskLevel.INFO
        if findings and not (self.log.commits and self.log.commits[-1].risk.findings):
            event = RiskEvent(self.sequence, self.timestamp, Severity.WARNING, "margin ratio low", int(level), findings)
            self.log.events.append(event)
        return Risk(level, tuple(ratios), None, None, 0.0, 0.09 if self.quantities[SPOT] else None, drawdown, findings)

    def _pnl(self) -> PnL:
        quantities, price, marks, equity = self.start
        moves = [now - before for now, before in zip(self._marks(), marks, strict=True)]
        spot_move = self.price - price
        parts = dict.fromkeys(CATEGORIES, 0.0)
        parts[Category.DELTA] = sum(quantities[SPOT:]) * spot_move
        parts[Category.BASIS] = sum(
            quantities[slot] * (move - spot_move) for slot, move in zip((BINANCE_PERP, BYBIT_PERP), moves, strict=True)
        )
        parts[Category.FUNDING] = self.funding
        parts[Category.TRANSACTION_COSTS] = self.step_costs
        step = self.equity - equity - self.flow
        parts[Category.RESIDUAL] = step - sum(parts.values())
        attribution = tuple(parts.values())
        in_usd = tuple(part * USD for part in attribution)
        total = self.cumulative + step
        return PnL(
            self.equity, self.equity * USD, step, step * USD, total, total * USD, self.flow, self.flow * USD,
            attribution, in_usd,
        )  # fmt: skip


def months_from(first: str, number: int) -> Iterator[str]:
    year, month = int(first[:4]), int(first[5:])
    for index in range(number):
        total = year * 12 + month - 1 + index
        yield f"{total // 12:04d}-{total % 12 + 1:02d}"
