"""What a failure means: injected, so that no component asks whether it runs live (R38, R42)."""

from __future__ import annotations

from typing import Protocol

from basis_pipeline.domain.errors import BacktestError, SystemFailure
from basis_pipeline.domain.orders import OrderResult
from basis_pipeline.domain.timeline import iso


class ErrorPolicy(Protocol):
    """Decides what follows a failed order and a reconciliation that does not match.

    Attributes:
        reconcile_delays: seconds to wait before each repeated comparison; empty = never repeat.
        order_deadline: seconds from the start of an order after which no further attempt is made.
    """

    @property
    def reconcile_delays(self) -> tuple[float, ...]: ...

    @property
    def order_deadline(self) -> float: ...

    def order_failed(self, timestamp: int, result: OrderResult, completed: tuple[OrderResult, ...]) -> None:
        """Raise, or return to end the batch and let the strategy plan again on what there is."""

    def system_failure(self, timestamp: int, detail: str, completed: tuple[OrderResult, ...]) -> BaseException:
        """The failure to raise when positions stay different, or nobody can say what became of an order (R39)."""


class FailFast:
    """Backtest: one attempt, and any failure ends the run, because the planner must not emit what cannot be done."""

    reconcile_delays: tuple[float, ...] = ()
    order_deadline = float("inf")

    def order_failed(self, timestamp: int, result: OrderResult, completed: tuple[OrderResult, ...]) -> None:
        order, handshake = result.order, result.handshake
        raise BacktestError(
            f"order {order.operation_id} ({order.operation} {order.quantity:.8g} at {order.venue}) ended as "
            f"{result.state} at {iso(timestamp)} after {len(completed)} completed orders: "
            f"{handshake.error_message if handshake else 'no answer'}",
            remedy="the plan was infeasible; use error_policy: replan in an experiment to see what follows.",
        )

    def system_failure(self, timestamp: int, detail: str, completed: tuple[OrderResult, ...]) -> BaseException:
        return BacktestError(
            f"{detail} at {iso(timestamp)} after {len(completed)} completed orders.",
            code="POS-001",
            remedy="in a backtest this is a defect of a simulated venue.",
        )


class Replan(FailFast):
    """Experiments, stress and fault tests: a failed order ends the batch and its gas stays spent; the step closes."""

    def order_failed(self, timestamp: int, result: OrderResult, completed: tuple[OrderResult, ...]) -> None:
        return


class RetryWithBackoff:
    """Staging and live: compare again after 1, 2, 4 s within two minutes, then leave the process (R35, R36, R40)."""

    def __init__(self, delays: tuple[float, ...] = (1.0, 2.0, 4.0), order_deadline: float = 120.0) -> None:
        self.reconcile_delays = delays
        self.order_deadline = order_deadline

    def order_failed(self, timestamp: int, result: OrderResult, completed: tuple[OrderResult, ...]) -> None:
        return

    def system_failure(self, timestamp: int, detail: str, completed: tuple[OrderResult, ...]) -> BaseException:
        return SystemFailure(f"{detail} at {iso(timestamp)}", completed)
