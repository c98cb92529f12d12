"""What strangers can do to a book on a real chain: add to it.

Anybody can send tokens to an address, lend for it (`onBehalfOf`), or repay what it owes, at any moment, also between
the decision for an order and its block. It cannot be refused, and the sender pays all that the book gains: it stops
nothing, is a flow and no profit, and is told. Nobody but the owner can take: what is missing is another matter.
"""

from __future__ import annotations

from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings, ExecutionMode

_OPEN = frozenset({PositionType.BASE_TOKEN, PositionType.LST, PositionType.A_TOKEN, PositionType.DEBT_TOKEN})


def is_receipt(slot: int, gap: float, market: MarketSnapshot, settings: EngineSettings) -> bool:
    """Whether a `gap` (stored units, what is there beyond the book) can be what a stranger gave.

    True for more of a token on a real chain and for less of a debt; never at an exchange, where only its own books say
    whose a balance is.
    """
    instrument = settings.universe.instruments[slot]
    if settings.execution_mode is not ExecutionMode.LIVE or instrument.position_type not in _OPEN:
        return False
    venue = settings.venues.get(instrument.key.venue)
    return (venue is None or venue.kind != "cex") and gap * market.value[slot] > 0.0


def in_transit(positions: Positions, settings: EngineSettings) -> bool:
    """Whether funds are on their way from or to an exchange: what arrives then may be those."""
    exchanges = any(rules.kind == "cex" for rules in settings.venues.values())
    return exchanges and any(positions.quantities[slot] for slot in settings.receivables.values())
