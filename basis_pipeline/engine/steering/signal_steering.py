"""When a book that follows a signal trades: where the side changes, and to the new size after a flow.

What closed a position (stop-loss, take-profit, the longest time to hold it) is not undone by the signal that led to it:
the same side is entered again only after the signal has asked for something else.
"""

from __future__ import annotations

from basis_pipeline.domain.market import Direction
from basis_pipeline.domain.orders import Action
from basis_pipeline.domain.protocols import Targets
from basis_pipeline.domain.records import ChainSnapshot, RiskLevel
from basis_pipeline.domain.state import Followed
from basis_pipeline.engine.steering.decisions import Intent
from basis_pipeline.engine.steering.restraint import suspension

_ELSE = {
    1: (Direction.NEUTRAL, Direction.SHORT),
    -1: (Direction.NEUTRAL, Direction.LONG),
    0: (),
}
"""By side of a position, what a signal says that asks for something else."""


def follow_signal(snapshot: ChainSnapshot, targets: Targets, followed: Followed) -> Intent | None:
    """The entry, flip or exit that `targets` ask for; a position on the right side keeps the size of its entry.

    Nothing is opened while a critical finding stands; a flip into a side that may not be entered is an exit. Exits and
    flips wait for no earlier refusal.
    """
    if snapshot.risk.level is RiskLevel.CRITICAL:
        return None
    ((slot, target),) = targets.quantities.items()
    held = snapshot.positions.quantities[slot]
    if _side(held) != _side(target):
        return _turn(snapshot, targets, _side(held), followed)
    if held and snapshot.pnl.flow:
        action = Action.ENTRY_PARTIAL if abs(target) > abs(held) else Action.EXIT_PARTIAL
        return Intent(action, f"equity changed by a flow; {targets.reason}", targets)
    return None


def opened(snapshot: ChainSnapshot, slot: int, equity: float, before: Followed) -> Followed:
    """The position at `slot` after a decision was carried out; one on the side it was on has its age and its size.

    `equity`: what it was sized on, USDT.
    """
    held = snapshot.positions.quantities[slot]
    if _side(held) == before.side:
        return before
    if not held:
        return Followed()
    return Followed(_side(held), snapshot.timestamp, abs(held) * snapshot.market.value[slot] / equity)


def closed(snapshot: ChainSnapshot, before: Followed) -> Followed:
    """The position after a decision has closed it: where the signal itself says so, its side may be entered again."""
    signal = snapshot.market.signal
    return Followed() if signal is not None and signal.direction in _ELSE[before.side] else before


def renewed(followed: Followed, snapshot: ChainSnapshot, targets: Targets) -> bool:
    """Whether a signal asks a book that was closed for another side, or for none: either side may be entered again."""
    ((slot, target),) = targets.quantities.items()
    flat = snapshot.positions.quantities[slot] == 0.0
    return followed.side != 0 and flat and snapshot.market.signal is not None and _side(target) != followed.side


def _turn(snapshot: ChainSnapshot, targets: Targets, held: int, followed: Followed) -> Intent | None:
    ((slot, target),) = targets.quantities.items()
    if held == 0:
        spent = _side(target) == followed.side
        return None if spent else Intent(Action.ENTRY_FULL, targets.reason, targets)
    if target == 0.0:
        return Intent(Action.EXIT_FULL, targets.reason, targets, urgent=True)
    if why := suspension(snapshot):
        flat = Targets({slot: 0.0}, {}, {}, f"{targets.reason}; suspended: {why}")
        return Intent(Action.EXIT_FULL, flat.reason, flat, urgent=True)
    return Intent(Action.ENTRY_FULL, targets.reason, targets, urgent=True)


def _side(quantity: float) -> int:
    return (quantity > 0.0) - (quantity < 0.0)
