"""A live session: the engine in real time, with a journal between every decision and its effect (domain I3, I5).

A start, first or after any kind of end, is always the same::

    last state -> ask for the fate of open intents -> refresh -> book what the state does not contain
               -> compare with the venues -> adjust a small difference on the record, refuse to trade on a large one

then ticks until somebody says stop. Nothing is kept in memory that a restart would need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol

import msgspec

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import DataGapError, StateError, SystemFailure, VenueSilence
from basis_pipeline.domain.intents import Facts, OpenIntent
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, Order
from basis_pipeline.domain.position_keys import PositionType, Universe
from basis_pipeline.domain.protocols import Clock, MarketFeed, Strategy, Venue
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import SECOND, iso
from basis_pipeline.engine.event_driven_strategy_engine import EngineConfig, EventDrivenStrategyEngine
from basis_pipeline.engine.health import HealthState
from basis_pipeline.live_journal.journal import Action, LiveJournal

COMPARE_DELAYS = (1.0, 2.0, 4.0)
"""Seconds between comparisons at a start: a venue may be late with a balance."""


class LiveClock(Clock, Protocol):
    """Also knows what time it is."""

    def wall(self) -> int:
        """Microseconds UTC."""

    def idle(self, seconds: float, stopped: Callable[[], bool]) -> None:
        """Wait between ticks, no longer than until `stopped`."""


class LiveVenue(Venue, Protocol):
    """A venue whose orders can be found again."""

    def resolve(self, open_intent: OpenIntent) -> Facts | None: ...

    def booked(self, order: Order, facts: Facts, market: MarketSnapshot) -> ExecutionHandshake:
        """What facts that were found later amount to."""


class SessionParts(msgspec.Struct, frozen=True):
    """What a session is made of.

    Attributes:
        settings: wired for live: its tolerance is what real venues round.
        venues: by name; those that hold nothing and trade nothing may be simulated.
        drift: fraction of equity up to which a difference found at the start is adjusted without asking.
        interval: seconds between ticks.
        stop_loss: drawdown at which trading ends for good, as a fraction.
        heartbeat: seconds without a completed tick after which the session fails.
        log: told everything that goes into the journal as an action.
    """

    settings: EngineSettings
    strategy: Strategy
    venues: Mapping[str, LiveVenue]
    feed: MarketFeed
    journal: LiveJournal
    clock: LiveClock
    interval: float = 60.0
    drift: float = 1e-3
    stop_loss: float = 1.0
    heartbeat: float = 300.0
    log: Callable[[Action], None] | None = None


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
        self._reported = 0
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
            missed = max(0, (clock.wall() - due) // interval)
            self.skipped_ticks += missed
            due += (missed + 1) * interval
            clock.idle(max(0.0, (due - clock.wall()) / SECOND), lambda: bool(self._stop_reason))
        self._note("session", "stopped", self._stop_reason or "the end of the period")

    def start(self) -> None:
        """Bring the book to where the venues are, or refuse."""
        journal, state = self._parts.journal, self._parts.journal.last_state() or self._seed
        self._note("session", "starting", f"from the state of {iso(state.timestamp)}" if state else "a new record")
        for left in journal.open_intents():
            self._resolve(left)
        try:
            self.engine = self._engine(state)
            timestamp = self._parts.clock.wall()
            market = self._parts.feed.at(timestamp)
        except (DataGapError, VenueSilence) as error:
            raise SystemFailure(f"a session cannot start: {error}") from error
        with _FailingSafely():
            self.engine.position_update_handler.refresh(timestamp, market)
            self._adopt(self.engine, timestamp, market, state)
            self._compare(self.engine, timestamp, market)
        self.engine.event_logger.close_step()
        self.engine.current_timestamp = timestamp
        journal.save_state(self.engine.state())
        self._completed_at = timestamp
        self._check_loss(self.engine)

    def tick(self) -> None:
        """One timestep; a gap in the data skips it, anything else that is unexpected ends the session."""
        engine, clock = self._running(), self._parts.clock
        began, timestamp = clock.now(), clock.wall()
        try:
            with _FailingSafely():
                engine.process_timestep(timestamp)
        except DataGapError as gap:
            self.skipped_ticks += 1
            self._note("data_provider", "tick skipped", str(gap))
            silent = (timestamp - self._completed_at) / SECOND
            if silent > self._parts.heartbeat:
                raise SystemFailure(f"no tick was completed for {silent:.0f} s: {gap}") from gap
            return
        self._parts.journal.save_state(engine.state())
        self._completed_at = timestamp
        self._report(engine)
        self._note("session", "tick", iso(timestamp), clock.now() - began)
        self._check_loss(engine)

    def _report(self, engine: EventDrivenStrategyEngine) -> None:
        """Every event of the components since the last report, as actions (R62)."""
        events = engine.log.events
        for event in events[self._reported :]:
            self._note(str(type(event).__struct_config__.tag), event.severity, event.message)
        self._reported = len(events)

    def _check_loss(self, engine: EventDrivenStrategyEngine) -> None:
        """The last line of defence, whatever the strategy thinks of it: beyond this loss nothing is traded any more."""
        risk = engine.risk_monitor.state
        drawdown = 1.0 - risk.unit_value / risk.peak if risk.peak else 0.0
        if drawdown < self._parts.stop_loss:
            return
        self._note("session", "emergency stop", f"drawdown {drawdown:.2%}")
        raise StateError(
            f"the book has lost {drawdown:.2%} of its highest value, the emergency stop is at "
            f"{self._parts.stop_loss:.2%}: nothing is traded any more.",
            code="LIVE-004",
            remedy="close or hedge at the venue by hand, or raise BASIS_LIVE_TRADING__EMERGENCY_STOP_LOSS_PCT.",
        )

    def _engine(self, state: EngineState | None) -> EventDrivenStrategyEngine:
        parts = self._parts
        opening = None if state else self._held()
        config = EngineConfig(parts.settings, parts.strategy, tuple(parts.venues.values()), opening)
        engine = EventDrivenStrategyEngine(
            config,
            parts.settings.execution_mode,
            parts.feed,
            parts.settings.initial_capital,
            parts.settings.share_class,
            state=state,
            clock=parts.clock,
        )
        # Operations of an interrupted tick are in the journal and in no state: their ids are taken.
        operations = engine.strategy_manager.operations
        operations.last = max(operations.last, parts.journal.last_operation)
        return engine

    def _held(self) -> dict[int, float]:
        """What the venues hold before a record begins; it must be free of perps, whose history nobody knows."""
        universe = self._parts.settings.universe
        zeros = (0.0,) * len(universe)
        held: dict[int, float] = {}
        for venue in self._parts.venues.values():
            held.update(venue.positions(Positions(zeros, zeros)))
        if open_perps := [universe.keys[slot] for slot in universe.slots_of(PositionType.PERP) if held.get(slot)]:
            raise StateError(
                f"a new record cannot begin with open perps: {', '.join(open_perps)}.",
                code="LIVE-002",
                remedy="close them at the venue, or seed the session with the state they belong to.",
            )
        return {slot: quantity for slot, quantity in held.items() if quantity}

    def _resolve(self, left: OpenIntent) -> None:
        facts = self._parts.venues[left.intent.order.venue].resolve(left)
        if facts is None:
            raise SystemFailure(f"the fate of intent {left.intent.intent_id} at {left.intent.order.venue} is not known")
        self._note("recovery", f"intent {left.intent.intent_id} was {facts.fate}", facts.error_message)

    def _adopt(
        self, engine: EventDrivenStrategyEngine, timestamp: int, market: MarketSnapshot, state: EngineState | None
    ) -> None:
        """Book every order that the venues have executed and the state does not contain."""
        for settled in self._parts.journal.settled_after(state.operation_id if state else 0):
            order = settled.intent.order
            answer = self._parts.venues[order.venue].booked(order, settled.facts, market)
            if answer.deltas:
                engine.position_update_handler.adopt(timestamp, market, order, answer)
                self._note("recovery", f"booked operation {order.operation_id}", settled.facts.reference)

    def _compare(self, engine: EventDrivenStrategyEngine, timestamp: int, market: MarketSnapshot) -> None:
        result = engine.position_update_handler.reconcile(market)
        for delay in COMPARE_DELAYS:
            if result.success:
                return
            self._parts.clock.sleep(delay)
            result = engine.position_update_handler.reconcile(market)
        if result.success:
            return
        if result.silence:
            raise SystemFailure(f"a venue cannot be compared: {result.silence}")
        universe, snapshot = self._parts.settings.universe, engine.position_update_handler.snapshot
        equity = snapshot.exposure.equity if snapshot else 0.0
        gaps = [(universe.slot(m.position_key), m.real - m.simulated) for m in result.mismatches]
        worth = sum(abs(gap * market.value[slot]) for slot, gap in gaps)
        if worth > self._parts.drift * equity and not self._acknowledged:
            raise StateError(
                f"{result.detail} (worth {worth:,.2f} USDT, the book {equity:,.2f}).",
                code="LIVE-001",
                remedy="find out why; then start with --acknowledge to take the venues' word for it.",
            )
        deltas = tuple(_adjustment(slot, gap, market, universe) for slot, gap in gaps)
        engine.position_update_handler.adjust(timestamp, market, deltas)
        self._note(
            "recovery", "adjusted to the venues" + (" by an operator" if self._acknowledged else ""), result.detail
        )

    def _running(self) -> EventDrivenStrategyEngine:
        if self.engine is None:
            raise StateError("the session was not started.", code="LIVE-003")
        return self.engine

    def _note(self, component: str, what: str, detail: str = "", seconds: float | None = None) -> None:
        action = Action(component, str(what), detail, seconds)
        self._parts.journal.action(action)
        if self._parts.log is not None:
            self._parts.log(action)


def _adjustment(slot: int, gap: float, market: MarketSnapshot, universe: Universe) -> PositionDelta:
    """What is missing or too much, at today's price: a perp is taken over at its mark, so that only tokens are P&L."""
    if universe.instruments[slot].position_type is PositionType.PERP:
        mark = market.mark[slot]
        return PositionDelta(slot, gap, DeltaSource.TRADE, price=mark, reference_price=mark)
    return PositionDelta(slot, gap, DeltaSource.ADJUSTMENT)


class _FailingSafely:
    """Whatever goes wrong with the book ends the process with a reason (R39); only what a caller knows passes."""

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, DataGapError | StateError):
            raise SystemFailure(f"{type(error).__name__}: {error}") from error
