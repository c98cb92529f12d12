"""The decision ladder and the five actions, generic for all modes (domain G0).

Priority: critical risk > breach > withdrawal > entry or signal > drift > nothing. The strategy says what it wants to
hold; this component decides whether anything is done about it, and the planner how.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from basis_pipeline.domain.accounting import unscale
from basis_pipeline.domain.orders import Action, Order
from basis_pipeline.domain.protocols import Strategy, StrategyView, Targets
from basis_pipeline.domain.records import ChainSnapshot, RiskFinding, RiskLevel
from basis_pipeline.domain.settings import EngineSettings, Steering
from basis_pipeline.domain.state import StrategyState
from basis_pipeline.domain.valuation import order_notional
from basis_pipeline.engine.event_logger import EventLogger
from basis_pipeline.engine.levelling import level_margins
from basis_pipeline.engine.order_planner import OrderPlanner
from basis_pipeline.engine.sequence import Counter
from basis_pipeline.engine.settlements import Settlements

EMERGENCY_MARGIN = 1.25
"""An emergency restores this multiple of m0 instead of m0 itself (decisions, Emergency margin)."""

EMPTIED = 1e-9
"""A book is empty when withdrawals have left less than this fraction of it."""

_STOPS = ("liquidation", "drawdown", "health_factor")


class Decision(msgspec.Struct, frozen=True):
    """What to do and why. With `awaits_funds` the orders only move cash towards it; the rest follows on arrival."""

    action: Action
    reason: str
    orders: tuple[Order, ...]
    awaits_funds: bool = False


class Intent(msgspec.Struct, frozen=True):
    """An action that is called for, before it is known whether it can be carried out."""

    action: Action
    reason: str
    targets: Targets
    urgent: bool = False


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
        last_operation: int,
    ) -> None:
        self._settings = settings
        self._strategy = strategy
        self._settlements = settlements
        self._event_logger = event_logger
        self._hedge = strategy.hedge
        self._planner = OrderPlanner(settings, self._hedge)
        self._operations = Counter(last_operation)
        self._limits = settings.steering_limits
        self._relever = settings.risk.margin.relever if settings.risk.margin else None
        self._priced_slot = _priced_slot(settings, strategy)
        self.state = state

    @property
    def last_operation(self) -> int:
        return self._operations.last

    def generate_orders(self, timestamp: int, snapshot: ChainSnapshot) -> Decision | None:
        """The decision for this moment, or None while everything is inside its bands."""
        if snapshot.pnl.flow:
            self._take_in_flow(snapshot)
        intent = self._intent(snapshot)
        if intent is None:
            return None
        if not intent.urgent and self._declined_recently(timestamp, snapshot):
            return None
        plan = self._planner.plan(intent.targets, snapshot.positions, snapshot.market, intent.action)
        if not plan.orders:
            if plan.awaits_funds:
                return None
            if intent.action is Action.EXIT_FULL and not plan.refusal:
                self.state = StrategyState(halted=self.state.halted)
                return None
            self._decline(timestamp, snapshot)
            why = plan.refusal or "nothing is large enough to trade"
            self._event_logger.decision(timestamp, intent.action, f"{intent.reason}; declined: {why}", 0)
            return None
        orders = tuple(replace(order, operation_id=self._operations.next()) for order in plan.orders)
        self._event_logger.decision(timestamp, intent.action, intent.reason, len(orders))
        self._report_extrapolation(timestamp, orders, snapshot)
        return Decision(intent.action, intent.reason, orders, plan.awaits_funds)

    def _report_extrapolation(self, timestamp: int, orders: tuple[Order, ...], snapshot: ChainSnapshot) -> None:
        """Say so where an order is larger than any size its slippage was stated for."""
        for order in orders:
            rules = self._settings.rules_of(order.venue).trades.get(order.slot)
            instrument = self._settings.universe.instruments[order.slot]
            notional = order_notional(instrument, order.quantity, snapshot.market.last[order.slot])
            notional *= snapshot.market.usd
            if rules is not None and rules.slippage.extrapolates(notional):
                self._event_logger.slippage_extrapolated(timestamp, order, notional, rules.slippage.sizes[-1])

    def executed(self, decision: Decision, snapshot: ChainSnapshot) -> None:
        """Remember the equity a sizing ended with: later deviations are measured from it."""
        if decision.awaits_funds:
            return
        if decision.action is Action.EXIT_FULL:
            self.state = StrategyState(halted=self.state.halted)
        else:
            self.state = StrategyState(reference_equity=snapshot.exposure.equity, halted=self.state.halted)

    def _intent(self, snapshot: ChainSnapshot) -> Intent | None:
        if snapshot.risk.level >= RiskLevel.BREACH and (intent := self._risk_override(snapshot)):
            return intent
        if self.state.halted:
            return self._leave(snapshot) if self.state.reference_equity is not None else None
        if self._settlements.withdrawals:
            return self._resize(snapshot, Action.EXIT_PARTIAL, "free cash for a withdrawal")
        return self._steer(snapshot)

    def _steer(self, snapshot: ChainSnapshot) -> Intent | None:
        if self._strategy.steering is Steering.SIGNAL:
            return self._follow_signal(snapshot)
        if self.state.reference_equity is None:
            return self._resize(snapshot, Action.ENTRY_FULL, "no position yet")
        if self._strategy.steering is Steering.PAIR:
            return self._steer_pair(snapshot, self.state.reference_equity)
        return self._steer_legs(snapshot)

    def _risk_override(self, snapshot: ChainSnapshot) -> Intent | None:
        """Reductions only: a stop leaves the market and halts, margin and delta are brought back into their bands."""
        if self.state.reference_equity is None:
            return None
        for finding in snapshot.risk.findings:
            if finding.dimension in _STOPS and finding.level is RiskLevel.CRITICAL:
                self.state = replace(self.state, halted=self.state.halted or finding.dimension)
                return self._leave(snapshot)
        for finding in snapshot.risk.findings:
            if finding.level >= RiskLevel.BREACH and finding.dimension == "margin_ratio":
                return self._restore_margin(snapshot, finding)
            if finding.level >= RiskLevel.BREACH and finding.dimension == "health_factor":
                reason = f"health factor {finding.value:.4f} below {finding.limit:g}"
                return self._resize(snapshot, Action.EXIT_PARTIAL, reason)
            if finding.level >= RiskLevel.BREACH and finding.dimension == "delta_drift":
                return self._resize(snapshot, Action.EXIT_PARTIAL, f"delta drift {finding.value:.2%} of equity")
        return None

    def _restore_margin(self, snapshot: ChainSnapshot, finding: RiskFinding) -> Intent:
        reason = f"margin ratio {finding.value:.4f} at {finding.venue} below {finding.limit:g}"
        if finding.level is RiskLevel.CRITICAL:
            targets = self._strategy.targets(self._view(snapshot, EMERGENCY_MARGIN))
            return Intent(Action.EXIT_PARTIAL, f"emergency, {reason}", targets, urgent=True)
        if levelled := level_margins(self._settings, snapshot):
            return Intent(Action.EXIT_PARTIAL, f"{reason}, level venues", levelled)
        return self._resize(snapshot, Action.EXIT_PARTIAL, reason)

    def _steer_pair(self, snapshot: ChainSnapshot, reference: float) -> Intent | None:
        """The margin band and the equity deviation steer a price-neutral pair; its legs are never compared with
        targets at today's price, which would trade on every move of the market (decisions, Deviation).
        """
        if self._relever is not None:
            for account, ratio in zip(self._settings.margin_accounts, snapshot.risk.margin_ratios, strict=True):
                if ratio is not None and ratio > self._relever:
                    reason = f"margin ratio {ratio:.4f} at {account.venue} above {self._relever:g}"
                    return self._resize(snapshot, Action.ENTRY_PARTIAL, reason)
        equity = snapshot.exposure.equity
        deviation = (equity - reference) / reference
        if abs(deviation) > self._limits.equity_deviation:
            action = Action.ENTRY_PARTIAL if deviation > 0.0 else Action.EXIT_PARTIAL
            return self._resize(snapshot, action, f"equity {deviation:+.2%} since the last sizing")
        if self._idle_cash(snapshot) > self._limits.leg_deviation * equity:
            return self._resize(snapshot, Action.ENTRY_PARTIAL, "idle cash in the wallet")
        if self._leg_drift(snapshot) > self._limits.leg_deviation:
            return self._resize(snapshot, Action.EXIT_PARTIAL, "spot and shorts have drifted apart")
        return None

    def _steer_legs(self, snapshot: ChainSnapshot) -> Intent | None:
        """Largest |actual - target| / target over the legs, in underlying units."""
        targets = self._strategy.targets(self._view(snapshot))
        market, quantities = snapshot.market, snapshot.positions.quantities
        for slot, target in targets.quantities.items():
            gap = target - unscale(quantities[slot], market.index[slot])
            worth = abs(gap * market.value[slot]) / market.index[slot]
            if abs(gap) > self._limits.leg_deviation * target and worth >= self._limits.min_trade:
                action = Action.ENTRY_PARTIAL if gap > 0.0 else Action.EXIT_PARTIAL
                key = self._settings.universe.keys[slot]
                return Intent(action, f"{key} is {gap:.6g} from its target {target:.6g}", targets)
        return None

    def _follow_signal(self, snapshot: ChainSnapshot) -> Intent | None:
        """Trade where the side changes, and to the new size after a flow; the size is otherwise that of the entry.

        Nothing is opened while a critical finding stands.
        """
        if snapshot.risk.level is RiskLevel.CRITICAL:
            return None
        targets = self._strategy.targets(self._view(snapshot))
        for slot, target in targets.quantities.items():
            held = snapshot.positions.quantities[slot]
            if (held > 0.0) - (held < 0.0) != (target > 0.0) - (target < 0.0):
                action = Action.ENTRY_FULL if target else Action.EXIT_FULL
                return Intent(action, targets.reason, targets)
            if held and snapshot.pnl.flow:
                action = Action.ENTRY_PARTIAL if abs(target) > abs(held) else Action.EXIT_PARTIAL
                return Intent(action, f"equity changed by a flow; {targets.reason}", targets)
        return None

    def _idle_cash(self, snapshot: ChainSnapshot) -> float:
        """USDT in the wallet beyond the reserve."""
        slot = self._settings.capital_slot
        free = snapshot.positions.quantities[slot] * snapshot.market.value[slot]
        return free - self._settings.reserve_fraction * snapshot.exposure.equity

    def _leg_drift(self, snapshot: ChainSnapshot) -> float:
        """| |spot| - sum |short| | / spot."""
        if self._hedge is None:
            return 0.0
        quantities, underlying = snapshot.positions.quantities, snapshot.market.underlying
        spot = 0.0
        for slot in self._hedge.long_slots:
            spot += quantities[slot] * underlying[slot]
        drift = spot
        for slot in self._hedge.perp_slots:
            drift += quantities[slot]
        return abs(drift) / spot if spot > 0.0 else 0.0

    def _resize(self, snapshot: ChainSnapshot, action: Action, reason: str) -> Intent:
        return Intent(action, reason, self._strategy.targets(self._view(snapshot)))

    def _leave(self, snapshot: ChainSnapshot) -> Intent:
        targets = self._strategy.flat(self._view(snapshot))
        return Intent(Action.EXIT_FULL, f"{self.state.halted}: leave the market and halt", targets, urgent=True)

    def _view(self, snapshot: ChainSnapshot, margin_multiple: float = 1.0) -> StrategyView:
        pending = self._settlements.pending_withdrawal * snapshot.market.share_price
        equity = max(0.0, snapshot.exposure.equity - pending)
        return StrategyView(snapshot, equity, pending, margin_multiple)

    def _take_in_flow(self, snapshot: ChainSnapshot) -> None:
        """A flow changes equity without being a deviation, and may carry a plan that was declined before.

        When nothing is left of the book, the next sizing is an entry again.
        """
        reference = self.state.reference_equity
        if reference is not None:
            after = reference + snapshot.pnl.flow * snapshot.market.share_price
            reference = after if after > EMPTIED * reference else None
        self.state = StrategyState(reference_equity=reference, halted=self.state.halted)

    def _declined_recently(self, timestamp: int, snapshot: ChainSnapshot) -> bool:
        state = self.state
        if state.declined_at is None or state.declined_price is None:
            return False
        moved = abs(self._price(snapshot) / state.declined_price - 1.0)
        return timestamp - state.declined_at < self._limits.retry_after and moved < self._limits.retry_move

    def _decline(self, timestamp: int, snapshot: ChainSnapshot) -> None:
        self.state = replace(self.state, declined_price=self._price(snapshot), declined_at=timestamp)

    def _price(self, snapshot: ChainSnapshot) -> float:
        return snapshot.market.price[self._priced_slot]


def _priced_slot(settings: EngineSettings, strategy: Strategy) -> int:
    """Whose price tells whether the market has moved: the hedged asset's, the perp's, else the capital's."""
    if strategy.hedge is not None:
        return strategy.hedge.spot_slot
    perps = [slot for account in settings.margin_accounts for slot in account.perp_slots]
    return perps[0] if perps else settings.capital_slot
