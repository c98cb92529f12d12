"""What gates may look at of a live month beyond its tables: what its journal says."""

from __future__ import annotations

import msgspec


class SettledOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal knows of an order that was sent; moments are microseconds UTC.

    Attributes:
        executed: the venue executed it, in part or whole; `filled` is how much, in the units of the order.
        decided: the tick it was decided in.
        intended, known: by our clock, when it was about to be sent, and when its fate was known.
        executed_at: by the venue's clock; None where it executed nothing.
    """

    operation_id: int
    executed: bool
    filled: float
    decided: int
    intended: int
    known: int
    executed_at: int | None


class LiveEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal says of a month beyond its tables.

    Attributes:
        orders: settled orders of the operations that the month ends with and did not begin with.
        open_intents: orders whose fate should be known and is not.
        ticks, starts, skipped: timesteps that were completed, starts of sessions among them, ticks that were missed.
        started: timestamps of those starts; they book what died halfway and decide nothing.
        off: microseconds between the end of a session and the start of the next.
    """

    orders: tuple[SettledOrder, ...]
    open_intents: tuple[str, ...]
    ticks: int
    starts: int
    skipped: int
    off: int
    started: tuple[int, ...] = ()
