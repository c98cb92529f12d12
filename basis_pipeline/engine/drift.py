"""What the strategy manager looks at to find out that a book has drifted, or that nothing may be entered now."""

from __future__ import annotations

from basis_pipeline.domain.protocols import Hedge
from basis_pipeline.domain.records import ChainSnapshot, RiskLevel
from basis_pipeline.domain.settings import EngineSettings, SteeringLimits
from basis_pipeline.domain.state import StrategyState

_SUSPENDING = {
    "peg_discount": "staked tokens sell at a discount of {value:.2%}",
    "borrow_apr": "borrowing costs {value:.2%} a year",
}
"""Breaches in which nothing is entered. Nothing is sold for them either: a sale would make the discount a loss, and
whether dear debt is worth repaying is a matter of carry, not of one day."""


def suspension(snapshot: ChainSnapshot) -> str:
    """Why nothing may be entered at the moment; empty if it may."""
    if snapshot.risk.level < RiskLevel.BREACH:
        return ""
    for finding in snapshot.risk.findings:
        if finding.level >= RiskLevel.BREACH and finding.dimension in _SUSPENDING:
            return _SUSPENDING[finding.dimension].format(value=abs(finding.value))
    return ""


def idle_cash(settings: EngineSettings, snapshot: ChainSnapshot) -> float:
    """USDT in the wallet beyond the reserve."""
    slot = settings.capital_slot
    free = snapshot.positions.quantities[slot] * snapshot.market.value[slot]
    return free - settings.reserve_fraction * snapshot.exposure.equity


def leg_drift(hedge: Hedge, snapshot: ChainSnapshot) -> float:
    """| |long| - sum |short| | / long, of the net delta of the legs."""
    quantities, underlying = snapshot.positions.quantities, snapshot.market.underlying
    long = 0.0
    for slot in hedge.long_slots:
        long += quantities[slot] * underlying[slot]
    drift = long
    for slot in hedge.perp_slots:
        drift += quantities[slot]
    return abs(drift) / long if long > 0.0 else 0.0


def declined_recently(state: StrategyState, limits: SteeringLimits, price: float, timestamp: int) -> bool:
    """Whether the last refusal still stands: the price has not moved, and the time has not passed."""
    if state.declined_at is None or state.declined_price is None:
        return False
    moved = abs(price / state.declined_price - 1.0)
    return timestamp - state.declined_at < limits.retry_after and moved < limits.retry_move
