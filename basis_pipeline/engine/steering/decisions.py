"""What the strategy manager decides, and what it would like to before it is known whether it can be carried out."""

from __future__ import annotations

import msgspec

from basis_pipeline.domain.orders import Action, Order
from basis_pipeline.domain.protocols import Targets
from basis_pipeline.engine.planning.dust_planner import NO_DUST, DustSale


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


class Intent(msgspec.Struct, frozen=True):
    """An action that is called for, before it is known whether it can be carried out; without targets only dust."""

    action: Action
    reason: str
    targets: Targets | None
    urgent: bool = False
    dust: DustSale = NO_DUST
    exposure: float = 1.0
