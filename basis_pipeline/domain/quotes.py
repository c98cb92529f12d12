"""What an order does to positions at given prices: the planner projects with it, the simulated venues execute it.

Every quote conserves value up to its stated fee, slippage and gas (domain H5, H6, V4). Amounts are USDT unless a name
says token units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from basis_pipeline.domain.accounting import fill_perp, scale
from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import OrderError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Operation, Order, Side
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.venue_rules import TradeRules, gas_cost


class Quote(msgspec.Struct, frozen=True):
    """Deltas of an order and the costs contained in them (USDT, positive = paid)."""

    deltas: tuple[PositionDelta, ...]
    price: float | None = None
    fee: float = 0.0
    slippage: float = 0.0
    gas: float = 0.0


class Holdings(msgspec.Struct):
    """Quantities and perp entry prices by slot that a quote is computed on."""

    quantities: Sequence[float]
    entry_prices: Sequence[float]


def quote_order(order: Order, holdings: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """Quote any operation; raise OrderError for one that the order's venue has no rules for."""
    return _QUOTES[order.operation](order, holdings, market, settings)


def trade_rules(order: Order, settings: EngineSettings) -> TradeRules:
    rules = settings.rules_of(order.venue).trades.get(order.slot)
    if rules is None:
        raise OrderError(f"{order.venue} does not trade {settings.universe.keys[order.slot]}.")
    return rules


def fill_price(side: Side, reference: float, quantity: float, rules: TradeRules, usd: float) -> float:
    """Reference price moved against us by the slippage of this size."""
    slip = rules.slippage.fraction(quantity * reference * usd)
    return reference * (1.0 + slip) if side is Side.BUY else reference * (1.0 - slip)


def _spot(order: Order, _: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """Base leg +q (buy) or -q (sell), quote leg -(q p + fee) or +(q p - fee); the fee is counted once (R28)."""
    rules = trade_rules(order, settings)
    side, quantity, reference = _side(order), order.quantity, market.last[order.slot]
    price = fill_price(side, reference, quantity, rules, market.usd)
    fee = quantity * price * rules.taker_fee
    in_base = rules.fee_in_base and side is Side.BUY
    if side is Side.BUY:
        base = quantity * (1.0 - rules.taker_fee) if in_base else quantity
        cash = -quantity * price if in_base else -(quantity * price + fee)
    else:
        base, cash = -quantity, quantity * price - fee
    deltas = (
        PositionDelta(
            order.slot,
            base,
            DeltaSource.TRADE,
            order.operation_id,
            price=price,
            reference_price=reference,
            fee=fee if in_base else 0.0,
        ),
        PositionDelta(order.counter_slot, cash, DeltaSource.TRADE, order.operation_id, fee=0.0 if in_base else fee),
    )
    return Quote(deltas, price, fee, base * (price - reference))


def _perp(order: Order, holdings: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """Position leg, and realised P&L less fee to the venue's cash; no cash leaves for notional (domain V4)."""
    rules = trade_rules(order, settings)
    side, reference = _side(order), market.last[order.slot]
    price = fill_price(side, reference, order.quantity, rules, market.usd)
    change = order.quantity if side is Side.BUY else -order.quantity
    fill = fill_perp(holdings.quantities[order.slot], holdings.entry_prices[order.slot], change, price)
    fee = order.quantity * price * rules.taker_fee
    deltas = (
        PositionDelta(
            order.slot, change, DeltaSource.TRADE, order.operation_id, price=price, reference_price=reference
        ),
        PositionDelta(order.counter_slot, fill.realised - fee, DeltaSource.TRADE, order.operation_id, fee=fee),
    )
    return Quote(deltas, price, fee, change * (price - reference))


def _transfer(order: Order, _: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """Move tokens between venues for the flat fee of the venue they leave; late arrivals stand in a receivable."""
    rules = settings.rules_of(order.venue)
    token_price = market.value[order.slot]
    fee = rules.transfer_fee
    target = settings.receivables[order.counter_slot] if rules.transfer_latency else order.counter_slot
    gas, gas_deltas = _gas(order, market, settings)
    deltas: tuple[PositionDelta, ...] = (
        PositionDelta(order.slot, -order.quantity, DeltaSource.TRANSFER, order.operation_id),
        PositionDelta(target, order.quantity, DeltaSource.TRANSFER, order.operation_id),
    )
    if fee:
        deltas += (PositionDelta(order.slot, -fee / token_price, DeltaSource.FEE, order.operation_id, fee=fee),)
    return Quote(deltas + gas_deltas, fee=fee, gas=gas)


def _supply(order: Order, _: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """Token out, quantity / index scaled units of the aToken in."""
    return _convert(order, market, settings, received=scale(order.quantity, market.index[order.counter_slot]))


def _withdraw(order: Order, holdings: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """`quantity` tokens in, quantity / index scaled units of the aToken out."""
    burnt = min(scale(order.quantity, market.index[order.slot]), holdings.quantities[order.slot])
    gas, gas_deltas = _gas(order, market, settings)
    deltas = (
        PositionDelta(order.slot, -burnt, DeltaSource.TRANSFER, order.operation_id),
        PositionDelta(order.counter_slot, order.quantity, DeltaSource.TRANSFER, order.operation_id),
    )
    return Quote(deltas + gas_deltas, gas=gas)


def _wrap(order: Order, _: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """ETH to WETH or back, one to one."""
    return _convert(order, market, settings, received=order.quantity)


def _convert(order: Order, market: MarketSnapshot, settings: EngineSettings, *, received: float) -> Quote:
    gas, gas_deltas = _gas(order, market, settings)
    deltas = (
        PositionDelta(order.slot, -order.quantity, DeltaSource.TRANSFER, order.operation_id),
        PositionDelta(order.counter_slot, received, DeltaSource.TRANSFER, order.operation_id),
    )
    return Quote(deltas + gas_deltas, gas=gas)


def gas_in_slot(operation: Operation, venue: str, market: MarketSnapshot, settings: EngineSettings) -> float:
    """Gas of one operation in units of the gas slot (ETH, or the share token where a mode holds no ETH)."""
    units = settings.rules_of(venue).gas_units.get(operation, 0.0)
    if not units or settings.gas_slot is None:
        return 0.0
    if market.gas_price is None or market.gas_token_price is None:
        raise OrderError(f"{operation} at {venue} costs gas, but the mode has no gas price data.")
    tokens = gas_cost(units, market.gas_price)
    return tokens * market.gas_token_price / market.value[settings.gas_slot]


def _gas(order: Order, market: MarketSnapshot, settings: EngineSettings) -> tuple[float, tuple[PositionDelta, ...]]:
    amount = gas_in_slot(order.operation, order.venue, market, settings)
    if not amount or settings.gas_slot is None:
        return 0.0, ()
    cost = amount * market.value[settings.gas_slot]
    return cost, (PositionDelta(settings.gas_slot, -amount, DeltaSource.GAS, order.operation_id, fee=cost),)


def _side(order: Order) -> Side:
    if order.side is None:
        raise OrderError(f"{order.operation} at {order.venue} has no side.")
    return order.side


_QUOTES: dict[Operation, Callable[[Order, Holdings, MarketSnapshot, EngineSettings], Quote]] = {
    Operation.SPOT_TRADE: _spot,
    Operation.PERP_TRADE: _perp,
    Operation.TRANSFER: _transfer,
    Operation.SUPPLY: _supply,
    Operation.WITHDRAW: _withdraw,
    Operation.WRAP: _wrap,
    Operation.UNWRAP: _wrap,
}
