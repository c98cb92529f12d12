"""The tight loop: one order at a time through routing, execution and reconciliation (R4-R6, R11, R13, R16).

It orchestrates and never reconciles, changes positions, or talks to a venue's API itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import (
    TRANSITIONS,
    HandshakeStatus,
    Order,
    OrderResult,
    OrderState,
    ReconciliationResult,
)
from basis_pipeline.domain.protocols import Clock
from basis_pipeline.engine.error_policy import ErrorPolicy
from basis_pipeline.engine.event_logger import EventLogger
from basis_pipeline.engine.health import HealthManager, HealthState
from basis_pipeline.engine.position_monitor import PositionMonitor
from basis_pipeline.engine.position_update_handler import PositionUpdateHandler
from basis_pipeline.engine.venue_interface_manager import VenueInterfaceManager


class OrderLifecycle:
    """The states one order goes through; a transition that R11 does not allow is a defect and raises."""

    def __init__(self) -> None:
        self.trail = [OrderState.IDLE]

    @property
    def state(self) -> OrderState:
        return self.trail[-1]

    def to(self, state: OrderState) -> None:
        if state not in TRANSITIONS.get(self.state, frozenset()):
            raise AssertionError(f"order state {self.state} cannot become {state}")
        self.trail.append(state)


class ExecutionManager:
    """Works through a plan; after a failed order, or when health forbids more, the rest is SKIPPED."""

    def __init__(
        self,
        venues: VenueInterfaceManager,
        position_update_handler: PositionUpdateHandler,
        position_monitor: PositionMonitor,
        event_logger: EventLogger,
        *,
        clock: Clock,
        error_policy: ErrorPolicy,
        health: HealthManager,
    ) -> None:
        self._venues = venues
        self._position_update_handler = position_update_handler
        self._position_monitor = position_monitor
        self._event_logger = event_logger
        self._clock = clock
        self._policy = error_policy
        self._health = health

    def process_orders(
        self, timestamp: int, orders: Sequence[Order], market: MarketSnapshot, reason: str = ""
    ) -> tuple[OrderResult, ...]:
        """Execute `orders` in sequence; one result per order, in the same order.

        Raises:
            BacktestError: an order failed or did not reconcile under FailFast.
            SystemFailure: reconciliation stayed open under RetryWithBackoff; carries the completed results.
        """
        results: list[OrderResult] = []
        for position, order in enumerate(orders):
            if not self._health.may_execute:
                results.extend(self._skip(timestamp, orders[position:], reason))
                break
            result = self._process(timestamp, order, market, tuple(results))
            results.append(result)
            self._event_logger.order(self._position_update_handler.last_sequence, timestamp, reason, result)
            if not result.success:
                self._policy.order_failed(timestamp, result, tuple(results[:-1]))
                results.extend(self._skip(timestamp, orders[position + 1 :], reason))
                break
        return tuple(results)

    def _process(
        self, timestamp: int, order: Order, market: MarketSnapshot, completed: tuple[OrderResult, ...]
    ) -> OrderResult:
        lifecycle = OrderLifecycle()
        started = self._clock.now()
        lifecycle.to(OrderState.ROUTING)
        venue = self._venues.route_to_venue(order)
        routed = self._clock.now()
        lifecycle.to(OrderState.EXECUTING)
        handshake = venue.execute(order, self._position_monitor.get_current_positions(), market)
        answered = self._clock.now()
        if handshake.status is HandshakeStatus.PENDING:
            unknown = f"the fate of operation {order.operation_id} at {order.venue} is not known: "
            raise self._system_failure(timestamp, lifecycle, unknown + handshake.error_message, completed)
        if handshake.status is not HandshakeStatus.CONFIRMED:
            if handshake.deltas:
                spent = self._position_update_handler.update_state(timestamp, market, order, handshake)
                if not spent.success:
                    raise self._system_failure(timestamp, lifecycle, spent.detail, completed)
            self._event_logger.log.moments.orders.append((started, routed, answered))
            lifecycle.to(OrderState.FAILURE)
            return OrderResult(order, lifecycle.state, handshake, None, tuple(lifecycle.trail))
        lifecycle.to(OrderState.RECONCILING)
        reconciliation = self._position_update_handler.update_state(timestamp, market, order, handshake)
        if not reconciliation.success:
            reconciliation = self._reconcile_again(started, market, lifecycle, reconciliation)
            if not reconciliation.success:
                raise self._system_failure(timestamp, lifecycle, reconciliation.detail, completed)
            self._position_update_handler.complete(timestamp, market, order, handshake)
        self._event_logger.log.moments.orders.append((started, routed, answered, self._clock.now()))
        lifecycle.to(OrderState.SUCCESS)
        return OrderResult(order, lifecycle.state, handshake, reconciliation, tuple(lifecycle.trail))

    def _reconcile_again(
        self, started: float, market: MarketSnapshot, lifecycle: OrderLifecycle, result: ReconciliationResult
    ) -> ReconciliationResult:
        """Compare again after each delay, before the deadline; deltas are never applied a second time."""
        for attempt, delay in enumerate(self._policy.reconcile_delays, start=2):
            if self._clock.now() + delay - started > self._policy.order_deadline:
                break
            lifecycle.to(OrderState.RETRY)
            self._clock.sleep(delay)
            lifecycle.to(OrderState.RECONCILING)
            result = self._position_update_handler.reconcile(market, attempt)
            if result.success:
                break
        return result

    def _system_failure(
        self,
        timestamp: int,
        lifecycle: OrderLifecycle,
        detail: str,
        completed: tuple[OrderResult, ...],
    ) -> BaseException:
        lifecycle.to(OrderState.SYSTEM_FAILURE)
        self._health.report("execution_manager", HealthState.CRITICAL, timestamp, detail)
        return self._policy.system_failure(timestamp, detail, completed)

    def _skip(self, timestamp: int, orders: Sequence[Order], reason: str) -> list[OrderResult]:
        skipped = [
            OrderResult(order, OrderState.SKIPPED, trail=(OrderState.IDLE, OrderState.SKIPPED)) for order in orders
        ]
        for result in skipped:
            self._event_logger.order(self._position_update_handler.last_sequence, timestamp, reason, result)
        return skipped
