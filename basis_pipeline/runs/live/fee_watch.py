"""Fees that were taken in tokens which the book does not hold: booked by their venue, told here."""

from __future__ import annotations

import msgspec

from basis_pipeline.domain.intents import ForeignFee
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.engine.health import HealthState
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.runs.live.parts import Alert, SessionParts

COMPONENT = "foreign_fees"


class FeeWatch:
    """Degrades a session that was charged so until it ends; a start refuses accounts that would be (VEN-009).

    Trading goes on: the costs are known and booked, and a book that nobody may trade is the greater danger.
    """

    def __init__(self, parts: SessionParts) -> None:
        self._parts, self._read = parts, parts.journal.size
        self._fees: dict[tuple[str, str], ForeignFee] = {}

    def look(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        """Once per tick; people are told of each venue and token once."""
        for entry in self._parts.journal.entries(Kind.INCOME, after=self._read):
            self._read = entry.number
            venue, _, reference = entry.key.partition(":")
            if ForeignFee.is_named_by(reference):
                self._add(venue, msgspec.json.decode(entry.payload, type=ForeignFee))
        if self._fees:
            charged = "; ".join(_words(venue, fee) for (venue, _), fee in self._fees.items())
            engine.health.report(COMPONENT, HealthState.DEGRADED, timestamp, charged)

    def _add(self, venue: str, fee: ForeignFee) -> None:
        known = self._fees.get((venue, fee.token))
        if known is None:
            message = f"[VEN-005] {_words(venue, fee)}, and the book holds none: booked as a cost paid from outside it."
            remedy = "let the venue charge fees in the traded tokens."
            self._parts.alert(COMPONENT, Alert("fee in a foreign token", message, remedy))
        amount, cost = (known.amount, known.cost) if known else (0.0, 0.0)
        total = amount + fee.amount
        self._fees[venue, fee.token] = ForeignFee(fee.token, total, (cost + fee.cost) / total if total else 0.0)


def _words(venue: str, fee: ForeignFee) -> str:
    return f"{venue} charged {fee.amount:.10g} {fee.token} ({fee.cost:,.2f} USDT)"
