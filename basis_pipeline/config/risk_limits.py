"""What the risk monitor watches in a mode, and within which limits (domain E7)."""

from __future__ import annotations

from msgspec.structs import replace

from basis_pipeline.config.models import ModeFile, StackFile
from basis_pipeline.domain.settings import Band, DeltaLimits, HealthLimits, MarginLimits, RiskLimits, RiskType

_STACK_RISKS = (
    RiskType.HEALTH_FACTOR,
    RiskType.LOAN_TO_VALUE,
    RiskType.PEG_DISCOUNT,
    RiskType.BORROW_RATE,
    RiskType.REWARDS,
    RiskType.DRAWDOWN,
)
_PAIR_RISKS = (RiskType.CEX_MARGIN_RATIO, RiskType.DELTA, RiskType.FUNDING, RiskType.DRAWDOWN)
_SHAPE_RISKS = {
    "lending": (RiskType.DRAWDOWN,),
    "basis": _PAIR_RISKS,
    "staking": _STACK_RISKS,
    "hedged_staking": (*_PAIR_RISKS, *_STACK_RISKS),
    "directional": (RiskType.CEX_MARGIN_RATIO, RiskType.DRAWDOWN),
}


def risk_limits(mode: ModeFile, margin: MarginLimits | None) -> RiskLimits:
    """What the shape watches, unless the mode says what to watch."""
    enabled, strategy = mode.component_config.risk_monitor.enabled_risk_types, mode.strategy
    limits = RiskLimits(
        enabled=frozenset(_SHAPE_RISKS[strategy.shape] if enabled is None else enabled),
        margin=margin,
        delta=DeltaLimits(mode.delta.warn, mode.delta.rebalance, mode.delta.breach),
        max_drawdown=mode.max_drawdown,
        funding_floor_apr=mode.funding_floor_apr,
    )
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
