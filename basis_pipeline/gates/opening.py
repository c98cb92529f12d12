"""Gates on capital and action: a book that was never funded or never trades proves nothing (R56, R92)."""

from __future__ import annotations

import math

import numpy as np

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.orders import Operation, OrderState
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.timeline import iso
from basis_pipeline.gates.columns import equal_to, integers, numbers
from basis_pipeline.gates.evidence import MonthEvidence
from basis_pipeline.gates.findings import Finding, not_applicable

_PREPARATION = (Operation.TRANSFER, Operation.WRAP, Operation.UNWRAP)
"""Operations that change where or in what form funds are held, and earn nothing by themselves."""


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
    """At least one order succeeds at the first timestep of an opening that does more than move or wrap funds.

    While funds are in transit after that step nothing can be done with them yet, and having sent them counts. No order
    is needed where the configuration allows the mode to start flat (R56).
    """
    if not evidence.opening:
        return not_applicable("the month continues an earlier one")
    orders = evidence.tables["orders"]
    first = int(evidence.timestamps[0])
    acted = equal_to(orders, "status", OrderState.SUCCESS) & (integers(orders, "timestamp") == first)
    in_transit = list(evidence.universe.slots_of(PositionType.RECEIVABLE))
    if not evidence.quantities[0, in_transit].any():
        for operation in _PREPARATION:
            acted &= ~equal_to(orders, "operation", operation)
    count = int(acted.sum())
    allowed = evidence.profile.flat_start_allowed
    note = "; allow_flat_start: the mode may wait for a signal" if allowed and not count else ""
    return Finding(
        violated=count == 0 and not allowed,
        message=f"{count} orders that acted at {iso(first)}{note}",
        value=float(count),
    )


def orders_succeed(evidence: MonthEvidence) -> Finding:
    """No order of the month failed or was skipped."""
    orders = evidence.tables["orders"]
    stamps = integers(orders, "timestamp")[~equal_to(orders, "status", OrderState.SUCCESS)]
    first = f", the first at {iso(int(stamps[0]))}" if stamps.size else ""
    return Finding(
        violated=bool(stamps.size),
        message=f"{stamps.size} of {orders.num_rows} orders failed or were skipped{first}",
        value=float(stamps.size),
    )


def no_order_in_month(evidence: MonthEvidence) -> Finding:
    """At least one order of a directional mode succeeds in the month; of others it is told and not judged."""
    count = int(np.sum(equal_to(evidence.tables["orders"], "status", OrderState.SUCCESS)))
    directional = evidence.profile.directional
    return Finding(
        violated=directional and count == 0,
        message=f"{count} successful orders in {evidence.month}" + ("" if count or directional else ", positions held"),
        value=float(count),
    )
