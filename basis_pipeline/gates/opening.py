"""Gates on capital and action: a book that was never funded or never trades proves nothing (R56, R92)."""

from __future__ import annotations

import math

import numpy as np

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.orders import OrderState
from basis_pipeline.domain.timeline import iso
from basis_pipeline.gates.columns import equal_to, integers, numbers
from basis_pipeline.gates.evidence import MonthEvidence
from basis_pipeline.gates.findings import Finding, not_applicable


def initial_capital(evidence: MonthEvidence) -> Finding:
    """The initial deltas at the first step of an opening sum to the configured capital; elsewhere there are none."""
    deltas = evidence.tables["deltas"]
    credited = equal_to(deltas, "source", DeltaSource.INITIAL)
    stamps = integers(deltas, "timestamp")[credited]
    capital = float(numbers(deltas, "delta_amount")[credited].sum())
    first = int(evidence.timestamps[0])
    expected = evidence.profile.initial_capital if evidence.opening else 0.0
    late = stamps[stamps != first]
    when = iso(int(late[0])) if late.size else iso(first)
    right = math.isclose(capital, expected, rel_tol=evidence.profile.thresholds.fold_tolerance)
    return Finding(
        violated=not right or bool(late.size) or (evidence.opening and not capital > 0.0),
        message=f"{capital:,.8g} credited as initial capital at {when}, {expected:,.8g} expected",
        value=capital,
    )


def first_loop_action(evidence: MonthEvidence) -> Finding:
    """At least one order succeeds at the first timestep of an opening."""
    if not evidence.opening:
        return not_applicable("the month continues an earlier one")
    orders = evidence.tables["orders"]
    first = int(evidence.timestamps[0])
    count = int(np.sum(equal_to(orders, "status", OrderState.SUCCESS) & (integers(orders, "timestamp") == first)))
    return _acted(evidence, count, f"{count} successful orders at {iso(first)}")


def no_order_in_month(evidence: MonthEvidence) -> Finding:
    """At least one order succeeds in the month."""
    count = int(np.sum(equal_to(evidence.tables["orders"], "status", OrderState.SUCCESS)))
    return _acted(evidence, count, f"{count} successful orders in {evidence.month}")


def _acted(evidence: MonthEvidence, count: int, message: str) -> Finding:
    """No order is a violation unless the configuration allows the mode to be flat (R56)."""
    allowed = evidence.profile.flat_start_allowed
    note = "; allow_flat_start: the mode may wait for a signal" if allowed and not count else ""
    return Finding(violated=count == 0 and not allowed, message=message + note, value=float(count))
