"""Gates on signals: no model has seen what it predicts, and what its predictions were worth is said as it is."""

from __future__ import annotations

from basis_pipeline.domain.evidence import Estimate
from basis_pipeline.domain.timeline import HOUR, iso, month_end, month_start
from basis_pipeline.gates.evidence import MonthEvidence
from basis_pipeline.gates.findings import Finding, from_problems, not_applicable

_NO_MODEL = "no signals of a model trained here"


def walk_forward(evidence: MonthEvidence) -> Finding:
    """The last outcome a model was trained on was known before its first prediction."""
    signals = evidence.signals
    if signals is None:
        return not_applicable(_NO_MODEL)
    problems = []
    if not signals.last_row <= signals.last_outcome < signals.first_signal:
        problems.append(
            f"{signals.model} was trained on an outcome of {iso(signals.last_outcome)}, a row of "
            f"{iso(signals.last_row)}, and predicts from {iso(signals.first_signal)} on"
        )
    if not month_start(evidence.month) <= signals.first_signal < month_end(evidence.month):
        problems.append(f"the signals begin at {iso(signals.first_signal)}, not in {evidence.month}")
    ahead = (signals.first_signal - signals.last_outcome) / HOUR
    return from_problems(
        problems,
        f"{signals.rows} rows of {signals.training_months[0]} to {signals.training_months[1]}, last outcome "
        f"{iso(signals.last_outcome)}, {ahead:g} h before the first prediction",
    )


def signal_skill(evidence: MonthEvidence) -> Finding:
    """The AUC of the month's predictions is above chance with 95% confidence."""
    if evidence.signals is None:
        return not_applicable(_NO_MODEL)
    skill = evidence.signals.skill
    if skill is None:
        return Finding(violated=True, message=f"too few outcomes in {evidence.month} to tell skill from chance")
    verdict = "skill" if skill.shown else "no skill: indistinguishable from chance"
    return Finding(
        violated=not skill.shown,
        message=f"{verdict}; AUC {_told(skill.auc)}, hit rate {_told(skill.hit_rate)}, IC {_told(skill.ic)}, edge "
        f"before costs {skill.edge.value * 1e4:.1f} bp on {skill.outcomes} independent outcomes",
        value=skill.auc.value,
    )


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
