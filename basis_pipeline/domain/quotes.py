"""What an order does to positions at given prices: the planner projects with it, the simulated venues execute it."""

from __future__ import annotations

from collections.abc import Callable

from basis_pipeline.domain import quotes_chain as chain
from basis_pipeline.domain import quotes_trading as trading
from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import OrderError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Operation, Order
from basis_pipeline.domain.quote import Holdings, Quote
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.valuation import health_of

SHORTFALL_TOLERANCE = 1e-12
"""Of the amount taken: an order for everything there is must not fail on the last bit of a float."""


def quote_order(order: Order, holdings: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """Quote any operation; raise OrderError for one that cannot be done, saying why."""
    if order.steps:
        return _group(order, holdings, market, settings)
    return _QUOTES[order.operation](order, holdings, market, settings)


def _group(order: Order, holdings: Holdings, market: MarketSnapshot, settings: EngineSettings) -> Quote:
    """All steps on a scratch copy, or OrderError: never below zero, flash loan repaid, healthy at the end."""
    quantities = list(holdings.quantities)
    scratch = Holdings(quantities, holdings.entry_prices)
    deltas: list[PositionDelta] = []
    fee = slippage = lent = 0.0
    for step in order.steps:
        quote = quote_order(step, scratch, market, settings)
        for delta in quote.deltas:
            if delta.source is not DeltaSource.GAS:
                _take(delta, quantities, step, settings)
                deltas.append(delta)
        fee, slippage = fee + quote.fee, slippage + quote.slippage
        lent += _lent(step)
    if abs(lent) > SHORTFALL_TOLERANCE * order.quantity:
        raise OrderError(f"the group would end with a flash loan of {lent:.10g} open.", code="EXEC-005")
    _check_health(quantities, market, settings)
    gas, gas_deltas = chain.gas_of(order, market, settings)
    return Quote((*deltas, *gas_deltas), None, fee, slippage, gas)


def _take(delta: PositionDelta, quantities: list[float], step: Order, settings: EngineSettings) -> None:
    before = quantities[delta.slot]
    after = before + delta.amount
    if after < -SHORTFALL_TOLERANCE * max(before, -delta.amount):
        key = settings.universe.keys[delta.slot]
        raise OrderError(f"step {step.operation} of the group would take {key} to {after:.10g}.", code="EXEC-005")
    quantities[delta.slot] = max(0.0, after)


def _lent(step: Order) -> float:
    if step.operation is Operation.FLASH_BORROW:
        return step.quantity
    return -step.quantity if step.operation is Operation.FLASH_REPAY else 0.0


def _check_health(quantities: list[float], market: MarketSnapshot, settings: EngineSettings) -> None:
    """The lending protocol refuses a transaction that ends above its maximum loan to value."""
    account = settings.lending
    if account is None:
        return
    values = [quantity * value for quantity, value in zip(quantities, market.value, strict=True)]
    health = health_of(account, values)
    if health.loan_to_value is not None and health.loan_to_value > account.max_ltv:
        raise OrderError(
            f"the group would end at a loan to value of {health.loan_to_value:.6f}, above {account.max_ltv}.",
            code="EXEC-005",
        )


_QUOTES: dict[Operation, Callable[[Order, Holdings, MarketSnapshot, EngineSettings], Quote]] = {
    Operation.SPOT_TRADE: trading.spot,
    Operation.PERP_TRADE: trading.perp,
    Operation.SWAP: trading.swap,
    Operation.TRANSFER: chain.transfer,
    Operation.SUPPLY: chain.supply,
    Operation.WITHDRAW: chain.withdraw,
    Operation.WRAP: chain.wrap,
    Operation.UNWRAP: chain.wrap,
    Operation.UNWRAP_REWARD: chain.unwrap_reward,
    Operation.STAKE: chain.stake,
    Operation.REDEEM: chain.redeem,
    Operation.CLAIM: chain.claim,
    Operation.BORROW: chain.borrow,
    Operation.REPAY: chain.repay,
    Operation.FLASH_BORROW: chain.flash_borrow,
    Operation.FLASH_REPAY: chain.flash_repay,
}
