"""An addition to a book waits while its gas is out of proportion to what it moves; an exit never does (domain H7)."""

from __future__ import annotations

from collections.abc import Iterable

from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Order
from basis_pipeline.domain.quotes_chain import gas_of
from basis_pipeline.domain.settings import EngineSettings


def dear_gas(orders: Iterable[Order], market: MarketSnapshot, settings: EngineSettings) -> str:
    """Why a plan should wait: its gas is above its share of the largest amount it moves; empty if it is not."""
    gas = moved = 0.0
    for order in orders:
        gas += gas_of(order, market, settings)[0]
        moved = max(moved, order.quantity * abs(market.value[order.slot]) / market.index[order.slot])
    limit = settings.steering_limits.max_gas_share
    return (
        f"gas of {gas:.2f} USDT is {gas / moved:.2%} of what is moved, above {limit:.2%}" if gas > limit * moved else ""
    )
