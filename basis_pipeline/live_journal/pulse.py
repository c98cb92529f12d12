"""What a session writes at the end of every tick besides its state: how it is, and how long things took (R61, R62)."""

from __future__ import annotations

import msgspec


class ComponentPulse(msgspec.Struct, frozen=True):
    """One component: `state` in the words of the health manager, `changed_at` in microseconds UTC."""

    component: str
    state: str
    changed_at: int
    detail: str = ""
    errors: int = 0


class Pulse(msgspec.Struct, frozen=True, omit_defaults=True):
    """One completed tick.

    Attributes:
        timestamp: of the tick, microseconds UTC.
        equity: share class.
        skipped: ticks that this session has missed so far.
        phases: seconds by part of the tick; they sum to the tick.
        monitors: seconds of the chains of the tick by monitor, which lie within the phases.
        health: the worst state of a component.
        components: all of them, where one differs from the tick before; else empty.
        ages: seconds that what the market is made of was old at the tick, by name.
        as_of: of a tick at values that are held, when they were told, microseconds UTC; None: at the tick.
    """

    timestamp: int
    equity: float
    skipped: int
    phases: dict[str, float]
    health: str
    components: tuple[ComponentPulse, ...] = ()
    ages: dict[str, float] = {}
    as_of: int | None = None
    monitors: dict[str, float] = {}


class OrderDelays(msgspec.Struct, frozen=True, omit_defaults=True):
    """When the parts of one order happened, microseconds UTC; None: it did not, or nobody knows when.

    Attributes:
        decided: the strategy was done; for all orders of a plan the same.
        sent: the last thing before it left.
        acknowledged: the venue's first answer.
        executed: the venue's own time of the fill or block.
        settled: its whole story was known.
        reconciled: the book with it was compared with the venue.
    """

    operation_id: int
    venue: str
    decided: int
    sent: int | None = None
    acknowledged: int | None = None
    executed: int | None = None
    settled: int | None = None
    reconciled: int | None = None

    def seconds(self) -> dict[str, float]:
        """Between the parts that are known; the venue's clock may differ from ours."""
        spans = {
            "decided to sent": (self.decided, self.sent),
            "sent to acknowledged": (self.sent, self.acknowledged),
            "sent to executed": (self.sent, self.executed),
            "sent to settled": (self.sent, self.settled),
            "settled to reconciled": (self.settled, self.reconciled),
            "sent to reconciled": (self.sent, self.reconciled),
            "decided to reconciled": (self.decided, self.reconciled),
        }
        return {name: (end - start) / 1e6 for name, (start, end) in spans.items() if start and end}
