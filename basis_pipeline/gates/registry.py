"""The registry of quality gates on months: every gate once, in the order in which they are judged and reported.

A month with a failed gate of severity ERROR is not published; a violated WARN gate is shown beside the month. To add a
gate write one function over MonthEvidence, declare it in `declared_books` or `declared_markets`, and plant its defect
in the gallery of the tests. Gates on market data are declared where they are computed (`market_data.gates`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from basis_pipeline.domain.evidence import GateDescription, GateResult, GateStatus
from basis_pipeline.gates.declared_books import BOOK_GATES
from basis_pipeline.gates.declared_live import LIVE_GATES
from basis_pipeline.gates.declared_markets import MARKET_GATES
from basis_pipeline.gates.evidence import GateThresholds, MonthEvidence
from basis_pipeline.gates.findings import Gate

GATES: tuple[Gate, ...] = (*BOOK_GATES, *MARKET_GATES)


class Summary(NamedTuple):
    """How many gates passed, warned and failed."""

    passed: int
    warned: int
    failed: int


GATES_OF_ONE_PASS = tuple(gate for gate in GATES if gate.name != "determinism_digest")
"""What a month can be held to that was simulated once, as the points of a sweep are."""


def evaluate(evidence: MonthEvidence, gates: Iterable[Gate] = GATES) -> tuple[GateResult, ...]:
    """The verdict of every one of `gates` on one month, in the order of the registry."""
    return tuple(gate.evaluate(evidence) for gate in gates)


def first_failure(results: Iterable[GateResult]) -> GateResult | None:
    """The first result that keeps a month from being published."""
    return next((result for result in results if result.status is GateStatus.FAILED), None)


def summary(results: Iterable[GateResult]) -> Summary:
    statuses = [result.status for result in results]
    return Summary(*(statuses.count(status) for status in GateStatus))


def describe(thresholds: GateThresholds | None = None, gates: Iterable[Gate] = GATES) -> list[GateDescription]:
    """All of `gates` in words, with the numbers of `thresholds` (default: those of GateThresholds) filled in."""
    return [gate.described(thresholds or GateThresholds()) for gate in gates]


def describe_live() -> list[GateDescription]:
    """All gates on months of live records in words."""
    return describe(gates=LIVE_GATES)
