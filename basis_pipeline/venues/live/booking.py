"""From what a venue says to what the engine books: facts of an exchange become the handshake of their order.

Pure, and the same for an answer that came back at once and one that was found after a restart. The amounts are the
venue's own bookings; price, fee and reference only explain them, so a story that does not add up fails conservation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import BasisError, OrderError
from basis_pipeline.domain.intents import Booking, Facts, Fate
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus, Operation, Order, Side
from basis_pipeline.domain.position_keys import Instrument, PositionType
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.venues.live.exchange import Fill
from basis_pipeline.venues.live.foreign_fees import foreign_tokens


def executed(  # noqa: PLR0917 - a venue's answer and what it is about
    venue: str, instrument: Instrument, order: Order, reference: str, fills: tuple[Fill, ...], held: Collection[str]
) -> Facts:
    """The facts of an order that was filled, in part or whole: one booking per leg, one per token of the fee.

    A discount token that runs out on the way leaves the rest of the fee to a token that the book has `held`.
    """
    filled = sum(fill.quantity for fill in fills)
    paid = sum(fill.quantity * fill.price for fill in fills)
    fees: dict[str, float] = {}
    for fill in fills:
        fees[fill.fee_token] = fees.get(fill.fee_token, 0.0) + fill.fee
    fee_token = next((token for token in fees if token in held), fills[0].fee_token)
    sign = 1.0 if order.side is Side.BUY else -1.0
    perp = instrument.position_type is PositionType.PERP
    quote = instrument.quote or "USDT"
    cash = sum(fill.realised for fill in fills) if perp else -sign * paid
    token = f"{venue}:{PositionType.BASE_TOKEN}:"
    return Facts(
        fate=Fate.EXECUTED,
        reference=reference,
        executed_at=max(fill.at for fill in fills),
        filled=filled,
        price=paid / filled,
        fee=fees[fee_token],
        fee_token=fee_token,
        bookings=(
            Booking(str(instrument.key), sign * filled),
            Booking(token + quote, cash),
            *(Booking(token + charged, -amount) for charged, amount in fees.items()),
        ),
    )


def handshake(order: Order, facts: Facts, market: MarketSnapshot, settings: EngineSettings) -> ExecutionHandshake:
    """The answer to `order` that `facts` amount to; a partial fill is CONFIRMED with what was filled.

    Raises:
        OrderError: VEN-005 where the venue booked something that the mode does not hold. A fee of a trade in another
            token is no part of it: `foreign_fees.py` books what that cost.
    """
    if facts.fate is not Fate.EXECUTED:
        return _refused(order, facts, market)
    moved = _moved(order, facts, settings)
    fee = _fee(order, facts, market, settings)
    price = facts.price
    if price is None:
        deltas, slippage = _transfer(order, moved, market, fee), 0.0
    else:
        deltas, slippage = _trade(order, moved, market, settings, price=price, fee=fee, facts=facts)
    return ExecutionHandshake(
        operation_id=order.operation_id,
        status=HandshakeStatus.CONFIRMED,
        deltas=deltas,
        price=price,
        filled=facts.filled,
        fee=fee,
        slippage=slippage,
        submitted_at=market.timestamp,
        executed_at=facts.executed_at,
        simulated=False,
    )


def refused(order: Order, market: MarketSnapshot, error: BasisError) -> ExecutionHandshake:
    """It was not even sent."""
    return _refused(order, Facts(fate=Fate.REJECTED, error_code=error.code, error_message=error.message), market)


def unknown(order: Order, timestamp: int, reason: str) -> ExecutionHandshake:
    """Nobody can say yet what became of `order`; the session must stop and find out."""
    return ExecutionHandshake(
        operation_id=order.operation_id,
        status=HandshakeStatus.PENDING,
        error_code="VEN-004",
        error_message=reason,
        submitted_at=timestamp,
        simulated=False,
    )


def _refused(order: Order, facts: Facts, market: MarketSnapshot) -> ExecutionHandshake:
    return ExecutionHandshake(
        operation_id=order.operation_id,
        status=HandshakeStatus.FAILED,
        error_code=facts.error_code or "VEN-003",
        error_message=facts.error_message,
        submitted_at=market.timestamp,
        simulated=False,
    )


def _moved(order: Order, facts: Facts, settings: EngineSettings) -> Mapping[int, float]:
    """Booked amounts by slot."""
    moved: dict[int, float] = {}
    foreign = foreign_tokens(order, facts, settings)
    for booking in facts.bookings:
        slot = settings.universe.find(booking.position_key)
        if slot is None and booking.position_key.rpartition(":")[2] in foreign:
            continue
        if slot is None:
            raise OrderError(
                f"{order.venue} booked {booking.amount:.10g} of {booking.position_key} for operation "
                f"{order.operation_id}, which {settings.mode} does not hold.",
                code="VEN-005",
                remedy="let the venue charge fees in the traded tokens, or declare the position.",
            )
        moved[slot] = moved.get(slot, 0.0) + booking.amount
    return moved


def _fee(order: Order, facts: Facts, market: MarketSnapshot, settings: EngineSettings) -> float:
    """The fee in USDT: a token received is worth what was paid for it, anything else its own price."""
    if not facts.fee or facts.fee_token in foreign_tokens(order, facts, settings):
        return 0.0
    base = settings.universe.instruments[order.slot]
    if facts.price is not None and order.operation is Operation.SPOT_TRADE and facts.fee_token == base.token:
        return facts.fee * facts.price
    for slot, instrument in enumerate(settings.universe):
        if instrument.key.venue == order.venue and facts.fee_token in (instrument.token, instrument.quote):
            return facts.fee * (1.0 if facts.fee_token == instrument.quote else market.value[slot])
    raise OrderError(
        f"{order.venue} charged {facts.fee:.10g} {facts.fee_token}, which {settings.mode} does not hold.",
        code="VEN-005",
        remedy="let the venue charge fees in the traded tokens.",
    )


def _trade(
    order: Order,
    moved: Mapping[int, float],
    market: MarketSnapshot,
    settings: EngineSettings,
    *,
    price: float,
    fee: float,
    facts: Facts,
) -> tuple[tuple[PositionDelta, ...], float]:
    """Base or perp leg against the venue's last price, and the cash leg that paid for it."""
    reference, base = market.last[order.slot], moved.get(order.slot, 0.0)
    in_base = (
        order.operation is Operation.SPOT_TRADE and facts.fee_token == settings.universe.instruments[order.slot].token
    )
    legs = (
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
            order.counter_slot,
            moved.get(order.counter_slot, 0.0),
            DeltaSource.TRADE,
            order.operation_id,
            fee=0.0 if in_base else fee,
        ),
    )
    return legs, base * (price - reference)


def _transfer(
    order: Order, moved: Mapping[int, float], market: MarketSnapshot, fee: float
) -> tuple[PositionDelta, ...]:
    """What left, what arrived or is on its way, and the fee that was kept."""
    charged = fee / market.value[order.slot]
    deltas = [
        PositionDelta(
            slot, amount + charged if slot == order.slot else amount, DeltaSource.TRANSFER, order.operation_id
        )
        for slot, amount in moved.items()
    ]
    if fee:
        deltas.append(PositionDelta(order.slot, -charged, DeltaSource.FEE, order.operation_id, fee=fee))
    return tuple(deltas)
