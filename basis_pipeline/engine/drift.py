"""What the strategy manager looks at to find out whether a book has drifted."""

from __future__ import annotations

from collections.abc import Iterator

from basis_pipeline.domain.accounting import unscale
from basis_pipeline.domain.protocols import Hedge, Strategy, Targets
from basis_pipeline.domain.records import ChainSnapshot
from basis_pipeline.domain.settings import EngineSettings, SteeringLimits
from basis_pipeline.domain.state import StrategyState

EMPTIED = 1e-9
"""A book is empty when withdrawals have left less than this fraction of it."""


def reference_after_flow(reference: float | None, flow: float) -> float | None:
    """The equity that later deviations are measured from, USDT; None when nothing is left and the next is an entry."""
    if reference is None:
        return None
    after = reference + flow
    return after if after > EMPTIED * reference else None


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


def leg_gaps(targets: Targets, snapshot: ChainSnapshot) -> Iterator[tuple[int, float, float]]:
    """By slot of a target: target - actual in underlying units, and what that is worth in USDT."""
    market, quantities = snapshot.market, snapshot.positions.quantities
    for slot, target in targets.quantities.items():
        gap = target - unscale(quantities[slot], market.index[slot])
        yield slot, gap, abs(gap * market.value[slot]) / market.index[slot]


def priced_slot(settings: EngineSettings, strategy: Strategy) -> int:
    """Whose price tells whether the market has moved: the hedged asset's, the perp's, else the capital's."""
    if strategy.hedge is not None:
        return strategy.hedge.spot_slot
    perps = [slot for account in settings.margin_accounts for slot in account.perp_slots]
    return perps[0] if perps else settings.capital_slot
