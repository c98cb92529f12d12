"""What the strategy manager decides, and what it would like to before it is known whether it can be carried out."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from basis_pipeline.domain.orders import Action, Operation, Order
from basis_pipeline.domain.protocols import Targets
from basis_pipeline.engine.dust_planner import NO_DUST, DustSale


class Decision(msgspec.Struct, frozen=True):
    """What to do and why. With `awaits_funds` the orders only move cash towards it; the rest follows on arrival.

    Attributes:
        exposure: share of the full size that the orders lead to.
    """

    action: Action
    reason: str
    orders: tuple[Order, ...]
    awaits_funds: bool = False
    exposure: float = 1.0


def left_at_venues(decision: Decision, carries: Callable[[Order], bool]) -> Decision:
    """Leaving the market needs no transfer: cash that nobody can move stays at the venue where it was set free."""
    kept = tuple(order for order in decision.orders if order.operation is not Operation.TRANSFER or carries(order))
    return replace(decision, orders=kept)


class Intent(msgspec.Struct, frozen=True):
    """An action that is called for, before it is known whether it can be carried out; without targets only dust."""

    action: Action
    reason: str
    targets: Targets | None
    urgent: bool = False
    dust: DustSale = NO_DUST
    exposure: float = 1.0
