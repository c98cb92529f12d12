"""A live session: the engine in real time, with a journal between every decision and its effect.

Starts as `recovery` says, then ticks until somebody says stop. Nothing is kept in memory that a restart would
need.
"""

from __future__ import annotations

from contextlib import suppress

from basis_pipeline.domain.errors import BasisError, DataGapError, StateError, StorageError, SystemFailure, VenueError
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import HOUR, SECOND
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.engine.health import HealthState
from basis_pipeline.live_journal.journal import Action
from basis_pipeline.runs.live.alarms import Alarms
from basis_pipeline.runs.live.comparison import BookComparison
from basis_pipeline.runs.live.emergency import COMPONENT as EMERGENCY
from basis_pipeline.runs.live.emergency import EmergencyStop
from basis_pipeline.runs.live.fee_watch import COMPONENT as FEES
from basis_pipeline.runs.live.fee_watch import FeeWatch
from basis_pipeline.runs.live.foreign_orders import COMPONENT as FOREIGN_ORDERS
from basis_pipeline.runs.live.foreign_orders import ForeignOrders
from basis_pipeline.runs.live.held import HeldValues
from basis_pipeline.runs.live.listings import COMPONENT as LISTINGS
from basis_pipeline.runs.live.listings import Listings
from basis_pipeline.runs.live.parts import Alert, SessionParts
from basis_pipeline.runs.live.receipts import tell_receipts
from basis_pipeline.runs.live.record import record_tick
from basis_pipeline.runs.live.recovery import FailingSafely, LiveRecovery
from basis_pipeline.runs.live.redemptions import COMPONENT as REDEMPTIONS
from basis_pipeline.runs.live.redemptions import Redemptions, leaves_by_queue
from basis_pipeline.runs.live.report import TickReport
from basis_pipeline.runs.live.surroundings import CLOCK, DISK, Surroundings
from basis_pipeline.runs.live.unexplained import Unexplained

TRANSIT = "transit"
"""Funds between venues, as a component of health."""


class LiveSession:
    """One mode in real time.

    Args:
        seed: state of a backtest to go on from, where the journal has none yet.
        acknowledged: an operator has looked at a large difference and takes the venues' word for it.
    """

    def __init__(self, parts: SessionParts, *, seed: EngineState | None = None, acknowledged: bool = False) -> None:
        self._parts, self._seed = parts, seed
        self._unexplained = Unexplained(parts)
        self._comparison = BookComparison(parts, self._unexplained, acknowledged=acknowledged)
        self._emergency, self._surroundings, self._held = EmergencyStop(parts), Surroundings(parts), HeldValues(parts)
        self._tick_report, self._alarms, self._fees = TickReport(parts), Alarms(parts), FeeWatch(parts)
        self._foreign_orders, self._listings = ForeignOrders(parts), Listings(parts)
        self._redemptions = Redemptions(parts)
        self._stop_reason = ""
        self._completed_at = 0
        self._overdue_at = 0
        self.skipped_ticks = 0
        self.engine: EventDrivenStrategyEngine | None = None

    @property
    def again(self) -> float | None:
        """Seconds after which the next tick is due because book and venues differ; None: at its time."""
        return self._comparison.again

    @property
    def comparisons_missing(self) -> int:
        """Ticks at which a venue did not say what it holds."""
        return self._comparison.missing

    def stop(self, reason: str) -> None:
        """No order is begun after this; the one on its way is finished, found out and booked."""
        self._stop_reason = reason
        if self.engine is not None:
            self.engine.health.report("execution_manager", HealthState.NOT_READY, self._parts.clock.wall(), reason)

    def run(self, *, until: int | None = None) -> None:
        """Start, then tick until stopped, or until `until` (microseconds UTC).

        Raises:
            SystemFailure: nobody can say where the book stands; the supervisor starts again from the journal.
            StateError: LIVE-001 the venues hold something else than the book: an operator has to look first.
        """
        try:
            self._live(until)
        except SystemFailure as failure:
            self._fail(failure)
            self._leave_results()
            raise
        except BasisError:
            self._leave_results()
            raise

    def _live(self, until: int | None) -> None:
        self.start()
        clock, interval = self._parts.clock, self._parts.interval
        due = clock.now()  # of a clock that nobody sets
        while not self._stop_reason and (until is None or clock.wall() < until):
            self.tick()
            while (again := self.again) is not None and not self._stop_reason:
                clock.idle(again, lambda: bool(self._stop_reason))
                self.tick()
            self._parts.publish()
            missed = max(0, int((clock.now() - due) // interval))
            self.skipped_ticks += missed
            due += (missed + 1) * interval
            clock.idle(max(0.0, due - clock.now()), lambda: bool(self._stop_reason))
        self._parts.publish(finished=True)
        self._parts.note("session", "stopped", self._stop_reason or "the end of the period")

    def _fail(self, failure: SystemFailure) -> None:
        """The last word: in the log whatever happens, in the journal if that can still be written (R40)."""
        orders = f"; {len(failure.completed)} orders of its plan were completed" if failure.completed else ""
        action = Action("session", "system failure", f"{failure.reason}{orders}", level="critical")
        if self.engine is not None:
            self.engine.health.report(
                "execution_manager", HealthState.CRITICAL, self._parts.clock.wall(), failure.reason
            )
        with suppress(StorageError):
            self._parts.journal.action(action)
        self._parts.trace(action)

    def _leave_results(self) -> None:
        """Nothing that goes wrong here hides why the session ended."""
        with suppress(StorageError):
            self._parts.leave_results()

    def start(self) -> None:
        """Bring the book to where the venues are, or refuse."""
        engine = LiveRecovery(self._parts, self._comparison, self._foreign_orders, seed=self._seed).run()
        optional = ((TRANSIT,) if self._parts.transit else ()) + (
            (REDEMPTIONS,) if leaves_by_queue(self._parts.settings) else ()
        )
        for component in (CLOCK, DISK, EMERGENCY, FEES, FOREIGN_ORDERS, LISTINGS, *optional):
            engine.health.register(component)
        engine.health.watch(self._emergency.interrupt)
        if self._parts.hearing is not None:
            self._parts.hearing.report_to(engine.health)
        self.engine = engine
        self._completed_at = engine.current_timestamp or 0
        if self._stop_reason:
            self.stop(self._stop_reason)

    def tick(self) -> None:
        """One timestep; one that the venues or the data do not allow is skipped, what else is unexpected ends it all.

        Between its halves: does the book hold what the venues hold, and may it be traded at all? A lending book is
        seen at values that are held rather than not at all; there is nothing to compare then.
        """
        engine, clock = self._running(), self._parts.clock
        timestamp, report = clock.wall(), self._tick_report
        report.begin()
        try:
            with FailingSafely(DataGapError, VenueError):
                self._surroundings.look(engine, timestamp)
                fresh = self._held.observe(engine, timestamp)
        except (DataGapError, VenueError) as gap:
            self._skip(engine, timestamp, gap)
            return
        report.passed("observe")
        with FailingSafely():
            self._compare(engine, timestamp, fresh=fresh)
            report.passed("compare")
            self._unexplained.check(engine, timestamp)
            for watch in (self._fees, self._foreign_orders, self._listings):
                watch.look(engine, timestamp)
            self._emergency.look(engine, timestamp)
            self._redemptions.look(engine, timestamp)
            engine.act()
            report.acted(engine.log)
            self._alarms.look_at_orders(one.result for one in engine.log.orders)
            self._listings.heard(one.result for one in engine.log.orders)
            tell_receipts(self._parts, engine)
        self._parts.report(record_tick(self._parts.journal, engine, skipped=self.skipped_ticks))
        self._completed_at = timestamp if fresh else self._completed_at
        self._watch_transfers(engine, timestamp)
        report.close(engine, timestamp, self.skipped_ticks)
        self._alarms.look(engine.health)

    def _compare(self, engine: EventDrivenStrategyEngine, timestamp: int, *, fresh: bool) -> None:
        if fresh:
            self._comparison.look(engine, timestamp)
        else:
            self._comparison.again = None

    def _watch_transfers(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        """Funds that should have arrived long ago degrade the session, and people are told every hour."""
        if self._parts.transit is None:
            return
        overdue = self._parts.transit.overdue(timestamp)
        state = HealthState.DEGRADED if overdue else HealthState.HEALTHY
        engine.health.report(TRANSIT, state, timestamp, "; ".join(overdue))
        if overdue and timestamp - self._overdue_at >= HOUR:
            self._overdue_at = timestamp
            remedy = "look the transaction up; ask the venue that should have credited it; then --transfer-ended."
            for line in overdue:
                self._parts.alert(TRANSIT, Alert("transfer overdue", line, remedy))

    def _skip(self, engine: EventDrivenStrategyEngine, timestamp: int, gap: DataGapError | VenueError) -> None:
        """Nothing has changed; a skipped tick has no second look either."""
        self.skipped_ticks += 1
        engine.health.report("data_provider", HealthState.UNKNOWN, timestamp, str(gap))
        self._comparison.again = None
        self._parts.note("data_provider", "tick skipped", str(gap), level="warning")
        self._alarms.look(engine.health)
        silent = (timestamp - self._completed_at) / SECOND
        if silent > self._parts.heartbeat:
            raise SystemFailure(f"no tick was completed for {silent:.0f} s: {gap}") from gap

    def _running(self) -> EventDrivenStrategyEngine:
        if self.engine is None:
            raise StateError("the session was not started.", code="LIVE-003")
        return self.engine
