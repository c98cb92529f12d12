"""The audit trail: one immutable record per thing that happened (R89). Routine numbers are in the tables instead."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from basis_pipeline.domain.deltas import PositionDelta
from basis_pipeline.domain.orders import Action, OrderResult
from basis_pipeline.domain.records import RiskFinding, RiskLevel


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class Event(msgspec.Struct, frozen=True, tag_field="event_type"):
    """Base of all events. `sequence` is global and strictly increasing, also at equal timestamps."""

    sequence: int
    timestamp: int
    severity: Severity
    message: str


class SettlementEvent(Event, frozen=True, tag="settlement"):
    """The world changed our positions: funding, liquidation, a matured transfer, a deposit or withdrawal."""

    kind: str
    venue: str
    amount: float
    position_key: str


class DecisionEvent(Event, frozen=True, tag="decision"):
    """The strategy decided on one of the five actions, or declined to plan one."""

    action: Action
    reason: str
    orders: int


class OrderEvent(Event, frozen=True, tag="order"):
    """An order came to an end."""

    operation_id: int
    state: str


class RiskEvent(Event, frozen=True, tag="risk"):
    """The risk level or the set of findings changed."""

    level: int
    findings: tuple[RiskFinding, ...]


class HealthEvent(Event, frozen=True, tag="health"):
    """A component's health changed."""

    component: str
    state: str


class SlippageEvent(Event, frozen=True, tag="slippage_extrapolated"):
    """An order is larger than the largest size its slippage was stated for; its cost is an extrapolation."""

    operation_id: int
    notional: float
    largest_stated: float


AnyEvent = SettlementEvent | DecisionEvent | OrderEvent | RiskEvent | HealthEvent | SlippageEvent


class SequencedDelta(msgspec.Struct, frozen=True, gc=False):
    """A delta as it was applied: its place in the global order and its time."""

    sequence: int
    timestamp: int
    delta: PositionDelta


class SequencedResult(msgspec.Struct, frozen=True):
    """An order result with the sequence of the commit that followed it."""

    sequence: int
    timestamp: int
    reason: str
    result: OrderResult


def severity_of(level: RiskLevel) -> Severity:
    return (Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL)[level]
