"""Gates on the books: profit is explained to the last digit, positions are the fold of their deltas."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.gates.columns import Floats, equal_to, integers, largest, numbers, positions_in, relative, smallest
from basis_pipeline.gates.evidence import EMPTIED, RESIDUAL, Ledger, MonthEvidence
from basis_pipeline.gates.findings import Finding


def attribution_closes(evidence: MonthEvidence) -> Finding:
    """Residuals vanish, categories sum to the step P&L, step P&L is the change of equity less flows.

    Judged at every step in the share class and in USD, as a fraction of the larger equity around the step, an emptied
    book as one that is just not empty; the cumulative residual as a fraction of the largest equity so far.
    """
    gaps = [
        (largest(relative(error, scale), evidence.timestamps), f"{name} in {ledger.currency}")
        for ledger in evidence.ledgers
        for name, error, scale in _gaps(ledger)
    ]
    worst, name = max(gaps, key=lambda gap: gap[0].value)
    return Finding(
        violated=worst.value > evidence.profile.thresholds.closing_tolerance,
        message=f"largest gap as a fraction of equity: {name}, {worst}",
        value=worst.value,
    )


def _gaps(ledger: Ledger) -> Iterator[tuple[str, Floats, Floats]]:
    """(what should be zero, by how much it is not, what that is measured against)."""
    around = np.maximum(np.abs(ledger.equity), np.abs(ledger.equity_before))
    scale = np.maximum(around, EMPTIED * ledger.peak)
    residual = ledger.attribution[:, RESIDUAL]
    yield "step residual", residual, scale
    yield "cumulative residual", ledger.residual_before + np.cumsum(residual), ledger.peak
    yield "sum of categories less step P&L", ledger.attribution.sum(axis=1) - ledger.step, scale
    yield "change of equity less flow and step P&L", _profit(ledger) - ledger.step, scale


def _profit(ledger: Ledger) -> Floats:
    return ledger.equity - ledger.equity_before - ledger.flow


def positions_fold(evidence: MonthEvidence) -> Finding:
    """Opening quantities plus all deltas so far are the positions at every step."""
    folded = evidence.opening_quantities + np.cumsum(step_changes(evidence), axis=0)
    return _compare(evidence, folded, evidence.quantities, evidence.profile.thresholds.fold_tolerance)


def step_changes(evidence: MonthEvidence, source: DeltaSource | None = None) -> Floats:
    """Sum of the deltas (of one source) of every step by slot.

    One after the last closing record makes that slot's last change NaN.
    """
    deltas = evidence.tables["deltas"]
    if source is not None:
        deltas = deltas.filter(equal_to(deltas, "source", source))
    changes = np.zeros((len(evidence.timestamps) + 1, len(evidence.universe)))
    rows = np.searchsorted(evidence.timestamps, integers(deltas, "timestamp"))
    slots = positions_in(evidence.universe.keys, deltas, "position_key")
    np.add.at(changes, (rows, slots), numbers(deltas, "delta_amount"))
    touched = np.unique(slots[rows == len(evidence.timestamps)])
    changes[-2, touched] = np.nan
    return changes[:-1]


def quantity_scale(evidence: MonthEvidence) -> Floats:
    """By slot the largest quantity held or moved in the month: what rounding in it is measured against.

    Every delta counts by itself: capital that comes in and is supplied within one step nets to rounding of its size.
    """
    held = np.vstack([evidence.opening_quantities, evidence.quantities])
    scale = np.asarray(np.nanmax(np.abs(held), axis=0))
    deltas = evidence.tables["deltas"]
    slots = positions_in(evidence.universe.keys, deltas, "position_key")
    np.fmax.at(scale, slots, np.abs(numbers(deltas, "delta_amount")))
    return scale


def _compare(evidence: MonthEvidence, folded: Floats, found: Floats, tolerance: float) -> Finding:
    errors = relative(folded - found, quantity_scale(evidence))
    slot = int(np.argmax(errors.max(axis=0)))
    worst = largest(errors[:, slot], evidence.timestamps)
    row = int(np.searchsorted(evidence.timestamps, worst.timestamp))
    return Finding(
        violated=worst.value > tolerance,
        message=f"largest gap of {evidence.universe.keys[slot]} as a fraction of its scale: {worst}"
        f" (folded {folded[row, slot]:.12g}, found {found[row, slot]:.12g})",
        value=worst.value,
    )


def no_negative_quantity(evidence: MonthEvidence) -> Finding:
    """Everything but a perp is owned or owed, so its stored quantity is never below zero."""
    slots = evidence.universe.slots_of(*(kind for kind in PositionType if kind is not PositionType.PERP))
    lowest, key = min(
        (smallest(evidence.quantities[:, slot], evidence.timestamps), evidence.universe.keys[slot]) for slot in slots
    )
    return Finding(violated=lowest.value < 0.0, message=f"lowest quantity, {key}: {lowest}", value=lowest.value)
