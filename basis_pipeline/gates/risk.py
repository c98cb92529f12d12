"""Gates on risk: liquidation, delta, margin and health factor, judged on closing records.

What commits between closings reached is told in the message and not judged: a plan may pass through worse states.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.timeline import iso
from basis_pipeline.gates.columns import (
    Extreme,
    Floats,
    Ints,
    equal_to,
    integers,
    largest,
    numbers,
    present,
    relative,
    smallest,
)
from basis_pipeline.gates.evidence import MonthEvidence
from basis_pipeline.gates.findings import Finding, not_applicable


def liquidation(evidence: MonthEvidence) -> Finding:
    """No venue liquidated any part of the book."""
    deltas = evidence.tables["deltas"]
    forced = np.flatnonzero(equal_to(deltas, "source", DeltaSource.LIQUIDATION))
    if not forced.size:
        return Finding(violated=False, message="no liquidation", value=0.0)
    first = deltas.slice(int(forced[0]), 1)
    key, stamp = first["position_key"][0].as_py(), int(integers(first, "timestamp")[0])
    times = len(np.unique(integers(deltas, "timestamp")[forced]))
    return Finding(
        violated=True,
        message=f"liquidated at {times} timesteps, first {key} at {iso(stamp)}",
        value=float(times),
    )


def delta_band(evidence: MonthEvidence) -> Finding:
    """|delta| / equity stays below the breach level."""
    return _delta(evidence, evidence.profile.thresholds.delta_breach)


def delta_drift(evidence: MonthEvidence) -> Finding:
    """|delta| / equity stays below the level worth a look."""
    return _delta(evidence, evidence.profile.thresholds.delta_warn)


def _delta(evidence: MonthEvidence, limit: float) -> Finding:
    if not evidence.profile.market_neutral:
        return not_applicable("the mode is directional")
    steps = evidence.tables["timesteps"]
    column = "excess_delta_usd" if evidence.profile.coin_share_class else "net_delta_usd"
    worst = largest(relative(numbers(steps, column), numbers(steps, "equity_usd")), evidence.timestamps)
    between = _over_all_commits(evidence, "delta_drift", largest)
    return Finding(
        violated=worst.value > limit,
        message=f"largest |delta| / equity: {worst}{between}",
        value=worst.value,
    )


def margin_floor(evidence: MonthEvidence) -> Finding:
    """The margin ratio of every venue stays above the emergency level."""
    return _floor(evidence, "margin_ratio", evidence.profile.thresholds.margin_emergency)


def margin_derisk(evidence: MonthEvidence) -> Finding:
    """The margin ratio of every venue stays above the level at which the mode derisks."""
    return _floor(evidence, "margin_ratio", evidence.profile.thresholds.margin_derisk)


def health_factor_floor(evidence: MonthEvidence) -> Finding:
    """The health factor stays above the emergency level."""
    return _floor(evidence, "health_factor", evidence.profile.thresholds.health_emergency)


def health_factor_derisk(evidence: MonthEvidence) -> Finding:
    """The health factor stays above the level at which the mode derisks."""
    return _floor(evidence, "health_factor", evidence.profile.thresholds.health_derisk)


def _floor(evidence: MonthEvidence, dimension: str, floor: float) -> Finding:
    steps, name = evidence.tables["timesteps"], dimension.replace("_", " ")
    rows = present(steps, f"min_{dimension}")
    if not rows.any():
        return not_applicable(f"no position has a {name}")
    worst = smallest(numbers(steps, f"min_{dimension}")[rows], evidence.timestamps[rows])
    between = _over_all_commits(evidence, dimension, smallest)
    return Finding(violated=worst.value < floor, message=f"lowest {name}: {worst}{between}", value=worst.value)


def _over_all_commits(evidence: MonthEvidence, dimension: str, extreme: Callable[[Floats, Ints], Extreme]) -> str:
    """What the commits reached, those between closings included; empty where the dimension never applied."""
    risk = evidence.tables["risk"]
    rows = equal_to(risk, "dimension", dimension) & present(risk, "value")
    if not rows.any():
        return ""
    return f"; over all commits {extreme(numbers(risk, 'value')[rows], integers(risk, 'timestamp')[rows])}"
