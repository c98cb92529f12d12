"""How much of a day's profit and loss nobody can explain: told once a day above a limit."""

from __future__ import annotations

from basis_pipeline.domain.records import Category
from basis_pipeline.domain.state import PnLState
from basis_pipeline.domain.timeline import DAY, iso
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.live_journal.halts import Halt
from basis_pipeline.runs.live.parts import Alert, SessionParts

COMPONENT = "pnl_monitor"


class Unexplained:
    """Adjustments to the venues and what attribution leaves over, since 00:00 UTC."""

    def __init__(self, parts: SessionParts) -> None:
        self._parts = parts
        self._day = -1
        self._before = 0.0
        self._told = False

    def today(self, engine: EventDrivenStrategyEngine, timestamp: int) -> float:
        """Signed fraction of equity since midnight; restarts do not change it."""
        if timestamp // DAY != self._day:
            self._day = timestamp // DAY
            state = self._parts.journal.state_before(self._day * DAY)
            self._before, self._told = (_sum(state.pnl) if state else 0.0), False
        return _fraction(engine, self._before)

    def unseen(self, engine: EventDrivenStrategyEngine, timestamp: int) -> float:
        """USDT that differed since midnight, or since an operator acknowledged a difference if that was later.

        Either what was adjusted, each gap whatever its sign: a position taken over at its mark is no profit or loss,
        and gaps to both sides are not none. Or all that has no explanation, if that is more.
        """
        fraction, seen = self.today(engine, timestamp), self._parts.journal.halted(Halt.DIFFERENCE)
        since = self._day * DAY
        if seen is not None and seen.at // DAY == self._day:
            fraction, since = _fraction(engine, seen.unexplained), seen.at + 1
        taken_over = self._parts.journal.adjusted_since(since)
        adjusted = sum(adjustment.worth for adjustment in taken_over if not adjustment.receipt)
        return max(adjusted, abs(fraction) * engine.position_update_handler.latest.exposure.equity)

    def received(self, timestamp: int) -> float:
        """USDT that strangers have added to the book since midnight, as far as comparisons have found it."""
        since = timestamp // DAY * DAY
        return sum(found.worth for found in self._parts.journal.adjusted_since(since) if found.receipt)

    @staticmethod
    def total(engine: EventDrivenStrategyEngine) -> float:
        """Share-class units since the opening."""
        return _sum(engine.pnl_monitor.state())

    def check(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        """Alert, once a day and session, when it is above the limit."""
        fraction = self.today(engine, timestamp)
        if abs(fraction) <= self._parts.unexplained_alert or self._told:
            return
        self._told = True
        message = (
            f"{fraction * 1e4:+.2f} bp of equity since {iso(self._day * DAY)} have no explanation; the limit is "
            f"{self._parts.unexplained_alert * 1e4:g} bp a day."
        )
        self._parts.alert(COMPONENT, Alert("unexplained", message, "compare the venue's own history with the book."))


def _fraction(engine: EventDrivenStrategyEngine, before: float) -> float:
    now = engine.pnl_monitor.state()
    return (_sum(now) - before) / now.equity if now.equity > 0.0 else 0.0


def _sum(pnl: PnLState) -> float:
    """Share-class units since the opening."""
    parts = dict(zip(Category, pnl.attribution, strict=False))  # a state of before this category has none of it
    return parts.get(Category.UNEXPLAINED, 0.0) + parts[Category.RESIDUAL]
