"""What the risk monitor watches in a mode, within which limits, and what its gates hold it to."""

from __future__ import annotations

from msgspec.structs import replace

from basis_pipeline.config.models import DirectionalStrategy, ModeFile, StackFile
from basis_pipeline.domain.settings import Band, DeltaLimits, HealthLimits, MarginLimits, RiskLimits
from basis_pipeline.gates.evidence import GateThresholds


def risk_limits(mode: ModeFile, margin: MarginLimits | None) -> RiskLimits:
    """What the shape watches, unless the mode says what to watch."""
    enabled, strategy = mode.component_config.risk_monitor.enabled_risk_types, mode.strategy
    limits = RiskLimits(
        enabled=frozenset(strategy.risks if enabled is None else enabled),
        margin=margin,
        delta=DeltaLimits(mode.delta.warn, mode.delta.rebalance, mode.delta.breach),
        max_drawdown=mode.max_drawdown,
        funding_floor_apr=mode.funding_floor_apr,
    )
    if isinstance(strategy, DirectionalStrategy):
        cap, drift = strategy.sd_cap_bp * 1e-4, Band(strategy.drift.warn, strategy.drift.breach)
        return replace(limits, predicted_sd=cap, drift=drift)
    return _with_stack(limits, strategy) if isinstance(strategy, StackFile) else limits


def _with_stack(limits: RiskLimits, stack: StackFile) -> RiskLimits:
    return replace(
        limits,
        health=HealthLimits(
            stack.health_factor_derisk, stack.health_factor_emergency, stack.ltv_band, stack.target_ltv
        ),
        peg=Band(stack.peg_discount.warn, stack.peg_discount.breach),
        borrow=Band(stack.borrow_rate.warn, stack.borrow_rate.breach),
        reward_spike=stack.reward_spike,
    )


def gate_thresholds(mode: ModeFile, limits: RiskLimits) -> GateThresholds:
    """The limits that the mode acts on are those its months are judged by; its key `gates` states the others."""
    thresholds = GateThresholds(
        delta_warn=mode.delta.rebalance, delta_breach=mode.delta.breach, **mode.gates.model_dump()
    )
    if limits.margin is not None:
        margin = limits.margin
        thresholds = replace(thresholds, margin_derisk=margin.derisk, margin_emergency=margin.emergency)
    if isinstance(mode.strategy, StackFile):
        stack = mode.strategy
        thresholds = replace(
            thresholds, health_derisk=stack.health_factor_derisk, health_emergency=stack.health_factor_emergency
        )
    return thresholds
