"""What is done about a breached limit short of leaving the market: margin, delta and leverage back into their bands."""

from __future__ import annotations

from basis_pipeline.domain.orders import Action
from basis_pipeline.domain.records import ChainSnapshot, RiskFinding, RiskLevel
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.state import StrategyState
from basis_pipeline.engine.steering.decisions import Intent
from basis_pipeline.engine.steering.intents import Intents
from basis_pipeline.engine.steering.levelling import level_margins
from basis_pipeline.engine.steering.restraint import mended_by_resizing

EMERGENCY_MARGIN = 1.25
"""An emergency restores this multiple of m0 instead of m0 itself."""

REDUCED_EXPOSURE = 0.5
"""Of its full size a pair keeps while its funding is below the floor; all of it again once funding is received."""


def mend(settings: EngineSettings, snapshot: ChainSnapshot, state: StrategyState, intents: Intents) -> Intent | None:
    """The answer to the first finding, worst first, that a smaller book mends; None where there is none."""
    for finding in snapshot.risk.findings:
        if finding.level < RiskLevel.BREACH:
            continue
        if finding.dimension == "margin_ratio":
            return _restore_margin(settings, snapshot, state, intents, finding)
        if reason := mended_by_resizing(finding):
            return intents.resize(snapshot, state, Action.EXIT_PARTIAL, reason)
        if finding.dimension == "funding_apr" and state.exposure == 1.0:
            reason = f"funding {finding.value:.2%} a year over seven days, below {finding.limit:.2%}"
            return intents.resize(snapshot, state, Action.EXIT_PARTIAL, reason, exposure=REDUCED_EXPOSURE)
    return None


def _restore_margin(
    settings: EngineSettings, snapshot: ChainSnapshot, state: StrategyState, intents: Intents, finding: RiskFinding
) -> Intent:
    """Cash from the other venues if that is enough, else a smaller book; an emergency sells at once."""
    reason = f"margin ratio {finding.value:.4f} at {finding.venue} below {finding.limit:g}"
    if finding.level is RiskLevel.CRITICAL:
        return intents.resize(
            snapshot,
            state,
            Action.EXIT_PARTIAL,
            f"emergency, {reason}",
            margin_multiple=EMERGENCY_MARGIN,
            urgent=True,
        )
    if levelled := level_margins(settings, snapshot):
        return Intent(Action.EXIT_PARTIAL, f"{reason}, level venues", levelled, exposure=state.exposure)
    return intents.resize(snapshot, state, Action.EXIT_PARTIAL, reason)
