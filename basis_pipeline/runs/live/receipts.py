"""Tells what strangers have added to a book on chain (`domain.receipts`), whichever part of a tick has booked it."""

from __future__ import annotations

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.runs.live.parts import Alert, SessionParts

COMPONENT = "comparison"
REMEDY = "none is needed: it is in the book as a flow, no profit. Ask who sent it; `sweep` gives it back."


def tell_receipts(parts: SessionParts, engine: EventDrivenStrategyEngine) -> None:
    """Each as an action; people are told of what is worth more than may be unexplained in a day."""
    equity = engine.position_update_handler.latest.exposure.equity
    for found in engine.log.deltas:
        if found.delta.source is not DeltaSource.RECEIPT:
            continue
        worth = _worth(found.delta, engine)
        key = parts.settings.universe.keys[found.delta.slot]
        message = f"{found.delta.amount:+.10g} {key}, worth {worth:,.2f} USDT, came from somebody unknown."
        if worth > parts.unexplained_alert * equity:
            parts.alert(COMPONENT, Alert("receipt", message, REMEDY))
        else:
            parts.note(COMPONENT, "receipt", message, level="warning")


def _worth(delta: PositionDelta, engine: EventDrivenStrategyEngine) -> float:
    return delta.amount * engine.position_update_handler.latest.market.value[delta.slot]
