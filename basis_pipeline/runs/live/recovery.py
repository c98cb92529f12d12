"""What a start of a live session does: bring the book to where the venues are, or refuse.

A start, first or after any kind of end, is always the same::

    last state -> ask for the fate of open intents -> refuse orders that others left there -> refresh
               -> book what the state does not contain
               -> compare with the venues -> adjust a small difference on the record, refuse to trade on a large one
"""

from __future__ import annotations

from types import TracebackType

from basis_pipeline.domain.errors import DataGapError, StateError, SystemFailure, VenueError, VenueSilence
from basis_pipeline.domain.intents import OpenIntent
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus, Order, OrderResult, OrderState
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import iso
from basis_pipeline.engine.event_driven_strategy_engine import EngineConfig, EventDrivenStrategyEngine
from basis_pipeline.engine.health import HealthState
from basis_pipeline.runs.live.comparison import COMPONENT as COMPARISON
from basis_pipeline.runs.live.comparison import BookComparison
from basis_pipeline.runs.live.foreign_orders import ForeignOrders
from basis_pipeline.runs.live.parts import SessionParts
from basis_pipeline.runs.live.receipts import tell_receipts
from basis_pipeline.runs.live.record import record_tick
from basis_pipeline.runs.live.redemptions import tell_loss

FOUND = "found at a start"
"""Reason of an order that an earlier session decided on and did not live to book."""


class LiveRecovery:
    """From the journal and the venues to an engine that may tick.

    Args:
        comparison, foreign_orders: go on looking in every tick.
        seed: state of a backtest to go on from, where the journal has none yet.
    """

    def __init__(
        self,
        parts: SessionParts,
        comparison: BookComparison,
        foreign_orders: ForeignOrders,
        *,
        seed: EngineState | None,
    ) -> None:
        self._parts, self._seed = parts, seed
        self._comparison, self._foreign_orders = comparison, foreign_orders

    def run(self) -> EventDrivenStrategyEngine:
        """The engine with the book of the venues, its state saved.

        Raises:
            SystemFailure: a venue is silent, or the fate of an order is not known.
            StateError: LIVE-001 the venues hold something else than the book, LIVE-002 a new record over open perps.
            VenueRefusal: VEN-011 orders of others rest on an account.
        """
        journal, state = self._parts.journal, self._parts.journal.last_state() or self._seed
        self._parts.note(
            "session", "starting", f"from the state of {iso(state.timestamp)}" if state else "a new record"
        )
        for left in journal.open_intents():
            self._resolve(left)
        try:
            self._foreign_orders.begin()
            engine = self._engine(state)
            timestamp = self._moment(state)
            market = self._parts.feed.at(timestamp)
        except (DataGapError, VenueSilence) as error:
            raise SystemFailure(f"a session cannot start: {error}") from error
        engine.health.register(COMPARISON)
        with FailingSafely():
            engine.position_update_handler.refresh(timestamp, market)
            self._adopt(engine, timestamp, market, state)
            self._comparison.look(engine, timestamp)
        self._save(engine, timestamp)
        while (again := self._comparison.again) is not None:
            self._look_again(engine, again)
        self._comparison.acknowledged = False
        self._refuse(engine)
        return engine

    def _moment(self, state: EngineState | None) -> int:
        timestamp = self._parts.clock.wall()
        if state is not None and timestamp < state.timestamp:
            raise DataGapError(
                f"this machine's clock says {iso(timestamp)}, the last state is of {iso(state.timestamp)}."
            )
        return timestamp

    def _look_again(self, engine: EventDrivenStrategyEngine, seconds: float) -> None:
        """With a refresh of its own: what was paid meanwhile is no difference."""
        self._parts.clock.sleep(seconds)
        timestamp = self._parts.clock.wall()
        try:
            with FailingSafely():
                engine.observe(timestamp)
                self._comparison.look(engine, timestamp)
        except DataGapError as error:
            raise SystemFailure(f"a session cannot start: {error}") from error
        self._save(engine, timestamp)

    def _save(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        tell_receipts(self._parts, engine)
        engine.event_logger.close_step()
        engine.current_timestamp = timestamp
        self._parts.report(record_tick(self._parts.journal, engine, start=True))

    def _refuse(self, engine: EventDrivenStrategyEngine) -> None:
        """At a start somebody is there: what stands between the book and trading is said at once."""
        health = engine.health.health_of(COMPARISON)
        if health.state is HealthState.UNKNOWN:
            raise SystemFailure(f"a venue cannot be compared: {health.detail}")
        if health.state is not HealthState.HEALTHY:
            raise StateError(
                f"{health.detail}.",
                code="LIVE-001",
                remedy="find out why; then start with --acknowledge to take the venues' word for it.",
            )

    def _engine(self, state: EngineState | None) -> EventDrivenStrategyEngine:
        parts = self._parts
        opening = None if state else self._held()
        config = EngineConfig(parts.settings, parts.strategy, tuple(parts.venues.values()), opening)
        try:
            engine = EventDrivenStrategyEngine(
                config,
                parts.settings.execution_mode,
                parts.feed,
                parts.settings.initial_capital,
                parts.settings.share_class,
                state=state,
                clock=parts.clock,
            )
        except StateError as error:
            raise StateError(
                error.message,
                code=error.code,
                remedy="a record is of one configuration: restore it, or move the journal away to begin a new one.",
            ) from error
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
        open_still = f"the fate of intent {left.intent.intent_id} at {left.intent.order.venue} is not known"
        try:
            facts = self._parts.venues[left.intent.order.venue].resolve(left)
        except VenueError as error:
            raise SystemFailure(f"{open_still}: {error}") from error
        if facts is None:
            raise SystemFailure(open_still)
        self._parts.note("recovery", f"intent {left.intent.intent_id} was {facts.fate}", facts.error_message)

    def _adopt(
        self, engine: EventDrivenStrategyEngine, timestamp: int, market: MarketSnapshot, state: EngineState | None
    ) -> None:
        """Book and record every order that the venues have settled and the state does not contain."""
        for settled in self._parts.journal.settled_after(state.operation_id if state else 0):
            order = settled.intent.order
            answer = self._parts.venues[order.venue].booked(order, settled.facts, market)
            if answer.deltas:
                engine.position_update_handler.adopt(timestamp, market, order, answer)
                self._parts.note("recovery", f"booked operation {order.operation_id}", settled.facts.reference)
                tell_loss(self._parts, order, answer)
            engine.event_logger.order(
                engine.position_update_handler.last_sequence, timestamp, FOUND, _found(order, answer)
            )


def _found(order: Order, answer: ExecutionHandshake) -> OrderResult:
    """The result of an order that was on its way when a session ended; all of them are compared together."""
    begun = (OrderState.IDLE, OrderState.ROUTING, OrderState.EXECUTING)
    if answer.status is HandshakeStatus.CONFIRMED:
        return OrderResult(
            order, OrderState.SUCCESS, answer, trail=(*begun, OrderState.RECONCILING, OrderState.SUCCESS)
        )
    return OrderResult(order, OrderState.FAILURE, answer, trail=(*begun, OrderState.FAILURE))


class FailingSafely:
    """Whatever goes wrong with the book ends the process with a reason (R39); only what a caller knows passes."""

    def __init__(self, *passing: type[Exception]) -> None:
        self._passing: tuple[type[Exception], ...] = (DataGapError, StateError, *passing)

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, self._passing):
            raise SystemFailure(f"{type(error).__name__}: {error}") from error
