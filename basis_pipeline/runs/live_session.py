"""A live session: the engine in real time, with a journal between every decision and its effect (domain I3, I5).

Starts as `live_recovery` says, then ticks until somebody says stop. Nothing is kept in memory that a restart would
need.
"""

from __future__ import annotations

from basis_pipeline.domain.errors import DataGapError, StateError, SystemFailure
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import HOUR, SECOND, iso
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.engine.health import HealthState
from basis_pipeline.runs.live_parts import SessionParts
from basis_pipeline.runs.live_record import record_tick
from basis_pipeline.runs.live_recovery import FailingSafely, LiveRecovery


class LiveSession:
    """One mode in real time.

    Args:
        seed: state of a backtest to go on from, where the journal has none yet.
        acknowledged: an operator has looked at a large difference and takes the venues' word for it.
    """

    def __init__(self, parts: SessionParts, *, seed: EngineState | None = None, acknowledged: bool = False) -> None:
        self._parts = parts
        self._seed, self._acknowledged = seed, acknowledged
        self._stop_reason = ""
        self._completed_at = 0
        self._overdue_at = 0
        self.skipped_ticks = 0
        self.engine: EventDrivenStrategyEngine | None = None

    def stop(self, reason: str) -> None:
        """No order is begun after this; the one on its way is finished, found out and booked."""
        self._stop_reason = reason
        if self.engine is not None:
            self.engine.health.report("execution_manager", HealthState.NOT_READY, self._parts.clock.wall(), reason)

    def run(self, *, until: int | None = None) -> None:
        """Start, then tick until stopped, or until `until` (microseconds UTC).

        Raises:
            SystemFailure: nobody can say where the book stands; the supervisor starts again from the journal.
            StateError: LIVE-001 the venues hold something else than the book: an operator has to look first;
                LIVE-004 the emergency stop-loss was reached.
        """
        self.start()
        clock, interval = self._parts.clock, round(self._parts.interval * SECOND)
        due = clock.wall()
        while not self._stop_reason and (until is None or due < until):
            self.tick()
            self._parts.publish()
            missed = max(0, (clock.wall() - due) // interval)
            self.skipped_ticks += missed
            due += (missed + 1) * interval
            clock.idle(max(0.0, (due - clock.wall()) / SECOND), lambda: bool(self._stop_reason))
        self._parts.publish(finished=True)
        self._parts.note("session", "stopped", self._stop_reason or "the end of the period")

    def start(self) -> None:
        """Bring the book to where the venues are, or refuse."""
        self.engine = LiveRecovery(self._parts, seed=self._seed, acknowledged=self._acknowledged).run()
        self._completed_at = self.engine.current_timestamp or 0
        self._check_loss(self.engine)

    def tick(self) -> None:
        """One timestep; a gap in the data skips it, anything else that is unexpected ends the session."""
        engine, clock = self._running(), self._parts.clock
        began, timestamp = clock.now(), clock.wall()
        try:
            with FailingSafely():
                engine.process_timestep(timestamp)
        except DataGapError as gap:
            self.skipped_ticks += 1
            self._parts.note("data_provider", "tick skipped", str(gap))
            silent = (timestamp - self._completed_at) / SECOND
            if silent > self._parts.heartbeat:
                raise SystemFailure(f"no tick was completed for {silent:.0f} s: {gap}") from gap
            return
        self._parts.report(record_tick(self._parts.journal, engine, skipped=self.skipped_ticks))
        self._completed_at = timestamp
        self._parts.note("session", "tick", iso(timestamp), clock.now() - began)
        self._watch_transfers(engine, timestamp)
        self._check_loss(engine)

    def _watch_transfers(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        """Funds that should have arrived long ago are reported every hour and degrade the session until they do."""
        if self._parts.transit is None:
            return
        overdue = self._parts.transit.overdue(timestamp)
        state = HealthState.DEGRADED if overdue else HealthState.HEALTHY
        engine.health.report("venue_interface_manager", state, timestamp, "; ".join(overdue))
        if overdue and timestamp - self._overdue_at >= HOUR:
            self._overdue_at = timestamp
            for line in overdue:
                self._parts.note("transit", "overdue", line)

    def _check_loss(self, engine: EventDrivenStrategyEngine) -> None:
        """The last line of defence, whatever the strategy thinks of it: beyond this loss nothing is traded any more."""
        risk = engine.risk_monitor.state
        drawdown = 1.0 - risk.unit_value / risk.peak if risk.peak else 0.0
        if drawdown < self._parts.stop_loss:
            return
        self._parts.note("session", "emergency stop", f"drawdown {drawdown:.2%}")
        raise StateError(
            f"the book has lost {drawdown:.2%} of its highest value, the emergency stop is at "
            f"{self._parts.stop_loss:.2%}: nothing is traded any more.",
            code="LIVE-004",
            remedy="close or hedge at the venue by hand, or raise BASIS_LIVE_TRADING__EMERGENCY_STOP_LOSS_PCT.",
        )

    def _running(self) -> EventDrivenStrategyEngine:
        if self.engine is None:
            raise StateError("the session was not started.", code="LIVE-003")
        return self.engine
