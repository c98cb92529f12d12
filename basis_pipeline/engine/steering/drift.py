"""What the strategy manager looks at to find out whether a book has drifted."""

from __future__ import annotations

from basis_pipeline.domain.accounting import unscale
from basis_pipeline.domain.orders import Action
from basis_pipeline.domain.protocols import Hedge, Strategy, Targets
from basis_pipeline.domain.records import ChainSnapshot
from basis_pipeline.domain.settings import EngineSettings, SteeringLimits
from basis_pipeline.domain.state import StrategyState
from basis_pipeline.engine.planning.stack_planner import arrived_eth
from basis_pipeline.engine.steering.decisions import Intent

EMPTIED = 1e-9
"""A book is empty when withdrawals have left less than this fraction of it."""


def reference_after_flow(reference: float | None, flow: float) -> float | None:
    """The equity that later deviations are measured from, USDT; None when nothing is left and the next is an entry."""
    if reference is None:
        return None
    after = reference + flow
    return after if after > EMPTIED * reference else None


def pair_drift(
    settings: EngineSettings, hedge: Hedge | None, snapshot: ChainSnapshot, reference: float
) -> tuple[Action, str] | None:
    """How a price-neutral pair is resized where equity, idle cash or the legs have left their bands, and why."""
    limits, equity = settings.steering_limits, snapshot.exposure.equity
    if hedge is not None and _stranded(settings, hedge, snapshot):
        return Action.ENTRY_PARTIAL, "ETH has arrived where it is needed"
    deviation = (equity - reference) / reference
    if abs(deviation) > limits.equity_deviation:
        action = Action.ENTRY_PARTIAL if deviation > 0.0 else Action.EXIT_PARTIAL
        return action, f"equity {deviation:+.2%} since the last sizing"
    if _idle_cash(settings, snapshot) > limits.leg_deviation * equity:
        return Action.ENTRY_PARTIAL, "idle cash in the wallet"
    if hedge is not None and _leg_drift(hedge, snapshot, settings.gas_tank) > limits.leg_deviation:
        return Action.EXIT_PARTIAL, "spot and shorts have drifted apart"
    return None


def _stranded(settings: EngineSettings, hedge: Hedge, snapshot: ChainSnapshot) -> bool:
    """Whether ETH of a hedged stack lies between exchange and stack, where transfers take time and nothing moves."""
    quantities, market = snapshot.positions.quantities, snapshot.market
    ways = [settings.receivables.get(slot) for slot in hedge.long_slots]
    if settings.stack is None or settings.receivables.get(hedge.spot_slot) is None:
        return False
    if any(quantities[slot] for slot in ways if slot is not None):
        return False
    idle = arrived_eth(quantities, market, settings) + quantities[hedge.spot_slot]
    return idle > settings.steering_limits.leg_deviation * _long(hedge, snapshot)


def _idle_cash(settings: EngineSettings, snapshot: ChainSnapshot) -> float:
    """USDT in the wallet beyond the reserve."""
    slot = settings.capital_slot
    free = snapshot.positions.quantities[slot] * snapshot.market.value[slot]
    return free - settings.reserve_fraction * snapshot.exposure.equity


def _leg_drift(hedge: Hedge, snapshot: ChainSnapshot, tank: float) -> float:
    """| |long| - sum |short| | / long, of the net delta of the legs; the ETH that pays the gas is no drift."""
    quantities = snapshot.positions.quantities
    drift = long = _long(hedge, snapshot)
    for slot in hedge.perp_slots:
        drift += quantities[slot]
    return (abs(drift) - tank) / long if long > 0.0 else 0.0


def _long(hedge: Hedge, snapshot: ChainSnapshot) -> float:
    """Net units of the asset in the long leg."""
    quantities, underlying = snapshot.positions.quantities, snapshot.market.underlying
    long = 0.0
    for slot in hedge.long_slots:
        long += quantities[slot] * underlying[slot]
    return long


def declined_recently(state: StrategyState, limits: SteeringLimits, price: float, timestamp: int) -> bool:
    """Whether the last refusal still stands: the price has not moved, and the time has not passed."""
    if state.declined_at is None or state.declined_price is None:
        return False
    moved = abs(price / state.declined_price - 1.0)
    return timestamp - state.declined_at < limits.retry_after and moved < limits.retry_move


def leg_intent(settings: EngineSettings, targets: Targets, snapshot: ChainSnapshot) -> Intent | None:
    """Back to the targets where a leg is off by more than its band, |actual - target| / target in underlying units."""
    limits, market = settings.steering_limits, snapshot.market
    for slot, target in targets.quantities.items():
        gap = target - unscale(snapshot.positions.quantities[slot], market.index[slot])
        worth = abs(gap * market.value[slot]) / market.index[slot]
        if abs(gap) > limits.leg_deviation * target and worth >= limits.min_trade:
            action = Action.ENTRY_PARTIAL if gap > 0.0 else Action.EXIT_PARTIAL
            return Intent(action, f"{settings.universe.keys[slot]} is {gap:.6g} from its target {target:.6g}", targets)
    return None


def priced_slot(settings: EngineSettings, strategy: Strategy) -> int:
    """Whose price tells whether the market has moved: the hedged asset's, the perp's, else the capital's."""
    if strategy.hedge is not None:
        return strategy.hedge.spot_slot
    perps = [slot for account in settings.margin_accounts for slot in account.perp_slots]
    return perps[0] if perps else settings.capital_slot
