"""Risk that only books with staked or borrowed tokens have: discount of the pool, cost of the debt, loan to value.

Nothing here is a price of the book: equity values staked tokens at the protocol ratio. The discount says
what selling would cost, the borrow rate what waiting costs.
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.records import RiskFinding, RiskLevel
from basis_pipeline.domain.settings import EngineSettings, HealthLimits, RiskType
from basis_pipeline.domain.state import RiskState
from basis_pipeline.domain.timeline import DAY, YEAR
from basis_pipeline.domain.valuation import Health
from basis_pipeline.engine.limits import above


class StackRisk:
    """Wired once per engine; a limit of a risk type that is not enabled is never looked at."""

    def __init__(self, settings: EngineSettings) -> None:
        limits = settings.risk
        self._lst_slot = settings.stack.lst_slot if settings.stack else None
        self._debt_slot = settings.stack.debt_slot if settings.stack else None
        self._health = limits.health if RiskType.HEALTH_FACTOR in limits.enabled else None
        self._loan = limits.health if RiskType.LOAN_TO_VALUE in limits.enabled else None
        self._peg = limits.peg if RiskType.PEG_DISCOUNT in limits.enabled else None
        self._borrow = limits.borrow if RiskType.BORROW_RATE in limits.enabled else None

    def peg_discount(self, market: MarketSnapshot) -> float | None:
        """Market ratio over protocol ratio less one: negative where a sale fetches less; None without staked token."""
        slot = self._lst_slot
        return None if slot is None else market.last[slot] / market.value[slot] - 1.0

    def next_state(self, state: RiskState, market: MarketSnapshot) -> RiskState:
        """Annualised growth of the borrow index over the last whole day, midnight to midnight.

        Only there is the index observed; between snapshots it is accrued and steps back by up to 0.5 bp.
        """
        slot = self._debt_slot
        if slot is None or market.timestamp % DAY or market.timestamp == state.borrow_at:
            return state
        index, apr = market.index[slot], None
        if state.borrow_index > 0.0:
            apr = math.log(index / state.borrow_index) * YEAR / (market.timestamp - state.borrow_at)
        return replace(state, borrow_index=index, borrow_at=market.timestamp, borrow_apr=apr)

    def findings(self, health: Health, discount: float | None, borrow_apr: float | None) -> list[RiskFinding]:
        found = [
            _health_factor(health.factor, self._health),
            _loan_to_value(health.loan_to_value, self._loan),
            above("peg_discount", None if discount is None else -discount, self._peg, sign=-1.0),
            above("borrow_apr", borrow_apr, self._borrow, sign=1.0),
        ]
        return [finding for finding in found if finding is not None]


def _health_factor(factor: float | None, limits: HealthLimits | None) -> RiskFinding | None:
    """Below `derisk` the stack is reduced, below `emergency` it is closed."""
    if factor is None or limits is None or factor >= limits.derisk:
        return None
    if factor < limits.emergency:
        return RiskFinding("health_factor", RiskLevel.CRITICAL, factor, limits.emergency)
    return RiskFinding("health_factor", RiskLevel.BREACH, factor, limits.derisk)


def _loan_to_value(value: float | None, limits: HealthLimits | None) -> RiskFinding | None:
    """Above the band the stack is reduced; below it there is only return to lose, which steering sees to."""
    if value is None or limits is None:
        return None
    upper, lower = limits.target_ltv + limits.ltv_band, limits.target_ltv - limits.ltv_band
    if value > upper:
        return RiskFinding("loan_to_value", RiskLevel.BREACH, value, upper)
    return RiskFinding("loan_to_value", RiskLevel.WARNING, value, lower) if value < lower else None
