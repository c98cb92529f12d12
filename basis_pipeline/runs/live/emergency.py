"""The emergency stop: nothing is traded any more, or the market is left first and then nothing is.

It stands in the journal, so that a restart does not lift it, and it is asked for by the loss limit or by an operator,
also from another process. The session stays up: a book that is not traded still has to be watched. Only market orders
are sent, so there is none to cancel.
"""

from __future__ import annotations

from basis_pipeline.domain.state import StrategyState
from basis_pipeline.domain.timeline import iso
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.engine.health import TRADING, HealthManager, HealthState
from basis_pipeline.engine.steering.halting import BY_QUEUE, has_left, leaving, resumed
from basis_pipeline.live_journal.halts import EmergencyPolicy, Halt, HaltEntry
from basis_pipeline.runs.live.parts import Alert, SessionParts
from basis_pipeline.runs.live.redemptions import leaves_by_queue

COMPONENT = "emergency_stop"
REASON = "emergency stop"


class EmergencyStop:
    """Gates trading through the health of its component."""

    def __init__(self, parts: SessionParts) -> None:
        self._parts, self._journal = parts, parts.journal
        self._told: HaltEntry | None = None

    def look(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        """Once per tick, before anything is decided: has the limit been reached, has somebody said something?"""
        self._check_loss(engine, timestamp)
        entry, manager = self._journal.halted(Halt.EMERGENCY), engine.strategy_manager
        if entry is None or not entry.active:
            manager.state = _only(manager.state)
            self._told = None
            engine.health.report(COMPONENT, HealthState.HEALTHY, timestamp)
            return
        policy = EmergencyPolicy(entry.policy) if entry.policy else self._parts.emergency
        new = self._told != entry
        if new:
            self._told = entry
            remedy = "--lift-emergency-stop lets the session trade again."
            message = f"[LIVE-004] {entry.reason}: {_WORDS[policy]}."
            self._parts.alert("session", Alert(REASON, message, remedy))
        if policy is EmergencyPolicy.FREEZE:
            manager.state = _only(manager.state)
            engine.health.report(COMPONENT, HealthState.CRITICAL, timestamp, f"frozen: {entry.reason}")
            return
        reason = BY_QUEUE if policy is EmergencyPolicy.EXIT_QUEUE else REASON
        manager.state = _only(manager.state, reason)
        if not has_left(manager.state) and (new or not manager.state.halted):
            equity = engine.position_update_handler.latest.exposure.equity
            manager.state = leaving(manager.state, reason, equity)
        if has_left(manager.state) and not self._waits(engine):
            engine.health.report(COMPONENT, HealthState.CRITICAL, timestamp, f"has left the market: {entry.reason}")
        else:
            engine.health.report(COMPONENT, HealthState.DEGRADED, timestamp, f"leaves the market: {entry.reason}")

    def interrupt(self, health: HealthManager) -> None:
        """Between orders: a stop that was asked for since the tick began ends the plan at once, also a freeze that of
        leaving the market.
        """
        if health.health_of(COMPONENT).state not in TRADING:
            return
        entry = self._journal.halted(Halt.EMERGENCY)
        if entry is not None and entry.active and entry != self._told:
            health.report(COMPONENT, HealthState.UNHEALTHY, self._parts.clock.wall(), entry.reason)

    def _waits(self, engine: EventDrivenStrategyEngine) -> bool:
        """Whether something of the book is in a redemption queue: it has left only once that is claimed."""
        receivable = self._parts.settings.receivables.values() if leaves_by_queue(self._parts.settings) else ()
        held = engine.position_update_handler.latest.positions.quantities
        return any(held[slot] > 0.0 for slot in receivable)

    def _check_loss(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        """The last line of defence, whatever the strategy thinks of it."""
        entry, risk = self._journal.halted(Halt.EMERGENCY), engine.risk_monitor.state
        drawdown = 1.0 - risk.unit_value / risk.peak if risk.peak else 0.0
        if drawdown < self._parts.stop_loss or (entry is not None and entry.active):
            return
        reason = (
            f"the book has lost {drawdown:.2%} of its highest value at {iso(timestamp)}, the limit is "
            f"{self._parts.stop_loss:.2%} (BASIS_LIVE_TRADING__EMERGENCY_STOP_LOSS_PCT)"
        )
        self._journal.halt(Halt.EMERGENCY, HaltEntry(active=True, reason=reason))


def _only(state: StrategyState, reason: str = "") -> StrategyState:
    """Without the reasons of stops other than `reason`; what the strategy was stopped by itself stays."""
    for other in (REASON, BY_QUEUE):
        state = state if other == reason else resumed(state, other)
    return state


_WORDS = {
    EmergencyPolicy.FREEZE: "frozen, no order is sent any more",
    EmergencyPolicy.EXIT_FULL: "the market is left, then no order is sent any more",
    EmergencyPolicy.EXIT_QUEUE: "everything is redeemed, claimed once it is paid, and then no order is sent any more",
}
