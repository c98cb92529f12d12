"""Risk that only books with a model have: how wide its forecast is, whether it still speaks as in training (R76)."""

from __future__ import annotations

from collections.abc import Iterator

from basis_pipeline.domain.market import Signal
from basis_pipeline.domain.records import RiskFinding, RiskLevel
from basis_pipeline.domain.settings import RiskLimits, RiskType
from basis_pipeline.engine.limits import above


class SignalRisk:
    """Wired once per engine; a limit of a risk type that is not enabled is never looked at."""

    def __init__(self, limits: RiskLimits) -> None:
        self._largest_sd = limits.predicted_sd if RiskType.PREDICTED_SD in limits.enabled else None
        self._drift = limits.drift if RiskType.MODEL_DRIFT in limits.enabled else None

    def findings(self, signal: Signal) -> Iterator[RiskFinding]:
        """A forecast wider than the cap is a warning: its stop is nearer than it asks for. Drift has its own band."""
        if self._largest_sd is not None and signal.sd > self._largest_sd:
            yield RiskFinding("predicted_sd", RiskLevel.WARNING, signal.sd, self._largest_sd)
        if drifted := above("model_drift", signal.drift, self._drift):
            yield drifted
