"""What trades do to positions: spot, perps, swaps on a pool.

Every quote conserves value up to its stated fee, slippage and gas.
"""

from __future__ import annotations

from basis_pipeline.domain.accounting import INVERSE, LINEAR
from basis_pipeline.domain.brackets import bracket_around
from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import OrderError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Order, Side
from basis_pipeline.domain.position_keys import Instrument
from basis_pipeline.domain.quote import Holdings, Quote
from basis_pipeline.domain.quotes_chain import gas_of
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.valuation import order_notional, settlement_price
from basis_pipeline.domain.venue_rules import TradeRules


def trade_rules(order: Order, settings: EngineSettings) -> TradeRules:
    rules = settings.rules_of(order.venue).trades.get(order.slot)
    if rules is None:
        raise OrderError(f"{order.venue} does not trade {settings.universe.keys[order.slot]}.")
    return rules


def fill_price(side: Side, reference: float, notional: float, rules: TradeRules) -> float:
    """Reference price moved against us by the average slippage of a trade of `notional` USD."""
    slip = rules.slippage.fraction(notional)
    return reference * (1.0 + slip) if side is Side.BUY else reference * (1.0 - slip)


def slipped_notional(order: Order, instrument: Instrument, reference: float) -> float:
    """USDT: the size of the whole trade that the order is a part of.

    Slippage is stated as what an order of a size pays on average, so its parts pay just that: splitting saves nothing.
    """
    return order_notional(instrument, max(order.quantity, order.planned_quantity), reference)


def spot(order: Order, _: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """Base leg +q (buy) or -q (sell), quote leg -(q p + fee) or +(q p - fee); the fee is counted once (R28).

    The quote leg is in units of the quote token: USDT at an exchange, ETH where a pool pays in it.
    """
    rules, instrument = trade_rules(order, settings), settings.universe.instruments[order.slot]
    side, quantity, reference = _side(order), order.quantity, market.last[order.slot]
    price = fill_price(side, reference, slipped_notional(order, instrument, reference) * market.usd, rules)
    fee = quantity * price * rules.taker_fee
    in_base = rules.fee_in_base and side is Side.BUY
    quote_price = market.value[order.counter_slot]
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
        PositionDelta(
            order.counter_slot, cash / quote_price, DeltaSource.TRADE, order.operation_id, fee=0.0 if in_base else fee
        ),
    )
    return Quote(deltas, price, fee, base * (price - reference))


def perp(order: Order, holdings: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """Position leg, and realised P&L less fee to the cash it settles in; no cash leaves for notional."""
    rules, instrument = trade_rules(order, settings), settings.universe.instruments[order.slot]
    contract, coin = INVERSE if instrument.inverse else LINEAR, settlement_price(instrument, order.slot, market)
    side, reference = _side(order), market.last[order.slot]
    price = fill_price(side, reference, slipped_notional(order, instrument, reference) * market.usd, rules)
    change = order.quantity if side is Side.BUY else -order.quantity
    fill = contract.fill(holdings.quantities[order.slot], holdings.entry_prices[order.slot], change, price)
    fee = contract.notional(order.quantity, price) * rules.taker_fee
    deltas = (
        PositionDelta(
            order.slot,
            change,
            DeltaSource.TRADE,
            order.operation_id,
            price=price,
            reference_price=reference,
            bracket=bracket_around(price, fill.quantity, order.bracket) if order.bracket else None,
        ),
        PositionDelta(order.counter_slot, fill.realised - fee, DeltaSource.TRADE, order.operation_id, fee=fee * coin),
    )
    return Quote(deltas, price, fee * coin, -contract.pnl(change, price, reference) * coin)


def swap(order: Order, holdings: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """A trade on a pool: its cost by size is all-in, and gas comes on top."""
    quote = spot(order, holdings, market, settings)
    gas, gas_deltas = gas_of(order, market, settings)
    return Quote(quote.deltas + gas_deltas, quote.price, quote.fee, quote.slippage, gas)


def _side(order: Order) -> Side:
    if order.side is None:
        raise OrderError(f"{order.operation} at {order.venue} has no side.")
    return order.side
