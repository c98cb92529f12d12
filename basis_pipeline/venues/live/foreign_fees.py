"""Fees that an exchange took in a token which the book does not hold: BNB, MNT, OKB.

That token is no position of the mode, so no balance of the book changes. It is a cost all the same: booked as paid in
cash at what the token was worth when the fee was first seen, and the same cash as a deposit, because something from
outside the book has paid it. Cash stays what the exchange holds, profit falls by the fee, and the external flow says
who bore it.

Each fee is a line of income in the journal with its amount and price: no restart books it twice, or at another price.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import msgspec

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.intents import BookedIncome, Facts, Fate, ForeignFee, SettledIntent
from basis_pipeline.domain.orders import Order
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.settings import EngineSettings


class FeeJournal(Protocol):
    """What is asked of the journal."""

    def settled_after(self, operation_id: int) -> tuple[SettledIntent, ...]: ...

    def income(self, venue: str, reference: str, payload: bytes) -> bool: ...

    def booked_income(self, venue: str, reference: str) -> BookedIncome | None: ...


class _Charge(NamedTuple):
    order: Order
    reference: str
    token: str
    amount: float


class ForeignFees:
    """Of one venue: what no saved state contains yet."""

    def __init__(self, venue: str, settings: EngineSettings, journal: FeeJournal) -> None:
        self._venue, self._settings, self._journal = venue, settings, journal
        self._open: list[_Charge] = []
        for settled in journal.settled_after(0):
            if settled.intent.order.venue == venue:
                self.found(settled)

    def found(self, settled: SettledIntent) -> None:
        """An order was settled; what it was charged in foreign tokens is due from now on."""
        intent = settled.intent
        for token, amount in foreign_tokens(intent.order, settled.facts, self._settings).items():
            reference = ForeignFee.reference(intent.intent_id, token)
            self._open.append(_Charge(intent.order, reference, token, amount))

    def due(self, price: Callable[[str], float]) -> tuple[PositionDelta, ...]:
        """The cost of every fee that no saved state contains, and the deposit that pays it.

        Args:
            price: USDT per token, now; asked once per fee.
        """
        return tuple(delta for charge in tuple(self._open) for delta in self._booked(charge, price))

    def _booked(self, charge: _Charge, price: Callable[[str], float]) -> Iterator[PositionDelta]:
        known = self._journal.booked_income(self._venue, charge.reference)
        if known is None:
            fee = ForeignFee(charge.token, charge.amount, price(charge.token))
        else:
            fee = msgspec.json.decode(known.payload, type=ForeignFee)
        if not self._journal.income(self._venue, charge.reference, msgspec.json.encode(fee)):
            self._open.remove(charge)
            return
        cash, operation = charge.order.counter_slot, charge.order.operation_id
        yield PositionDelta(cash, -fee.cost, DeltaSource.FEE, operation, fee=fee.cost)
        yield PositionDelta(cash, fee.cost, DeltaSource.DEPOSIT, operation)


def foreign_tokens(order: Order, facts: Facts, settings: EngineSettings) -> dict[str, float]:
    """Tokens that a trade was charged and the book does not hold, by symbol; positive = paid."""
    if facts.fate is not Fate.EXECUTED or facts.price is None:
        return {}
    charged: dict[str, float] = {}
    begin = f"{order.venue}:{PositionType.BASE_TOKEN}:"
    for booking in facts.bookings:
        if booking.position_key.startswith(begin) and settings.universe.find(booking.position_key) is None:
            token = booking.position_key.removeprefix(begin)
            charged[token] = charged.get(token, 0.0) - booking.amount
    return charged
