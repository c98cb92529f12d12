"""Collects the audit trail in memory (R27, R89); results are written from it after the run."""

from __future__ import annotations

from collections.abc import Iterable

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.events import (
    DecisionEvent,
    HealthEvent,
    OrderEvent,
    RiskEvent,
    SequencedDelta,
    SequencedResult,
    SettlementEvent,
    Severity,
    SlippageEvent,
    severity_of,
)
from basis_pipeline.domain.orders import Action, Order, OrderResult, OrderState
from basis_pipeline.domain.position_keys import Universe
from basis_pipeline.domain.records import ChainSnapshot, RiskFinding, Trigger
from basis_pipeline.domain.run_log import RunLog
from basis_pipeline.domain.state import ReportedFinding
from basis_pipeline.engine.health import HealthState
from basis_pipeline.engine.sequence import Counter

_SEVERITY_OF_HEALTH = {
    HealthState.HEALTHY: Severity.INFO,
    HealthState.NOT_READY: Severity.WARNING,
    HealthState.DEGRADED: Severity.WARNING,
    HealthState.UNKNOWN: Severity.ERROR,
    HealthState.UNHEALTHY: Severity.ERROR,
    HealthState.CRITICAL: Severity.CRITICAL,
}


class EventLogger:
    """Writes deltas, order results, commits and events to the run log in the order in which they happen."""

    def __init__(self, universe: Universe, last_sequence: int, findings: tuple[ReportedFinding, ...] = ()) -> None:
        self._universe = universe
        self._sequence = Counter(last_sequence)
        self.findings = findings
        self.log = RunLog()

    @property
    def last_sequence(self) -> int:
        return self._sequence.last

    def take(self) -> RunLog:
        """Everything recorded since this was last asked; it is forgotten here."""
        log, self.log = self.log, RunLog()
        return log

    def commit(self, snapshot: ChainSnapshot, deltas: Iterable[PositionDelta]) -> None:
        """Record a committed chain and the deltas that led to it."""
        self.log.commits.append(snapshot)
        for delta in deltas:
            self.log.deltas.append(SequencedDelta(snapshot.sequence, snapshot.timestamp, delta))
        if snapshot.trigger is Trigger.POSITION_REFRESH:
            self._risk(snapshot)

    def close_step(self) -> None:
        """The last commit becomes the record of the step; those of a plan in between are on their way, not a risk."""
        self.log.closings.append(len(self.log.commits) - 1)
        self._risk(self.log.commits[-1])

    def settlement(self, timestamp: int, kind: str, delta: PositionDelta) -> None:
        instrument = self._universe.instruments[delta.slot]
        critical = delta.source is DeltaSource.LIQUIDATION
        self.log.events.append(
            SettlementEvent(
                self._sequence.next(),
                timestamp,
                Severity.CRITICAL if critical else Severity.INFO,
                f"{kind} of {delta.amount:.8g} {instrument.token} at {instrument.key.venue}",
                kind,
                instrument.key.venue,
                delta.amount,
                str(instrument.key),
            )
        )

    def decision(self, timestamp: int, action: Action, reason: str, orders: int) -> None:
        severity = Severity.INFO if orders else Severity.WARNING
        self.log.events.append(
            DecisionEvent(self._sequence.next(), timestamp, severity, f"{action}: {reason}", action, reason, orders)
        )

    def slippage_extrapolated(self, timestamp: int, order: Order, notional: float, largest_stated: float) -> None:
        key = self._universe.keys[order.slot]
        message = f"slippage of {notional:,.0f} USD in {key} is extrapolated beyond {largest_stated:,.0f} USD"
        self.log.events.append(
            SlippageEvent(
                self._sequence.next(),
                timestamp,
                Severity.WARNING,
                message,
                order.operation_id,
                notional,
                largest_stated,
            )
        )

    def health(self, timestamp: int, component: str, state: HealthState, detail: str) -> None:
        severity = _SEVERITY_OF_HEALTH[state]
        message = f"{component}: {detail or state}"
        self.log.events.append(HealthEvent(self._sequence.next(), timestamp, severity, message, component, state))

    def order(self, sequence: int, timestamp: int, reason: str, result: OrderResult) -> None:
        self.log.orders.append(SequencedResult(sequence, timestamp, reason, result))
        if result.state is OrderState.SUCCESS:
            return
        message = result.handshake.error_message if result.handshake else "not executed"
        self.log.events.append(
            OrderEvent(
                self._sequence.next(),
                timestamp,
                Severity.ERROR,
                f"{result.order.operation} at {result.order.venue} ended as {result.state}: {message}",
                result.order.operation_id,
                result.state,
            )
        )

    def _risk(self, snapshot: ChainSnapshot) -> None:
        """Report a change of findings, not their persistence."""
        timestamp, risk = snapshot.timestamp, snapshot.risk
        if not (risk.findings or self.findings):
            return
        current = tuple(ReportedFinding(f.dimension, f.venue, int(f.level)) for f in risk.findings)
        if current == self.findings:
            return
        self.findings = current
        text = "; ".join(_describe(finding) for finding in risk.findings) or "all limits kept again"
        self.log.events.append(
            RiskEvent(self._sequence.next(), timestamp, severity_of(risk.level), text, int(risk.level), risk.findings)
        )


def _describe(finding: RiskFinding) -> str:
    where = f" at {finding.venue}" if finding.venue else ""
    return f"{finding.dimension}{where} {finding.value:.4g} (limit {finding.limit:.4g})"
