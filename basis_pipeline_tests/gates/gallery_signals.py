"""Defects of the gates on signals, and of a start that nobody allowed to be flat."""

from __future__ import annotations

from msgspec.structs import replace

from basis_pipeline.domain.evidence import Estimate, OutOfSampleSkill, SignalEvidence
from basis_pipeline.domain.timeline import HOUR, MINUTE, month_start
from basis_pipeline_tests.gates.defects import Defect, in_evidence
from basis_pipeline_tests.gates.exhibits import Exhibit

START = month_start("2024-01")
SKILL = OutOfSampleSkill(
    outcomes=720,
    hit_rate=Estimate(0.58, 0.54, 0.62),
    auc=Estimate(0.60, 0.56, 0.64),
    ic=Estimate(0.15, 0.08, 0.22),
    edge=Estimate(4e-4, 1e-4, 7e-4),
)
CLEAN = SignalEvidence(
    model="trees",
    digest="d",
    inputs="i",
    fingerprint="f",
    training_months=("2023-10", "2023-12"),
    rows=26_000,
    first_row=month_start("2023-10"),
    last_row=START - HOUR - 5 * MINUTE,
    last_outcome=START - 5 * MINUTE,
    first_signal=START,
    skill=SKILL,
)
"""Signals of January 2024 that no gate objects to."""


def signals(**changes: object) -> Defect:
    return in_evidence(signals=replace(CLEAN, **changes))


def signal_exhibits() -> list[Exhibit]:
    ahead = {
        "an outcome known at the first prediction": signals(last_outcome=START),
        "a label inside the month": signals(last_outcome=START + HOUR),
        "a row inside the month": signals(last_row=START + HOUR, last_outcome=START + 2 * HOUR),
        "rows after their outcomes": signals(last_row=START, last_outcome=START - HOUR),
    }
    chance = {
        "chance inside the interval": signals(skill=replace(SKILL, auc=Estimate(0.52, 0.48, 0.56))),
        "worse than chance": signals(skill=replace(SKILL, auc=Estimate(0.40, 0.36, 0.44))),
    }
    return [
        *(Exhibit("walk_forward", label, "opening", defect, "was trained on") for label, defect in ahead.items()),
        Exhibit(
            "walk_forward", "another month's signals", "opening", signals(first_signal=month_start("2024-02")), "not in"
        ),
        *(Exhibit("signal_skill", label, "opening", defect, "no skill") for label, defect in chance.items()),
        Exhibit("signal_skill", "too short to tell", "opening", signals(skill=None), "too few outcomes"),
    ]
