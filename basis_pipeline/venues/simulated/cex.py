"""A centralised exchange: spot, perps on cross margin, withdrawals to other venues."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from basis_pipeline.domain.brackets import stop_loss_hit, take_profit_hit
from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import OrderError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Operation, Order, Side
from basis_pipeline.domain.protocols import SettlementKind
from basis_pipeline.domain.quote import Quote
from basis_pipeline.domain.quotes_trading import fill_price, trade_rules
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings, MarginAccount
from basis_pipeline.domain.valuation import (
    inverse_liquidation_price,
    liquidation_price,
    margin_of,
    order_notional,
    round_down,
    settlement_price,
    withdrawable,
)
from basis_pipeline.venues.simulated.execution import SimulatedVenue

_TRADES = (Operation.SPOT_TRADE, Operation.PERP_TRADE)
_SETTLES = frozenset(
    {SettlementKind.LIQUIDATION, SettlementKind.STOP_LOSS, SettlementKind.TAKE_PROFIT, SettlementKind.FUNDING}
)
_HIT = {
    SettlementKind.STOP_LOSS: (DeltaSource.STOP_LOSS, stop_loss_hit),
    SettlementKind.TAKE_PROFIT: (DeltaSource.TAKE_PROFIT, take_profit_hit),
}


class SimulatedCex(SimulatedVenue):
    """Fills at the venue's own last price moved by slippage; every fill is a taker."""

    operations = frozenset({*_TRADES, Operation.TRANSFER})

    def __init__(self, name: str, settings: EngineSettings) -> None:
        super().__init__(name, settings)
        self._account = next((account for account in settings.margin_accounts if account.venue == name), None)
        margin = settings.rules_of(name).margin
        self._liquidation_fee = margin.liquidation_fee if margin else 0.0
        self.settles: frozenset[SettlementKind] = _SETTLES if self._account else frozenset()

    def settle(self, kind: SettlementKind, positions: Positions, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        """Funding at a settlement stamp, or what the bar just ended has closed: liquidation, stop-loss, take-profit."""
        if self._account is None:
            return ()
        if kind is SettlementKind.FUNDING:
            return _funding(self._account, positions, market)
        if kind in _HIT:
            return self._bracket(kind, self._account, positions, market)
        return _liquidation(self._account, positions, market, self._liquidation_fee)

    def _validate(self, order: Order, positions: Positions, market: MarketSnapshot) -> None:
        super()._validate(order, positions, market)
        if order.operation in _TRADES:
            self._validate_trade(order, positions, market)
        else:
            self._validate_withdrawal(order, positions, market)

    def _validate_trade(self, order: Order, positions: Positions, market: MarketSnapshot) -> None:
        rules = trade_rules(order, self._settings)
        key = self._settings.universe.keys[order.slot]
        instrument = self._settings.universe.instruments[order.slot]
        notional = order_notional(instrument, order.quantity, market.last[order.slot])
        if abs(round_down(order.quantity, rules.lot) - order.quantity) > 1e-9 * order.quantity:
            raise OrderError(f"{order.quantity!r} of {key} is not a multiple of the lot {rules.lot}.", code="EXEC-009")
        if not rules.min_notional <= notional <= rules.max_notional:
            raise OrderError(
                f"notional {notional:.2f} of {key} is outside [{rules.min_notional}, {rules.max_notional}].",
                code="EXEC-010",
            )
        if order.reduce_only and order.quantity > abs(positions.quantities[order.slot]) * (1.0 + 1e-12):
            raise OrderError(f"reduce-only order exceeds the position in {key}.", code="EXEC-011")

    def _validate_withdrawal(self, order: Order, positions: Positions, market: MarketSnapshot) -> None:
        account = self._account
        if account is None or order.slot != account.cash_slot:
            return
        cash = positions.quantities[account.cash_slot]
        available = withdrawable(cash, *margin_of(account, positions, market.mark), account.initial_margin)
        if order.quantity > available * (1.0 + 1e-12):
            raise OrderError(
                f"{self.name} lets {available:.8g} go, {order.quantity:.8g} were asked for.", code="EXEC-012"
            )

    def _bracket(
        self, kind: SettlementKind, account: MarginAccount, positions: Positions, market: MarketSnapshot
    ) -> tuple[PositionDelta, ...]:
        """Close what the bar has stopped, as a taker: at the level or the gap, less slippage and fee."""
        source, hit = _HIT[kind]
        deltas: tuple[PositionDelta, ...] = ()
        for slot, bracket in positions.brackets:
            if slot not in account.perp_slots or market.opened is None:
                continue
            quantity = positions.quantities[slot]
            reference = hit(quantity, bracket, market.opened[slot], market.low[slot], market.high[slot])
            if reference is not None:
                deltas += self._close(slot, quantity, reference, source, account, positions, market)
        return deltas

    def _close(  # noqa: PLR0917 - a fill and everything it is computed from
        self,
        slot: int,
        quantity: float,
        reference: float,
        source: DeltaSource,
        account: MarginAccount,
        positions: Positions,
        market: MarketSnapshot,
    ) -> tuple[PositionDelta, PositionDelta]:
        rules, instrument = self._settings.rules_of(self.name).trades[slot], self._settings.universe.instruments[slot]
        notional = order_notional(instrument, abs(quantity), reference) * market.usd
        price = fill_price(Side.SELL if quantity > 0.0 else Side.BUY, reference, notional, rules)
        fee = account.contract.notional(quantity, price) * rules.taker_fee
        gain = account.contract.pnl(quantity, positions.entry_prices[slot], price)
        charged = fee * settlement_price(instrument, slot, market)
        return (
            PositionDelta(slot, -quantity, source, price=price, reference_price=reference),
            PositionDelta(account.cash_slot, gain - fee, source, fee=charged),
        )

    def _check_after(self, order: Order, quote: Quote, positions: Positions, market: MarketSnapshot) -> None:
        """Opening needs initial margin after the fill; a reduction is always welcome."""
        account = self._account
        if account is None or order.operation is not Operation.PERP_TRADE or order.reduce_only:
            return
        quantities, entries = list(positions.quantities), list(positions.entry_prices)
        for delta in quote.deltas:
            if delta.slot == order.slot and delta.price is not None:
                held, entry = quantities[delta.slot], entries[delta.slot]
                fill = account.contract.fill(held, entry, delta.amount, delta.price)
                entries[delta.slot] = fill.entry_price
            quantities[delta.slot] += delta.amount
        balance, notional = margin_of(account, Positions(tuple(quantities), tuple(entries)), market.mark)
        if balance < account.initial_margin * notional:
            raise OrderError(
                f"{self.name}: margin balance {balance:.8g} is below the initial margin of {notional:.8g}.",
                code="EXEC-013",
            )


def _funding(account: MarginAccount, positions: Positions, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
    """-notional x rate (a short: +) to the venue's cash, on the size held before any trade at this timestamp.

    A payment larger than the cash is made from open profit, which counts as margin and is realised for it first.
    """
    if market.funding is None:
        return ()
    payments = []
    for slot in account.perp_slots:
        quantity, rate, mark = positions.quantities[slot], market.funding[slot], market.mark[slot]
        if quantity and rate:
            payment = account.contract.funding(quantity, mark, rate)
            payments.append(
                PositionDelta(
                    account.cash_slot,
                    payment,
                    DeltaSource.FUNDING,
                    price=mark,
                    rate=rate,
                    reference_quantity=quantity,
                )
            )
    cash = positions.quantities[account.cash_slot]
    lowest = min(accumulate((payment.amount for payment in payments), initial=cash))
    return (*_realised_profit(account, positions, market, -lowest), *payments)


def _realised_profit(
    account: MarginAccount, positions: Positions, market: MarketSnapshot, shortfall: float
) -> Iterator[PositionDelta]:
    """Perps in profit, closed and reopened whole at the mark without a fee, until their gains cover the shortfall.

    Equity and margin balance stay as they are: profit becomes cash and the entry price moves to the mark.
    """
    for slot in account.perp_slots:
        quantity, mark = positions.quantities[slot], market.mark[slot]
        gain = account.contract.pnl(quantity, positions.entry_prices[slot], mark)
        if shortfall <= 0.0:
            return
        if gain > 0.0:
            yield PositionDelta(slot, -quantity, DeltaSource.TRANSFER, price=mark)
            yield PositionDelta(slot, quantity, DeltaSource.TRANSFER, price=mark)
            yield PositionDelta(account.cash_slot, gain, DeltaSource.TRANSFER)
            shortfall -= gain


def _liquidation(
    account: MarginAccount, positions: Positions, market: MarketSnapshot, fee_rate: float
) -> tuple[PositionDelta, ...]:
    """Close everything if the bar's worst mark took the margin balance below maintenance.

    A single position closes at its liquidation price, several at the bar's worst marks, gains before losses. The
    venue's insurance covers a loss beyond the cash, which therefore ends at 0, never below.
    """
    open_slots = [slot for slot in account.perp_slots if positions.quantities[slot]]
    if not open_slots:
        return ()
    cash, contract = positions.quantities[account.cash_slot], account.contract
    worst = {slot: (market.high if positions.quantities[slot] < 0.0 else market.low)[slot] for slot in open_slots}
    balance, notional = cash, 0.0
    for slot, mark in worst.items():
        balance += contract.pnl(positions.quantities[slot], positions.entry_prices[slot], mark)
        notional += contract.notional(positions.quantities[slot], mark)
    if balance >= account.maintenance_margin * notional:
        return ()
    price_of = inverse_liquidation_price if account.inverse else liquidation_price
    fills = []
    for slot, price in worst.items():
        quantity, entry = positions.quantities[slot], positions.entry_prices[slot]
        if len(open_slots) == 1:
            price = price_of(cash, quantity, entry, account.maintenance_margin)  # noqa: PLW2901 - of the only one
        fills.append((contract.pnl(quantity, entry, price), slot, quantity, price))
    deltas: list[PositionDelta] = []
    for realised, slot, quantity, price in sorted(fills, reverse=True):
        change = max(-cash, realised - contract.notional(quantity, price) * fee_rate)
        cash += change
        charged = (realised - change) * market.value[account.cash_slot]
        deltas.append(PositionDelta(slot, -quantity, DeltaSource.LIQUIDATION, price=price, reference_price=price))
        deltas.append(PositionDelta(account.cash_slot, change, DeltaSource.LIQUIDATION, fee=charged))
    return tuple(deltas)
