"""What a gate is, and what one gate says of one month."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from basis_pipeline.domain.evidence import GateDescription, GateResult, GateSeverity, GateStatus
from basis_pipeline.gates.evidence import CONFIGURED_BY, GateThresholds, MonthEvidence


class Finding(msgspec.Struct, frozen=True):
    """The judgement of one gate.

    Attributes:
        violated: the month is not as the gate demands.
        message: what was found, naming the worst timestamp where there is one.
        value: the number judged, None where there is none.
    """

    violated: bool
    message: str
    value: float | None = None


OFF_THE_MARKET = Finding(violated=True, message="the closing records are not at the steps of the market data")
"""Nothing can be held against a market of other timestamps; `chain_integrity` says which records are wrong."""


def not_applicable(reason: str) -> Finding:
    return Finding(violated=False, message=f"does not apply: {reason}")


def from_problems(problems: list[str], otherwise: str) -> Finding:
    """Violated if there is any problem: the first is told in full, the rest are counted in `value`."""
    if not problems:
        return Finding(violated=False, message=otherwise, value=0.0)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return Finding(violated=True, message=problems[0] + more, value=float(len(problems)))


class Gate(GateDescription, frozen=True, kw_only=True):
    """A gate that can judge; `configured` are fields of GateThresholds until it is described.

    Attributes:
        check: the judgement, a pure function of the evidence.
        experiment_severity: severity in an experiment where it differs from the standing record.
    """

    check: Callable[[MonthEvidence], Finding]
    experiment_severity: GateSeverity | None = None

    def described(self, thresholds: GateThresholds) -> GateDescription:
        """The declaration alone, with the numbers of `thresholds` in its threshold."""
        declared = {name: getattr(self, name) for name in GateDescription.__struct_fields__}
        where = tuple(CONFIGURED_BY[field] for field in self.configured if field in CONFIGURED_BY)
        return GateDescription(**declared | {"threshold": self._threshold(thresholds), "configured": where})

    def evaluate(self, evidence: MonthEvidence) -> GateResult:
        """Judge one month; what the check finds is weighed by the severity that applies to it."""
        finding = self.check(evidence)
        severity = (self.experiment_severity if evidence.experiment else None) or self.severity
        violated = GateStatus.FAILED if severity is GateSeverity.ERROR else GateStatus.WARNED
        return GateResult(
            gate=self.name,
            severity=severity,
            status=violated if finding.violated else GateStatus.PASSED,
            value=finding.value,
            threshold=self._threshold(evidence.profile.thresholds),
            message=finding.message,
        )

    def _threshold(self, thresholds: GateThresholds) -> str:
        return self.threshold.format(**msgspec.structs.asdict(thresholds))
