"""One value against a band of limits."""

from __future__ import annotations

from basis_pipeline.domain.records import RiskFinding, RiskLevel
from basis_pipeline.domain.settings import Band


def above(dimension: str, value: float | None, band: Band | None, *, sign: float = 1.0) -> RiskFinding | None:
    """The finding where `value` is above `band`; it is told with `sign`, for dimensions whose bad side is negative."""
    if value is None or band is None or value <= band.warn:
        return None
    level, limit = (RiskLevel.BREACH, band.breach) if value > band.breach else (RiskLevel.WARNING, band.warn)
    return RiskFinding(dimension, level, sign * value, sign * limit)
