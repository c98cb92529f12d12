"""From a reason to act to what is to be held: the strategy's targets at the equity that may be deployed now."""

from __future__ import annotations

from msgspec.structs import replace

from basis_pipeline.domain.orders import Action
from basis_pipeline.domain.protocols import Strategy, StrategyView, Targets
from basis_pipeline.domain.records import ChainSnapshot
from basis_pipeline.domain.settings import EngineSettings, Steering
from basis_pipeline.domain.state import CarryState, StrategyState
from basis_pipeline.engine.planning.dust_planner import all_dust, described, dust_above_threshold, dust_value
from basis_pipeline.engine.settlements import Settlements
from basis_pipeline.engine.steering.carry_gate import CarryGate
from basis_pipeline.engine.steering.decisions import Intent
from basis_pipeline.engine.steering.halting import may_wait


class Intents:
    """Makes intents of a book; it neither decides whether they are called for nor remembers them."""

    def __init__(
        self, settings: EngineSettings, strategy: Strategy, settlements: Settlements, carry_gate: CarryGate | None
    ) -> None:
        self._settings = settings
        self._strategy = strategy
        self._settlements = settlements
        self._carry_gate = carry_gate

    @property
    def carry(self) -> CarryState:
        """The window of the carry gate; empty for modes without one."""
        return self._carry_gate.state if self._carry_gate else CarryState()

    def view(
        self,
        snapshot: ChainSnapshot,
        state: StrategyState,
        *,
        margin_multiple: float = 1.0,
        exposure: float = 1.0,
        spare: float = 0.0,
    ) -> StrategyView:
        """What the strategy may look at. `spare`: share-class units to set free beyond the pending withdrawals."""
        pending = (self._settlements.pending_withdrawal + spare) * snapshot.market.share_price
        equity, followed = max(0.0, snapshot.exposure.equity - pending), state.followed
        return StrategyView(
            snapshot, equity, pending, margin_multiple, self.carry.levered, exposure, followed.since, followed.size
        )

    def targets(self, snapshot: ChainSnapshot, state: StrategyState) -> Targets:
        """What the strategy would hold at the exposure that the book has."""
        return self._strategy.targets(self.view(snapshot, state, exposure=state.exposure))

    def resize(
        self,
        snapshot: ChainSnapshot,
        state: StrategyState,
        action: Action,
        reason: str,
        *,
        exposure: float | None = None,
        margin_multiple: float = 1.0,
        urgent: bool = False,
    ) -> Intent:
        """The book at its targets of today; `exposure` changes the share of its full size, None keeps it."""
        exposure = state.exposure if exposure is None else exposure
        view = self.view(snapshot, state, exposure=exposure, margin_multiple=margin_multiple)
        return Intent(action, reason, self._strategy.targets(view), urgent=urgent, exposure=exposure)

    def leave(self, snapshot: ChainSnapshot, state: StrategyState) -> Intent:
        """Everything back to the capital slot, reward tokens included; no earlier refusal holds it up."""
        patient = may_wait(state, snapshot.risk.level)
        targets = replace(self._strategy.flat(self.view(snapshot, state)), patient=patient)
        dust = all_dust(self._settings, snapshot, wrapped=self._settlements.rewards.wrapped)
        why = f"{state.halted}: leave the market and halt"
        return Intent(Action.EXIT_FULL, why, targets, urgent=True, dust=dust)

    def free_cash(self, snapshot: ChainSnapshot, state: StrategyState) -> Intent:
        """Unwind for a withdrawal; dust goes too where the rest of the book does not cover it.

        A pair pays for its unwinding from the wallet: it sets the gas reserve free besides, or what its gas and fees
        have eaten would have to be unwound for again, and again.
        """
        spare = self._settings.gas_reserve if self._strategy.steering is Steering.PAIR else 0.0
        targets = replace(self._strategy.targets(self.view(snapshot, state, spare=spare)), patient=True)
        intent = Intent(Action.EXIT_PARTIAL, "free cash for a withdrawal", targets)
        if self.view(snapshot, state).equity >= dust_value(self._settings, snapshot):
            return intent
        return replace(intent, dust=all_dust(self._settings, snapshot, wrapped=self._settlements.rewards.wrapped))

    def sell_dust(self, snapshot: ChainSnapshot) -> Intent | None:
        """Reward tokens that are worth the gas of their sale."""
        if self._settings.rewards is None:
            return None
        sale = dust_above_threshold(self._settings, snapshot, wrapped=self._settlements.rewards.wrapped)
        if not sale.slots:
            return None
        return Intent(Action.SELL_DUST, f"rewards: {described(sale, self._settings, snapshot)}", None, dust=sale)
