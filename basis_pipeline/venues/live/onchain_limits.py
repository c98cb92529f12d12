"""What no on-chain order may exceed, whatever the strategy says."""

from __future__ import annotations

import math

import msgspec

from basis_pipeline.domain.errors import OrderError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Action, Operation, Order
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.venues.live.abi import MAX_UINT
from basis_pipeline.venues.live.chain import GWEI


class Limits(msgspec.Struct, frozen=True):
    """What no order may exceed, whatever the strategy says.

    Attributes:
        max_notional: USDT, of orders.
        max_transfer: USDT, of transfers to exchanges.
        slippage: largest fraction that a swap may lose against the pool's price when it was ordered.
        swap_gap: largest fraction by which a swap may bring less than the pool's usual price of the last minutes.
        swap_discount: the same, of what a staked token is redeemed for.
        max_gas_price: gwei per unit of gas; beyond it nothing is sent but what makes the book smaller.
        read_only: orders are played through on the node and never sent.
    """

    max_notional: float
    max_transfer: float = 0.0
    slippage: float = 0.005
    swap_gap: float = 0.01
    swap_discount: float = 0.05
    max_gas_price: float = math.inf
    read_only: bool = False


REDUCTIONS = frozenset({Action.EXIT_PARTIAL, Action.EXIT_FULL})
"""Orders that go out at any price of gas: it is highest when a stack has to be reduced most urgently."""
PATIENT = frozenset({Operation.REDEEM, Operation.CLAIM})
"""But not those that wait for days anyway."""


def check_size(limits: Limits, order: Order, market: MarketSnapshot, settings: EngineSettings) -> None:
    """Raise EXEC-014 for an order or a transfer that is too large; a group is as large as its largest step.

    A staked token counts with its ratio: ten wstETH are twelve ETH. A claim brings home what was ordered before.
    """
    if not order.quantity > 0.0:
        raise OrderError(f"quantity {order.quantity!r} of {order.operation} is not positive.")
    parts = order.steps or (order,)
    notional = max(part.quantity * market.ratio[part.slot] * market.price[part.slot] for part in parts)
    kind, switch, most = "order", "MAX_TRADE_SIZE_USD", limits.max_notional
    if order.operation is Operation.TRANSFER:
        kind, switch, most = "transfer", "MAX_TRANSFER_SIZE_USD", limits.max_transfer
    if notional > most and order.operation is not Operation.CLAIM:
        raise OrderError(
            f"{notional:.2f} USDT of {settings.universe.keys[order.slot]} is above the largest {kind} allowed, "
            f"{most:.2f}.",
            code="EXEC-014",
            remedy=f"raise BASIS_LIVE_TRADING__{switch} if this size is meant.",
        )


def highest_fee(limits: Limits, order: Order) -> int:
    """Wei per unit of gas that a transaction for `order` may offer."""
    unlimited = _is_urgent(order) or math.isinf(limits.max_gas_price)
    return MAX_UINT if unlimited else int(limits.max_gas_price * GWEI)


def check_gas(limits: Limits, order: Order, price: float) -> None:
    """Raise CHAIN-006 where gas (gwei) costs more than an order that is no reduction may pay."""
    if price > limits.max_gas_price and not _is_urgent(order):
        raise OrderError(
            f"gas costs {price:.1f} gwei, above the {limits.max_gas_price:g} that an order may pay.",
            code="CHAIN-006",
            remedy="it is planned again at the next tick; raise max_gas_price_gwei in configs/live.yaml if this "
            "price is to be paid.",
        )


def _is_urgent(order: Order) -> bool:
    return order.action in REDUCTIONS and order.operation not in PATIENT


def check_allowed(limits: Limits, order: Order) -> None:
    """Raise EXEC-015 in a session that is read only."""
    if limits.read_only:
        raise OrderError(
            f"read only: {order.operation} of {order.quantity:.10g} at {order.venue} would succeed, was not sent.",
            code="EXEC-015",
            remedy="set BASIS_LIVE_TRADING__READ_ONLY=false to trade.",
        )
