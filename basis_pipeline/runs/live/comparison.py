"""Book against venues after the refresh of every tick: agree, adjust what is small, stop trading over what is not.

A venue may be late with a balance, and a payment may fall between the question for it and the question for balances.
A difference is therefore looked at again 1, 2 and 4 s later, each time after a refresh of its own. What is left of it
is adjusted on the record if it is small, and with it all that was adjusted in a day; otherwise trading stays closed
until an operator has acknowledged exactly this difference. Trading on through a doubt may be expensive, waiting rarely
is. A perp that differs is told even if it is adjusted: venues round balances, never the size of a position.
"""

from __future__ import annotations

from collections.abc import Mapping

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ReconciliationResult
from basis_pipeline.domain.position_keys import PositionType, Universe
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.engine.health import HealthState
from basis_pipeline.live_journal.halts import Adjustment, Halt, HaltEntry
from basis_pipeline.runs.live.parts import Alert, SessionParts
from basis_pipeline.runs.live.unexplained import Unexplained

COMPONENT = "comparison"
DELAYS = (1.0, 2.0, 4.0)
"""Seconds after which a difference is looked at again (R35)."""


class BookComparison:
    """What `look` finds is in the health of its component: trading is gated by it.

    Attributes:
        acknowledged: an operator takes the venues' word for whatever differs at the start.
        again: seconds after which a difference has to be looked at again; None if this look was the last word.
        missing: looks that a venue did not answer.
    """

    def __init__(self, parts: SessionParts, unexplained: Unexplained, *, acknowledged: bool = False) -> None:
        self._parts, self._journal = parts, parts.journal
        self._unexplained = unexplained
        self.acknowledged = acknowledged
        self._attempt = 0
        self.again: float | None = None
        self.missing = 0

    def look(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        """Compare what a refresh has just committed; changes the book only by an adjustment."""
        handler = engine.position_update_handler
        result = handler.reconcile(handler.latest.market, self._attempt + 1)
        self.again = None
        if result.silence:
            self.missing += 1
            self._attempt = 0
            self._parts.note(COMPONENT, "missing", result.silence, level="error")
            engine.health.report(COMPONENT, HealthState.UNKNOWN, timestamp, result.silence)
        elif result.success:
            self._agree(engine, timestamp)
        else:
            self._differ(engine, timestamp, result)

    def _agree(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        self._attempt = 0
        last = self._journal.halted(Halt.DIFFERENCE)
        if last is not None and last.active and not self.acknowledged:
            why = f"book and venues agree again, nobody has acknowledged: {last.reason}"
            engine.health.report(COMPONENT, HealthState.UNHEALTHY, timestamp, why)
            return
        self._open(engine, timestamp, last)

    def _differ(self, engine: EventDrivenStrategyEngine, timestamp: int, result: ReconciliationResult) -> None:
        gaps = {mismatch.position_key: mismatch.real - mismatch.simulated for mismatch in result.mismatches}
        last, detail = self._journal.halted(Halt.DIFFERENCE), result.detail
        if self._attempt < len(DELAYS) and not (last is not None and last.active):
            self.again = DELAYS[self._attempt]
            self._attempt += 1
            self._parts.note(COMPONENT, "differs", f"{detail}; again in {self.again:g} s", level="warning")
            engine.health.report(COMPONENT, HealthState.UNKNOWN, timestamp, detail)
            return
        self._attempt = 0
        known = last is not None and self._same(gaps, last.gaps, engine)
        if self.acknowledged or (known and last is not None and not last.active):
            self._adjust(engine, timestamp, gaps, f"{detail}, by an operator")
            self._open(engine, timestamp, last)
        elif last is not None and last.active:
            reason = last.reason if known else self._close(gaps, detail, engine)
            engine.health.report(COMPONENT, HealthState.UNHEALTHY, timestamp, reason)
        elif self._small(gaps, engine, timestamp):
            self._journal.adjusted(Adjustment(timestamp, self._worth(gaps, engine), gaps))
            self._adjust(engine, timestamp, gaps, detail)
            self._tell_perps(gaps, detail)
            self._open(engine, timestamp, last)
        else:
            reason = self._close(gaps, detail, engine)
            engine.health.report(COMPONENT, HealthState.UNHEALTHY, timestamp, reason)

    def _small(self, gaps: Mapping[str, float], engine: EventDrivenStrategyEngine, timestamp: int) -> bool:
        """Together with all that was adjusted since midnight: many small ones are a large one."""
        equity = engine.position_update_handler.latest.exposure.equity
        return self._worth(gaps, engine) + self._unexplained.unseen(engine, timestamp) <= self._parts.drift * equity

    def _worth(self, gaps: Mapping[str, float], engine: EventDrivenStrategyEngine) -> float:
        """USDT, whatever the sign."""
        value, slot = engine.position_update_handler.latest.market.value, self._parts.settings.universe.slot
        return sum(abs(gap * value[slot(key)]) for key, gap in gaps.items())

    def _tell_perps(self, gaps: Mapping[str, float], detail: str) -> None:
        """Somebody else may be trading on the account, or an order was executed that the book does not know."""
        universe = self._parts.settings.universe
        if not any(universe.instruments[universe.slot(key)].position_type is PositionType.PERP for key in gaps):
            return
        remedy = "look for orders at the venue that are not this session's; --emergency-stop ends trading."
        self._parts.alert(COMPONENT, Alert("perp adjusted", f"{detail}: the venue's word was taken.", remedy))

    def _same(self, gaps: Mapping[str, float], told: Mapping[str, float], engine: EventDrivenStrategyEngine) -> bool:
        """Nothing differs beyond what venues round from what somebody was told."""
        value, universe = engine.position_update_handler.latest.market.value, self._parts.settings.universe
        return all(
            self._parts.settings.tolerance.allows(
                gaps.get(key, 0.0) - told.get(key, 0.0), told.get(key, 0.0), value[universe.slot(key)]
            )
            for key in gaps.keys() | told.keys()
        )

    def _close(self, gaps: dict[str, float], detail: str, engine: EventDrivenStrategyEngine) -> str:
        equity = engine.position_update_handler.latest.exposure.equity
        reason = f"{detail} (worth {self._worth(gaps, engine):,.2f} USDT, the book {equity:,.2f})"
        self._journal.halt(Halt.DIFFERENCE, HaltEntry(active=True, reason=reason, gaps=gaps))
        remedy = "find out why; --acknowledge takes the venues' word for it."
        self._parts.alert(COMPONENT, Alert("large difference", f"[LIVE-001] {reason}: nothing is traded.", remedy))
        return reason

    def _open(self, engine: EventDrivenStrategyEngine, timestamp: int, last: HaltEntry | None) -> None:
        """Trading is open; an acknowledgement is used up, so that it never covers a later difference."""
        if last is not None and (last.active or last.gaps):
            agreed, seen = "book and venues agree", self._unexplained.total(engine)
            self._journal.halt(Halt.DIFFERENCE, HaltEntry(False, agreed, at=timestamp, unexplained=seen))
        engine.health.report(COMPONENT, HealthState.HEALTHY, timestamp)

    def _adjust(
        self, engine: EventDrivenStrategyEngine, timestamp: int, gaps: Mapping[str, float], detail: str
    ) -> None:
        universe, market = self._parts.settings.universe, engine.position_update_handler.latest.market
        deltas = tuple(_adjustment(universe.slot(key), gap, market, universe) for key, gap in gaps.items())
        engine.position_update_handler.adjust(timestamp, market, deltas)
        self._parts.note(COMPONENT, "adjusted to the venues", detail, level="warning")


def _adjustment(slot: int, gap: float, market: MarketSnapshot, universe: Universe) -> PositionDelta:
    """What is missing or too much, at today's price: a perp is taken over at its mark, so that only tokens are P&L."""
    if universe.instruments[slot].position_type is PositionType.PERP:
        mark = market.mark[slot]
        return PositionDelta(slot, gap, DeltaSource.TRADE, price=mark, reference_price=mark)
    return PositionDelta(slot, gap, DeltaSource.ADJUSTMENT)
