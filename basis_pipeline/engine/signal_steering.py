"""When a book that follows a signal trades: where the side changes, and to the new size after a flow."""

from __future__ import annotations

from basis_pipeline.domain.orders import Action
from basis_pipeline.domain.protocols import Targets
from basis_pipeline.domain.records import ChainSnapshot, RiskLevel
from basis_pipeline.engine.decisions import Intent


def follow_signal(snapshot: ChainSnapshot, targets: Targets) -> Intent | None:
    """The entry, flip or exit that `targets` ask for; a position on the right side keeps the size of its entry.

    Nothing is opened while a critical finding stands.
    """
    if snapshot.risk.level is RiskLevel.CRITICAL:
        return None
    for slot, target in targets.quantities.items():
        held = snapshot.positions.quantities[slot]
        if _side(held) != _side(target):
            return Intent(Action.ENTRY_FULL if target else Action.EXIT_FULL, targets.reason, targets)
        if held and snapshot.pnl.flow:
            action = Action.ENTRY_PARTIAL if abs(target) > abs(held) else Action.EXIT_PARTIAL
            return Intent(action, f"equity changed by a flow; {targets.reason}", targets)
    return None


def _side(quantity: float) -> int:
    return (quantity > 0.0) - (quantity < 0.0)
