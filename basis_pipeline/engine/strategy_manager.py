"""The decision ladder and the five actions, generic for all modes.

Priority: critical risk > breach > withdrawal > entry or signal > drift > dust > nothing. The strategy says what
it wants to hold; this component decides whether anything is done about it, and the planner how.
"""

from __future__ import annotations

from msgspec.structs import replace

from basis_pipeline.domain.orders import Action
from basis_pipeline.domain.protocols import Strategy
from basis_pipeline.domain.records import ChainSnapshot, RiskLevel
from basis_pipeline.domain.settings import EngineSettings, Steering
from basis_pipeline.domain.state import CarryState, Followed, StrategyState
from basis_pipeline.engine.event_logger import EventLogger
from basis_pipeline.engine.planning.order_planner import ENTRIES, OrderPlanner, Plan
from basis_pipeline.engine.sequence import Counter
from basis_pipeline.engine.settlements import Settlements
from basis_pipeline.engine.steering import drift
from basis_pipeline.engine.steering.carry_gate import carry_gate
from basis_pipeline.engine.steering.decisions import Decision, Intent
from basis_pipeline.engine.steering.intents import Intents
from basis_pipeline.engine.steering.mending import mend
from basis_pipeline.engine.steering.restraint import dear_gas, extrapolated, suspension
from basis_pipeline.engine.steering.signal_steering import closed, follow_signal, opened, renewed

_STOPS = ("liquidation", "drawdown", "health_factor")


class StrategyManager:
    """Turns a committed snapshot into at most one decision."""

    def __init__(
        self,
        settings: EngineSettings,
        strategy: Strategy,
        settlements: Settlements,
        event_logger: EventLogger,
        state: StrategyState,
        *,
        carry: CarryState,
        last_operation: int,
    ) -> None:
        self._settings = settings
        self._strategy = strategy
        self._settlements = settlements
        self._event_logger = event_logger
        self._hedge = strategy.hedge
        self._carry_gate = carry_gate(settings, carry)
        self._intents = Intents(settings, strategy, settlements, self._carry_gate)
        self._planner = OrderPlanner(settings, self._hedge)
        self.operations = Counter(last_operation)
        self._limits = settings.steering_limits
        self._relever = settings.risk.margin.relever if settings.risk.margin else None
        self._priced_slot = drift.priced_slot(settings, strategy)
        self.state = state

    @property
    def carry(self) -> CarryState:
        """The window of the carry gate; empty for modes without one."""
        return self._intents.carry

    def observe(self, snapshot: ChainSnapshot) -> None:
        """Take in what a moment brings, whether or not anything may be decided at it."""
        if snapshot.pnl.flow:
            self._take_in_flow(snapshot)
        if self._carry_gate is not None:
            self._carry_gate.observe(snapshot)

    def generate_orders(self, timestamp: int, snapshot: ChainSnapshot) -> Decision | None:
        """The decision for this moment, or None while everything is inside its bands."""
        self.observe(snapshot)
        intent = self._intent(snapshot)
        if intent is None or not self._may_act(intent, timestamp, snapshot):
            intent = self._intents.sell_dust(snapshot)
        if intent is None:
            return None
        plan = self._plan(intent, snapshot)
        if not plan.orders:
            if not plan.awaits_funds:
                self._end_without_orders(timestamp, snapshot, intent, plan.refusal)
            return None
        orders = tuple(replace(order, operation_id=self.operations.next()) for order in plan.orders)
        self._event_logger.decision(timestamp, intent.action, intent.reason, len(orders))
        for order, notional, largest in extrapolated(orders, snapshot.market, self._settings):
            self._event_logger.slippage_extrapolated(timestamp, order, notional, largest)
        return Decision(intent.action, intent.reason, orders, plan.awaits_funds, intent.exposure)

    def _may_act(self, intent: Intent, timestamp: int, snapshot: ChainSnapshot) -> bool:
        """Not while the last refusal is fresh, and no entry while one is suspended."""
        if not intent.urgent and drift.declined_recently(self.state, self._limits, self._price(snapshot), timestamp):
            return False
        if intent.action in ENTRIES and (why := suspension(snapshot)):
            self._decline(timestamp, snapshot)
            self._event_logger.decision(timestamp, intent.action, f"{intent.reason}; suspended: {why}", 0)
            return False
        return True

    def _plan(self, intent: Intent, snapshot: ChainSnapshot) -> Plan:
        """What the planner makes of the intent; more of a book is not entered at any price of gas."""
        plan = self._planner.plan(
            intent.targets,
            snapshot.positions,
            snapshot.market,
            intent.action,
            intent.dust,
            funded=self.state.awaits_funds,
        )
        if intent.action is Action.ENTRY_PARTIAL and (why := dear_gas(plan.orders, snapshot.market, self._settings)):
            return Plan((), why)
        return plan

    def _end_without_orders(self, timestamp: int, snapshot: ChainSnapshot, intent: Intent, refusal: str) -> None:
        """Nothing is left to be done for an exit or a withdrawal, or the intent is declined."""
        if self._is_paid_out(snapshot) and not refusal:
            self._close_withdrawals(timestamp, intent)
        elif intent.action is Action.EXIT_FULL and not refusal:
            self.state = self._sized(None)
            if self.state.halted:
                self._event_logger.decision(timestamp, intent.action, f"{intent.reason}; nothing is held", 0)
        else:
            self._decline(timestamp, snapshot)
            why = refusal or "nothing is large enough to trade"
            self._event_logger.decision(timestamp, intent.action, f"{intent.reason}; declined: {why}", 0)

    def _is_paid_out(self, snapshot: ChainSnapshot) -> bool:
        """Withdrawals ask for at least all there is, so that none is left to be unwound for them."""
        withdrawals = self._settlements.withdrawals
        return bool(withdrawals) and self._intents.view(snapshot, self.state).equity == 0.0

    def _close_withdrawals(self, timestamp: int, intent: Intent) -> None:
        """A claim on an empty book would decline every day and take the next deposit: report what stays unpaid."""
        unpaid = self._settlements.close_withdrawals()
        reason = f"{intent.reason}; closed with {unpaid:.8g} {self._settings.share_class} unpaid: the book is empty"
        self._event_logger.decision(timestamp, intent.action, reason, 0)
        self.state = self._sized(None)

    def executed(self, decision: Decision, snapshot: ChainSnapshot) -> None:
        """Remember the equity a sizing ended with: later deviations are measured from it. Selling dust is no sizing."""
        if decision.awaits_funds:
            self.state = replace(self.state, awaits_funds=decision.action in ENTRIES)
        if decision.awaits_funds or decision.action is Action.SELL_DUST:
            return
        followed = self.state.followed
        if decision.action is Action.EXIT_FULL:
            self.state = replace(self._sized(None), followed=closed(snapshot, followed))
            return
        self.state = self._sized(snapshot.exposure.equity, decision.exposure)
        if self._strategy.steering is Steering.SIGNAL:
            equity = self._intents.view(snapshot, self.state).equity
            self.state = replace(self.state, followed=opened(snapshot, self._priced_slot, equity, followed))

    def _sized(self, reference_equity: float | None, exposure: float = 1.0) -> StrategyState:
        """After a sizing, or without a book (None): no refusal stands any more."""
        return StrategyState(reference_equity, self.state.halted, exposure, followed=self.state.followed)

    def _intent(self, snapshot: ChainSnapshot) -> Intent | None:
        if snapshot.risk.level >= RiskLevel.BREACH and (intent := self._risk_override(snapshot)):
            return intent
        if self.state.halted:
            return self._intents.leave(snapshot, self.state) if self.state.reference_equity is not None else None
        if self._settlements.withdrawals and self._settlements.pending_withdrawal > self._settlements.awaited_capital:
            return self._intents.free_cash(snapshot, self.state)
        return self._steer(snapshot)

    def _steer(self, snapshot: ChainSnapshot) -> Intent | None:
        if self._strategy.steering is Steering.SIGNAL:
            targets = self._strategy.targets(self._intents.view(snapshot, self.state))
            if renewed(self.state.followed, snapshot, targets):
                self.state = replace(self.state, followed=Followed())
            return follow_signal(snapshot, targets, self.state.followed)
        if self.state.reference_equity is None:
            return self._enter(snapshot)
        return self._drift(snapshot, self.state.reference_equity)

    def _drift(self, snapshot: ChainSnapshot, reference: float) -> Intent | None:
        if self._carry_gate is not None and (targets := self._carry_gate.targets(snapshot)):
            action = Action.ENTRY_PARTIAL if self._carry_gate.state.levered else Action.EXIT_PARTIAL
            return Intent(action, targets.reason, targets)
        if self._strategy.steering is Steering.PAIR:
            return self._steer_pair(snapshot, reference)
        return self._steer_legs(snapshot)

    def _risk_override(self, snapshot: ChainSnapshot) -> Intent | None:
        """Reductions only: a stop leaves the market and halts, margin and delta are brought back into their bands."""
        if self.state.reference_equity is None:
            return None
        for finding in snapshot.risk.findings:
            if finding.dimension in _STOPS and finding.level is RiskLevel.CRITICAL:
                self.state = replace(self.state, halted=self.state.halted or finding.dimension)
                return self._intents.leave(snapshot, self.state)
        return None if self.state.halted else mend(self._settings, snapshot, self.state, self._intents)

    def _enter(self, snapshot: ChainSnapshot) -> Intent | None:
        """The first sizing of a book that has something to size."""
        reserve = self._settings.gas_reserve * snapshot.market.share_price
        if snapshot.exposure.equity - reserve < self._limits.min_trade:
            return None
        return self._intents.resize(snapshot, self.state, Action.ENTRY_FULL, "no position yet")

    def _steer_pair(self, snapshot: ChainSnapshot, reference: float) -> Intent | None:
        """The margin band and the equity deviation steer a price-neutral pair; its legs are never compared with
        targets at today's price, which would trade on every move of the market.
        """
        if self.state.exposure < 1.0:
            if (snapshot.risk.funding_apr or 0.0) > 0.0:
                return self._intents.resize(
                    snapshot, self.state, Action.ENTRY_PARTIAL, "funding is received again", exposure=1.0
                )
        elif self._relever is not None:
            for account, ratio in zip(self._settings.margin_accounts, snapshot.risk.margin_ratios, strict=True):
                if ratio is not None and ratio > self._relever:
                    reason = f"margin ratio {ratio:.4f} at {account.venue} above {self._relever:g}"
                    return self._intents.resize(snapshot, self.state, Action.ENTRY_PARTIAL, reason)
        drifted = drift.pair_drift(self._settings, self._hedge, snapshot, reference)
        return self._intents.resize(snapshot, self.state, *drifted) if drifted else None

    def _steer_legs(self, snapshot: ChainSnapshot) -> Intent | None:
        """Largest |actual - target| / target over the legs, in underlying units."""
        targets = self._intents.targets(snapshot, self.state)
        return drift.leg_intent(self._settings, targets, snapshot)

    def _take_in_flow(self, snapshot: ChainSnapshot) -> None:
        """A flow changes equity without being a deviation, and may carry a plan that was declined before."""
        flow = snapshot.pnl.flow * snapshot.market.share_price
        self.state = self._sized(drift.reference_after_flow(self.state.reference_equity, flow), self.state.exposure)

    def _decline(self, timestamp: int, snapshot: ChainSnapshot) -> None:
        price = self._price(snapshot)
        self.state = replace(self.state, declined_price=price, declined_at=timestamp, awaits_funds=False)

    def _price(self, snapshot: ChainSnapshot) -> float:
        return snapshot.market.price[self._priced_slot]
