"""Wraps any venue and makes it misbehave on purpose, for tests and drills.

Each fault proves that one check is no tautology: what it does must be noticed by reconciliation, by the position
monitor, or by the error policy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from basis_pipeline.domain.deltas import PositionDelta
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus, Operation, Order
from basis_pipeline.domain.protocols import SettlementKind, Venue
from basis_pipeline.domain.records import Positions

Distort = Callable[[ExecutionHandshake], ExecutionHandshake]


class FaultyVenue:
    """A venue whose n-th answers are distorted, or whose reported balances drift.

    Args:
        venue: the real one.
        answers: by number of the `execute` call (1-based), how its handshake is changed.
        drift: slot -> amount added to what `positions` reports, for the first `drift_calls` calls.
    """

    def __init__(
        self,
        venue: Venue,
        *,
        answers: Mapping[int, Distort] | None = None,
        drift: Mapping[int, float] | None = None,
        drift_calls: int = 1_000_000,
    ) -> None:
        self._venue = venue
        self._answers = answers or {}
        self._drift = drift or {}
        self._drift_calls = drift_calls
        self.execute_calls = 0
        self.position_calls = 0

    @property
    def name(self) -> str:
        return self._venue.name

    @property
    def operations(self) -> frozenset[Operation]:
        return self._venue.operations

    @property
    def settles(self) -> frozenset[SettlementKind]:
        return self._venue.settles

    def execute(self, order: Order, positions: Positions, market: MarketSnapshot) -> ExecutionHandshake:
        self.execute_calls += 1
        handshake = self._venue.execute(order, positions, market)
        distort = self._answers.get(self.execute_calls)
        return distort(handshake) if distort else handshake

    def positions(self, expected: Positions) -> Mapping[int, float]:
        self.position_calls += 1
        real = dict(self._venue.positions(expected))
        if self.position_calls <= self._drift_calls:
            for slot, amount in self._drift.items():
                real[slot] += amount
        return real

    def settle(self, kind: SettlementKind, positions: Positions, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        return self._venue.settle(kind, positions, market)


def reject(handshake: ExecutionHandshake) -> ExecutionHandshake:
    """The venue says no."""
    return ExecutionHandshake(
        operation_id=handshake.operation_id,
        status=HandshakeStatus.FAILED,
        error_code="VEN-003",
        error_message="rejected by fault injection",
        submitted_at=handshake.submitted_at,
    )


def keep_silent(handshake: ExecutionHandshake) -> ExecutionHandshake:
    """The venue took the order and nobody can say what became of it."""
    return ExecutionHandshake(
        operation_id=handshake.operation_id,
        status=HandshakeStatus.PENDING,
        error_code="VEN-004",
        error_message="no answer until the deadline",
        submitted_at=handshake.submitted_at,
    )


def hide_fee(handshake: ExecutionHandshake) -> ExecutionHandshake:
    """The venue takes a fee and does not say so."""
    return replace(handshake, fee=0.0)


def lose_leg(handshake: ExecutionHandshake) -> ExecutionHandshake:
    """One leg of the fill is missing from the answer."""
    return replace(handshake, deltas=handshake.deltas[:1])


def repeat(handshake: ExecutionHandshake) -> ExecutionHandshake:
    """The answer of the operation before this one arrives a second time."""
    return replace(handshake, operation_id=handshake.operation_id - 1)


def overdraw(handshake: ExecutionHandshake) -> ExecutionHandshake:
    """Far more is taken from us than was agreed."""
    worst = min(handshake.deltas, key=lambda delta: delta.amount)
    return replace(
        handshake,
        deltas=tuple(replace(d, amount=d.amount * 1e6) if d is worst else d for d in handshake.deltas),
    )
