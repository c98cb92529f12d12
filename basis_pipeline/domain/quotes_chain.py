"""What transfers and on-chain orders do to positions: value changes by gas and fees alone.

Sources: Aave V3 (scaled balances), Lido and EtherFi (mint and redemption at the protocol ratio), Morpho (flash loans).
"""

from __future__ import annotations

from basis_pipeline.domain.accounting import scale, unscale
from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import OrderError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Operation, Order
from basis_pipeline.domain.quote import Holdings, Quote
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.venue_rules import gas_cost

FULL_BALANCE = 1e-12
"""A withdrawal of everything may differ from the balance by float noise; it is then the balance."""


def transfer(order: Order, _: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """Move tokens between venues for the flat fee of the venue they leave; late arrivals stand in a receivable."""
    rules = settings.rules_of(order.venue)
    token_price = market.value[order.slot]
    fee = rules.transfer_fee
    target = settings.receivables[order.counter_slot] if rules.transfer_latency else order.counter_slot
    gas, gas_deltas = gas_of(order, market, settings)
    deltas: tuple[PositionDelta, ...] = (
        PositionDelta(order.slot, -order.quantity, DeltaSource.TRANSFER, order.operation_id),
        PositionDelta(target, order.quantity, DeltaSource.TRANSFER, order.operation_id),
    )
    if fee:
        deltas += (PositionDelta(order.slot, -fee / token_price, DeltaSource.FEE, order.operation_id, fee=fee),)
    return Quote(deltas + gas_deltas, fee=fee, gas=gas)


def supply(order: Order, _: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """Token out, quantity / index scaled units of the aToken in."""
    return _convert(order, market, settings, received=scale(order.quantity, market.index[order.counter_slot]))


def withdraw(order: Order, holdings: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """`quantity` tokens in, quantity / index scaled units of the aToken out; OrderError for more than is supplied."""
    held, burnt = holdings.quantities[order.slot], scale(order.quantity, market.index[order.slot])
    if burnt > held * (1.0 + FULL_BALANCE):
        key = settings.universe.keys[order.slot]
        raise OrderError(
            f"{order.quantity:.10g} tokens were asked for, {key} is {unscale(held, market.index[order.slot]):.10g}."
        )
    burnt = min(burnt, held)
    gas, gas_deltas = gas_of(order, market, settings)
    deltas = (
        PositionDelta(order.slot, -burnt, DeltaSource.TRANSFER, order.operation_id),
        PositionDelta(order.counter_slot, order.quantity, DeltaSource.TRANSFER, order.operation_id),
    )
    return Quote(deltas + gas_deltas, gas=gas)


def wrap(order: Order, _: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """ETH to WETH or back, one to one."""
    return _convert(order, market, settings, received=order.quantity)


def unwrap_reward(order: Order, _: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """Rewards arrive wrapped and are booked as the tokens inside; taking them out costs gas and moves nothing."""
    gas, gas_deltas = gas_of(order, market, settings)
    return Quote(gas_deltas, gas=gas)


def stake(order: Order, _: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """ETH out, quantity / ratio LST in: the protocol mints at its own ratio, whatever the market pays."""
    return _convert(order, market, settings, received=order.quantity / market.ratio[order.counter_slot])


def redeem(order: Order, _: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """LST into the redemption queue: its ETH, fixed at today's ratio, is a receivable until the delay is over."""
    gas, gas_deltas = gas_of(order, market, settings)
    due = settings.receivables[order.counter_slot]
    deltas = (
        PositionDelta(order.slot, -order.quantity, DeltaSource.TRANSFER, order.operation_id),
        PositionDelta(due, order.quantity * market.ratio[order.slot], DeltaSource.TRANSFER, order.operation_id),
    )
    return Quote(deltas + gas_deltas, gas=gas)


def claim(order: Order, _: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """What a redemption queue owes becomes ETH, as promised: an order live, an arrival in a backtest."""
    return _convert(order, market, settings, received=order.quantity)


def borrow(order: Order, _: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """`slot` is the debt: quantity / index scaled units of it are owed, `quantity` tokens arrive at `counter_slot`."""
    owed = scale(order.quantity, market.index[order.slot])
    gas, gas_deltas = gas_of(order, market, settings)
    deltas = (
        PositionDelta(order.slot, owed, DeltaSource.TRANSFER, order.operation_id),
        PositionDelta(order.counter_slot, order.quantity, DeltaSource.TRANSFER, order.operation_id),
    )
    return Quote(deltas + gas_deltas, gas=gas)


def repay(order: Order, holdings: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """`slot` is the debt, `counter_slot` the token it is paid from; no more is taken than is owed.

    Raises:
        OrderError: nothing is owed; the protocol reverts (NO_DEBT_OF_SELECTED_TYPE).
    """
    index, owed = market.index[order.slot], holdings.quantities[order.slot]
    if not owed:
        raise OrderError(f"there is no debt in {settings.universe.keys[order.slot]} to repay.")
    cleared, paid = scale(order.quantity, index), order.quantity
    if cleared > owed:
        cleared, paid = owed, unscale(owed, index)
    gas, gas_deltas = gas_of(order, market, settings)
    deltas = (
        PositionDelta(order.counter_slot, -paid, DeltaSource.TRANSFER, order.operation_id),
        PositionDelta(order.slot, -cleared, DeltaSource.TRANSFER, order.operation_id),
    )
    return Quote(deltas + gas_deltas, gas=gas)


def flash_borrow(order: Order, _: Holdings, __: MarketSnapshot, ___: EngineSettings) -> Quote:
    """Tokens lent for the rest of the transaction; only a group may do this, and it must pay them back."""
    return Quote((PositionDelta(order.slot, order.quantity, DeltaSource.TRANSFER, order.operation_id),))


def flash_repay(order: Order, _: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """The flash loan and its fee."""
    fee = order.quantity * settings.rules_of(order.venue).flash_fee
    deltas = (PositionDelta(order.slot, -order.quantity, DeltaSource.TRANSFER, order.operation_id),)
    if not fee:
        return Quote(deltas)
    cost = fee * market.value[order.slot]
    return Quote((*deltas, PositionDelta(order.slot, -fee, DeltaSource.FEE, order.operation_id, fee=cost)), fee=cost)


def _convert(order: Order, market: MarketSnapshot, settings: EngineSettings, *, received: float) -> Quote:
    gas, gas_deltas = gas_of(order, market, settings)
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


def gas_of(order: Order, market: MarketSnapshot, settings: EngineSettings) -> tuple[float, tuple[PositionDelta, ...]]:
    amount = gas_in_slot(order.operation, order.venue, market, settings)
    if not amount or settings.gas_slot is None:
        return 0.0, ()
    cost = amount * market.value[settings.gas_slot]
    return cost, (PositionDelta(settings.gas_slot, -amount, DeltaSource.GAS, order.operation_id, fee=cost),)
