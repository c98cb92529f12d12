"""Why trading stands still, as entries of the journal: they outlive the session, and only somebody's word ends them."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Halt(StrEnum):
    """What can close trading until a person opens it again."""

    DIFFERENCE = "difference"
    EMERGENCY = "emergency"


class EmergencyPolicy(StrEnum):
    """What an emergency stop does: send no order any more, or leave the market first, at once or by the queue."""

    FREEZE = "freeze"
    EXIT_FULL = "exit_full"
    EXIT_QUEUE = "exit_queue"


class HaltEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Trading was closed, or opened again; the last entry of a halt counts.

    Attributes:
        active: closed from here on.
        reason: in words.
        policy: of an emergency stop; empty: as configured.
        gaps: of a difference, what the venues hold beyond the book by position key, in stored units; of its end, what
            was acknowledged and is still to be taken over.
        entries: likewise, what perps were entered at by the venues' word, where the book has another price.
        at, unexplained: of the end of a difference, the tick, and what had no explanation until then (share-class units
            since the opening): what somebody has looked at does not count towards the differences of a day.
    """

    active: bool
    reason: str
    policy: str = ""
    gaps: dict[str, float] = {}
    entries: dict[str, float] = {}
    at: int = 0
    unexplained: float = 0.0


class Adjustment(msgspec.Struct, frozen=True):
    """A difference was taken over from the venues without asking; it counts if the state of its tick was saved.

    Attributes:
        at: the tick, microseconds UTC.
        worth: USDT, of all gaps whatever their signs.
        gaps: what the venues held beyond the book by position key, in stored units.
        receipt: somebody has added it to a book on chain; otherwise it was small.
    """

    at: int
    worth: float
    gaps: dict[str, float]
    receipt: bool = False
