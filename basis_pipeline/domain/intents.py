"""What is written down before anything is sent, so that no outcome is ever lost and nothing is sent twice.

An intent goes through three entries of the journal, each durable before the next thing happens::

    intend   the order as it will be sent                 killed after this: ask the venue, it may have been sent
    sent     what to look it up by (transaction hash)     killed after this: ask the venue
    settle   the venue's facts, or that it never happened killed after this: nothing to ask

A venue's facts are kept, not what they mean: deltas, costs and slippage are computed from them, so an outcome that was
found only after a restart is booked exactly like one that came back at once.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec

from basis_pipeline.domain.orders import Order

_FOREIGN_FEE = "fee:"


class Fate(StrEnum):
    """What became of an intent."""

    EXECUTED = "executed"
    REJECTED = "rejected"
    REVERTED = "reverted"


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """One order about to be sent.

    Attributes:
        intent_id: at most 32 alphanumeric characters, unique for ever; sent to the venue as client order id.
        timestamp: the tick it was decided in, microseconds UTC.
        order: as routed; its operation id orders the intents of a record.
    """

    intent_id: str
    timestamp: int
    order: Order


class Booking(msgspec.Struct, frozen=True):
    """A change of one balance or position as the venue books it, in stored units (scaled for Aave)."""

    position_key: str
    amount: float


class QueuedRequest(msgspec.Struct, frozen=True):
    """A redemption in an issuer's queue: its number there, and the ETH that it was promised, or paid when claimed."""

    number: int
    amount: float


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue says became of an intent.

    Attributes:
        fate: executed (also in part), rejected (nothing happened), reverted (only gas was spent).
        reference: the venue's own name for it: order id or transaction hash; empty if it never got there.
        executed_at: venue time, microseconds UTC; None unless executed or reverted.
        filled: executed quantity in the units of the order.
        price: average fill price in the quote token; None where nothing was traded.
        fee, fee_token: fee as charged, positive = paid; of several tokens, what was charged in those of the book.
        bookings: every change of a balance or position, fees and gas included.
        error_code, error_message: why it was rejected or reverted; never contains a secret.
        requests: of a redemption, what the issuer took down and promised; of a claim, what it paid.
    """

    fate: Fate
    reference: str = ""
    executed_at: int | None = None
    filled: float = 0.0
    price: float | None = None
    fee: float = 0.0
    fee_token: str = ""
    bookings: tuple[Booking, ...] = ()
    error_code: str = ""
    error_message: str = ""
    requests: tuple[QueuedRequest, ...] = ()


class OpenIntent(msgspec.Struct, frozen=True):
    """An intent whose fate is not known. `reference` is empty where nothing is known but its id."""

    intent: Intent
    reference: str


class SettledIntent(msgspec.Struct, frozen=True):
    """An intent and the venue's facts about it."""

    intent: Intent
    facts: Facts


class ForeignFee(msgspec.Struct, frozen=True):
    """A fee in a token that the book does not hold: `amount` tokens, at `price` USDT each when it was first seen.

    In the journal a line of income of its venue, under `reference`.
    """

    token: str
    amount: float
    price: float

    @property
    def cost(self) -> float:
        """USDT; positive = paid."""
        return self.amount * self.price

    @classmethod
    def reference(cls, intent_id: str, token: str) -> str:
        return f"{_FOREIGN_FEE}{intent_id}:{token}"

    @classmethod
    def is_named_by(cls, reference: str) -> bool:
        """Whether a line of income is a fee."""
        return reference.startswith(_FOREIGN_FEE)


class BookedIncome(msgspec.Struct, frozen=True):
    """A line of a venue's income in the journal; `saved` if a state was saved after it, which then contains it."""

    payload: bytes
    saved: bool


class IntentJournal(Protocol):
    """Obligations: an entry is durable when the method returns; the same intent id is never intended twice."""

    def next_id(self, operation_id: int) -> str:
        """The intent id of an operation: the same one whenever it is asked for."""

    def intend(self, intent: Intent) -> None:
        """Raises StateError JOURNAL-002 if this id was intended before: its fate has to be found out instead."""

    def sent(self, intent_id: str, reference: str) -> None: ...

    def settle(self, intent_id: str, facts: Facts) -> None:
        """Record the fate; the same facts again change nothing, other facts raise StateError JOURNAL-003."""

    def open_intents(self) -> tuple[OpenIntent, ...]:
        """In the order in which they were intended."""
