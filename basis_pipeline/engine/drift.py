"""What the strategy manager looks at to find out whether a book has drifted."""

from __future__ import annotations

from basis_pipeline.domain.protocols import Hedge, Strategy
from basis_pipeline.domain.records import ChainSnapshot
from basis_pipeline.domain.settings import EngineSettings, SteeringLimits
from basis_pipeline.domain.state import StrategyState


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


def priced_slot(settings: EngineSettings, strategy: Strategy) -> int:
    """Whose price tells whether the market has moved: the hedged asset's, the perp's, else the capital's."""
    if strategy.hedge is not None:
        return strategy.hedge.spot_slot
    perps = [slot for account in settings.margin_accounts for slot in account.perp_slots]
    return perps[0] if perps else settings.capital_slot
