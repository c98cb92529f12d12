"""Redemptions in a session: claimed as soon as their issuer pays, told where it pays less, or does not.

What is claimed was ordered days ago, so no strategy decides about it: a claim goes out before a tick's own decision,
where trading is allowed at all, and like every order it is journalled, found after a crash and booked from its receipt.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from basis_pipeline.domain.errors import VenueError
from basis_pipeline.domain.orders import Action, ExecutionHandshake, Operation, Order
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.timeline import DAY, HOUR, iso
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.engine.health import HealthState
from basis_pipeline.runs.live.parts import Alert, SessionParts

COMPONENT = "redemptions"
REASON = "the redemption queue pays"
LATE = 2
"""Times the days that the venue's file gives a redemption, after which it is overdue."""


class QueueAnswer(Protocol):
    """What a queue says: ETH ready to be claimed, requests that wait, receipts that this record did not ask for."""

    @property
    def ready(self) -> float: ...

    @property
    def waiting(self) -> int: ...

    @property
    def strange(self) -> int: ...


@runtime_checkable
class QueueVenue(Protocol):
    """A venue that redeems through a queue."""

    def queue(self) -> QueueAnswer | None:
        """None where this book redeems nothing here. Raises VenueError."""


def leaves_by_queue(settings: EngineSettings) -> bool:
    return settings.stack is not None and settings.stack.queues


def tell_loss(parts: SessionParts, order: Order, answer: ExecutionHandshake) -> None:
    """People are told of a claim, also one that a start has found, that was paid less than it was promised."""
    if order.operation is not Operation.CLAIM or not answer.fee:
        return
    less = f"{answer.fee:,.2f} USDT less than the {order.quantity:.10g} ETH that it had promised"
    message = f"[CHAIN-008] {order.venue} has paid {less}: staked ETH was slashed, or its rate fell, meanwhile."
    parts.alert(COMPONENT, Alert("redemption paid less", message, "none: it is booked as a cost."))


class Redemptions:
    """Looks once per tick; does nothing for books that leave by the pool."""

    def __init__(self, parts: SessionParts) -> None:
        self._parts, stack = parts, parts.settings.stack
        self._venue = stack.staking if stack is not None and stack.queues else ""
        found: object = parts.venues.get(self._venue)
        self._queue = found if isinstance(found, QueueVenue) else None
        self._again = self._told_at = 0

    def look(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        """Claim what is ready, and say in the health of the component how it stands."""
        if self._queue is None:
            return
        try:
            answer = self._queue.queue()
        except VenueError as silence:
            engine.health.report(COMPONENT, HealthState.DEGRADED, timestamp, str(silence))
            return
        if answer is None:
            return
        if answer.ready and engine.health.may_execute and timestamp >= self._again:
            self._claim(engine, timestamp, answer.ready)
        self._report(engine, timestamp, answer)

    def _claim(self, engine: EventDrivenStrategyEngine, timestamp: int, ready: float) -> None:
        """One order; one that failed is tried again after an hour: what refused it will hardly have gone before."""
        order = self._order(engine, ready)
        engine.event_logger.decision(timestamp, order.action, REASON, 1)
        market = engine.position_update_handler.latest.market
        (result,) = engine.execution_manager.process_orders(timestamp, (order,), market, REASON)
        self._again = 0 if result.success else timestamp + HOUR
        if result.handshake is not None:
            tell_loss(self._parts, order, result.handshake)

    def _order(self, engine: EventDrivenStrategyEngine, quantity: float) -> Order:
        settings = self._parts.settings
        eth = settings.universe.slot("wallet:BaseToken:ETH")
        return Order(
            venue=self._venue,
            operation=Operation.CLAIM,
            slot=settings.receivables[eth],
            counter_slot=eth,
            quantity=quantity,
            action=Action.EXIT_PARTIAL,
            operation_id=engine.strategy_manager.operations.next(),
        )

    def _report(self, engine: EventDrivenStrategyEngine, timestamp: int, answer: QueueAnswer) -> None:
        waiting = sum(arrival.quantity for arrival in engine.settlements.arrivals)
        said = [f"{waiting:.10g} ETH wait in {answer.waiting} requests at {self._venue}"] if answer.waiting else []
        wrong = [line for line in (self._strange(answer), self._overdue(engine, timestamp)) if line]
        state = HealthState.DEGRADED if wrong else HealthState.HEALTHY
        engine.health.report(COMPONENT, state, timestamp, "; ".join(said + wrong))
        if wrong and timestamp - self._told_at >= DAY:
            self._told_at = timestamp
            remedy = "look the requests up at the issuer; go on with the journal that made them, or claim them by hand."
            for line in wrong:
                self._parts.alert(COMPONENT, Alert("redemption waits", line, remedy))

    def _strange(self, answer: QueueAnswer) -> str:
        """In words, if the executor holds requests that the book has nowhere: of another record, or invalid."""
        if answer.strange <= 0:
            return ""
        return (
            f"[CHAIN-007] the executor holds {answer.strange} receipts of {self._venue} that this record does not count"
        )

    def _overdue(self, engine: EventDrivenStrategyEngine, timestamp: int) -> str:
        """In words, if the oldest redemption waits longer than the venue's file lets it expect."""
        delay = self._parts.settings.rules_of(self._venue).redemption_delay
        due = min((arrival.due for arrival in engine.settlements.arrivals), default=timestamp)
        if timestamp - due <= (LATE - 1) * delay:
            return ""
        return (
            f"[CHAIN-007] a redemption at {self._venue} was expected at {iso(due)}, {delay / DAY:g} days after it was "
            "asked for, and is not paid yet"
        )
