"""Risk in every dimension at every commit, held against the configured limits (R7, R8)."""

from __future__ import annotations

from collections.abc import Iterator

from basis_pipeline.domain.deltas import EXTERNAL_FLOWS, DeltaSource, PositionDelta
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.records import Exposure, Positions, Risk, RiskFinding, RiskLevel
from basis_pipeline.domain.settings import EngineSettings, RiskType
from basis_pipeline.domain.state import FundingPayment, RiskState
from basis_pipeline.domain.timeline import DAY, YEAR
from basis_pipeline.domain.valuation import Health, health_of, margin_ratio
from basis_pipeline.engine.signal_risk import SignalRisk
from basis_pipeline.engine.stack_risk import StackRisk

FUNDING_WINDOW = 7 * DAY
_NO_DEBT = Health(None, None)
EMPTIED = 1e-9
"""Below this fraction of a deposit, what was there before is float noise whose growth means nothing."""


class RiskMonitor:
    """Measures; it orders nothing. What follows from a finding is the strategy manager's decision ladder."""

    def __init__(self, settings: EngineSettings, state: RiskState) -> None:
        self._accounts = settings.margin_accounts
        self._lending = settings.lending
        self._stack = StackRisk(settings) if settings.stack is not None else None
        self._signals = SignalRisk(settings.risk)
        self._limits = settings.risk
        self._delta_limits = settings.risk.delta if RiskType.DELTA in settings.risk.enabled else None
        self._margin_limits = settings.risk.margin if RiskType.CEX_MARGIN_RATIO in settings.risk.enabled else None
        self._watches_funding = RiskType.FUNDING in settings.risk.enabled
        self._watches_rewards = RiskType.REWARDS in settings.risk.enabled
        self._watches_drawdown = RiskType.DRAWDOWN in settings.risk.enabled
        self.state = state
        self._funding_apr = _trailing_apr(state.funding)
        self._candidate = (state, self._funding_apr)

    def assess_risk(
        self,
        exposure: Exposure,
        positions: Positions,
        market: MarketSnapshot,
        timestamp: int,
        deltas: tuple[PositionDelta, ...] = (),
    ) -> Risk:
        """Risk of a candidate commit; `deltas` are what led to it. Nothing is remembered before `commit`."""
        state, funding_apr = self._next_state(exposure, market, timestamp, deltas)
        self._candidate = (state, funding_apr)
        ratios = self._margin_ratios(exposure, positions, market)
        equity = exposure.equity
        drift = abs(exposure.excess_delta) / equity if equity > 0.0 else 0.0
        drawdown = 1.0 - state.unit_value / state.peak
        health = self._health(exposure, market)
        found = self._findings(ratios, drift, drawdown, funding_apr)
        discount = None
        if self._stack is not None:
            discount = self._stack.peg_discount(market)
            found += self._stack.findings(health, discount, state.borrow_apr)
        if (signal := market.signal) is not None:
            found += self._signals.findings(signal)
        if deltas:
            found[:0] = self._events(deltas, market, equity)
        if len(found) > 1:
            found.sort(key=lambda finding: -finding.level)
        return Risk(
            found[0].level if found else RiskLevel.INFO,
            ratios,
            health.factor,
            health.loan_to_value,
            drift,
            funding_apr,
            drawdown,
            tuple(found),
            discount,
            state.borrow_apr,
            None if signal is None else signal.sd,
            None if signal is None else signal.drift,
        )

    def commit(self) -> None:
        self.state, self._funding_apr = self._candidate

    def _health(self, exposure: Exposure, market: MarketSnapshot) -> Health:
        if self._lending is None:
            return _NO_DEBT
        return health_of(self._lending, exposure.values, market.liquidation_threshold)

    def _margin_ratios(
        self, exposure: Exposure, positions: Positions, market: MarketSnapshot
    ) -> tuple[float | None, ...]:
        ratios = []
        for account in self._accounts:
            balance, notional = exposure.values[account.cash_slot], 0.0
            for slot in account.perp_slots:
                balance += exposure.values[slot]
                notional += abs(positions.quantities[slot]) * market.value[slot]
            ratios.append(margin_ratio(balance, notional))
        return tuple(ratios)

    def _findings(
        self,
        ratios: tuple[float | None, ...],
        drift: float,
        drawdown: float,
        funding_apr: float | None,
    ) -> list[RiskFinding]:
        found: list[RiskFinding] = []
        if (margin := self._margin_limits) is not None:
            for account, ratio in zip(self._accounts, ratios, strict=True):
                if ratio is not None and ratio < margin.warn:
                    level, limit = _band(ratio, margin.warn, margin.derisk, margin.emergency)
                    found.append(RiskFinding("margin_ratio", level, ratio, limit, account.venue))
        if (delta := self._delta_limits) is not None and drift > delta.warn:
            level = RiskLevel.BREACH if drift > delta.breach else RiskLevel.WARNING
            found.append(RiskFinding("delta_drift", level, drift, delta.breach if level > 1 else delta.warn))
        if self._watches_drawdown and drawdown > self._limits.max_drawdown:
            found.append(RiskFinding("drawdown", RiskLevel.CRITICAL, drawdown, self._limits.max_drawdown))
        if self._watches_funding and funding_apr is not None and funding_apr < 0.0:
            floor = self._limits.funding_floor_apr
            level = RiskLevel.BREACH if funding_apr < floor else RiskLevel.WARNING
            found.append(RiskFinding("funding_apr", level, funding_apr, floor if level > 1 else 0.0))
        return found

    def _events(
        self, deltas: tuple[PositionDelta, ...], market: MarketSnapshot, equity: float
    ) -> Iterator[RiskFinding]:
        """What happened, as against what is: a liquidation, rewards of an unusual size."""
        if any(delta.source is DeltaSource.LIQUIDATION for delta in deltas):
            yield RiskFinding("liquidation", RiskLevel.CRITICAL, 1.0, 0.0)
        if self._watches_rewards and equity > 0.0:
            rewards = sum(d.amount * market.value[d.slot] for d in deltas if d.source is DeltaSource.REWARD) / equity
            if rewards > self._limits.reward_spike:
                yield RiskFinding("rewards", RiskLevel.WARNING, rewards, self._limits.reward_spike)

    def _next_state(
        self, exposure: Exposure, market: MarketSnapshot, timestamp: int, deltas: tuple[PositionDelta, ...]
    ) -> tuple[RiskState, float | None]:
        """Unit value chains equity changes without flows; a flow counts as arriving after the price move."""
        state, funding_apr = self.state, self._funding_apr
        equity = exposure.equity / market.share_price
        flow = 0.0
        funding = state.funding
        if deltas:
            flow = sum(delta.amount * market.value[delta.slot] for delta in deltas if delta.source in EXTERNAL_FLOWS)
            flow /= market.share_price
            if any(delta.source is DeltaSource.FUNDING for delta in deltas):
                funding = _extend(funding, timestamp, deltas)
                funding_apr = _trailing_apr(funding)
        unit = state.unit_value
        if state.equity > EMPTIED * abs(flow):
            unit *= (equity - flow) / state.equity
        following = RiskState(
            equity, unit, max(state.peak, unit), funding, state.borrow_index, state.borrow_at, state.borrow_apr
        )
        if self._stack is not None:
            following = self._stack.next_state(following, market)
        return following, funding_apr


def _band(ratio: float, warn: float, derisk: float, emergency: float) -> tuple[RiskLevel, float]:
    if ratio < emergency:
        return RiskLevel.CRITICAL, emergency
    return (RiskLevel.BREACH, derisk) if ratio < derisk else (RiskLevel.WARNING, warn)


def _extend(
    window: tuple[FundingPayment, ...], timestamp: int, deltas: tuple[PositionDelta, ...]
) -> tuple[FundingPayment, ...]:
    payment = notional = 0.0
    for delta in deltas:
        if delta.source is DeltaSource.FUNDING:
            payment += delta.amount
            notional += abs(delta.amount / delta.rate) if delta.rate else 0.0
    kept = tuple(entry for entry in window if entry.timestamp > timestamp - FUNDING_WINDOW)
    return (*kept, FundingPayment(timestamp, payment, notional))


def _trailing_apr(window: tuple[FundingPayment, ...]) -> float | None:
    """Annualised sum of the window's payments over its mean notional; None before six days of settlements.

    n settlements cover n intervals, one more than lie between the first and the last.
    """
    if not window or window[-1].timestamp - window[0].timestamp < FUNDING_WINDOW - DAY:
        return None
    notional = sum(entry.notional for entry in window) / len(window)
    if notional <= 0.0:
        return None
    covered = (window[-1].timestamp - window[0].timestamp) * len(window) / (len(window) - 1)
    return sum(entry.payment for entry in window) / notional * (YEAR / covered)
