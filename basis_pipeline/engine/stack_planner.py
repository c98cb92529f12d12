"""Staked ETH, plain or levered on a lending venue, as one transaction each way (domain G5, G6, H8).

Levering borrows and mints inside one atomic group, so that no step is ever left naked; a stack is reduced through a
pool, never through the redemption queue, which takes days and cannot sit inside a transaction.
"""

from __future__ import annotations

from basis_pipeline.domain.accounting import unscale
from basis_pipeline.domain.orders import Operation, Order, Side
from basis_pipeline.domain.protocols import Targets
from basis_pipeline.domain.quotes_chain import gas_in_slot
from basis_pipeline.domain.settings import EngineSettings, StackRoute
from basis_pipeline.engine.projection import ProjectedBook

PROCEEDS_MARGIN = 1e-9
"""More collateral than exactly needed is sold for a flash loan, so that float noise never leaves it unpaid."""


def release_stack(book: ProjectedBook, targets: Targets, settings: EngineSettings) -> None:
    """Sell what is staked beyond the target, and repay what is owed beyond it."""
    stack = settings.stack
    if stack is None or stack.held_slot not in targets.quantities:
        return
    surplus = held_tokens(book, stack) - targets.quantities[stack.held_slot]
    repayment = 0.0
    if stack.debt_slot is not None:
        repayment = max(0.0, owed_tokens(book, stack.debt_slot) - targets.quantities[stack.debt_slot])
    if repayment > 0.0:
        surplus = max(surplus, _tokens_for(book, settings, stack, repayment))
    if surplus * book.market.value[stack.lst_slot] < settings.steering_limits.min_trade:
        return
    surplus = min(surplus, held_tokens(book, stack))
    if stack.collateral_slot is None:
        book.submit(_order(book, stack.dex, Operation.SWAP, stack.lst_slot, stack.eth_slot, surplus))
        return
    book.submit(_delever(book, stack, surplus, repayment))


def acquire_stack(book: ProjectedBook, targets: Targets, settings: EngineSettings) -> None:
    """Stake free ETH up to the target; with debt, mint and borrow in one group."""
    stack = settings.stack
    if stack is None or stack.held_slot not in targets.quantities:
        return
    ratio = book.market.ratio[stack.lst_slot]
    mint = (targets.quantities[stack.held_slot] - held_tokens(book, stack)) * ratio
    loan = 0.0
    if stack.debt_slot is not None:
        loan = max(0.0, targets.quantities[stack.debt_slot] - owed_tokens(book, stack.debt_slot))
    own = min(mint - loan, _free_eth(book, targets, settings, stack))
    if (own + loan) * book.market.value[stack.eth_slot] < settings.steering_limits.min_trade or own < 0.0:
        return
    if stack.collateral_slot is None:
        book.submit(_order(book, stack.staking, Operation.STAKE, stack.eth_slot, stack.lst_slot, own))
        return
    book.submit(_lever(book, stack, own, loan))


def held_tokens(book: ProjectedBook, stack: StackRoute) -> float:
    """LST units held, as collateral or in the wallet."""
    slot = stack.held_slot
    return unscale(book.quantities[slot], book.market.index[slot])


def owed_tokens(book: ProjectedBook, debt_slot: int) -> float:
    return unscale(book.quantities[debt_slot], book.market.index[debt_slot])


def _lever(book: ProjectedBook, stack: StackRoute, own: float, loan: float) -> Order:
    """Flash-borrow F, stake own + F, supply the LST, borrow what the loan costs, repay it."""
    assert stack.collateral_slot is not None
    assert stack.debt_slot is not None
    minted = (own + loan) / book.market.ratio[stack.lst_slot]
    steps = [
        _order(book, stack.staking, Operation.STAKE, stack.eth_slot, stack.lst_slot, own + loan),
        _order(book, stack.lending, Operation.SUPPLY, stack.lst_slot, stack.collateral_slot, minted),
    ]
    if loan > 0.0:
        due = loan * (1.0 + stack.flash_fee)
        steps = [
            _order(book, stack.executor, Operation.FLASH_BORROW, stack.eth_slot, stack.eth_slot, loan),
            *steps,
            _order(book, stack.lending, Operation.BORROW, stack.debt_slot, stack.eth_slot, due),
            _order(book, stack.executor, Operation.FLASH_REPAY, stack.eth_slot, stack.eth_slot, loan),
        ]
    return _group(book, stack, Operation.ATOMIC_LEVER, own + loan, steps)


def _delever(book: ProjectedBook, stack: StackRoute, tokens: float, repayment: float) -> Order:
    """Flash-borrow what is repaid, repay, withdraw the collateral, swap it, pay the loan back; the rest is free ETH."""
    assert stack.collateral_slot is not None
    assert stack.debt_slot is not None
    steps = [
        _order(book, stack.lending, Operation.WITHDRAW, stack.collateral_slot, stack.lst_slot, tokens),
        _order(book, stack.dex, Operation.SWAP, stack.lst_slot, stack.eth_slot, tokens),
    ]
    if repayment > 0.0:
        steps = [
            _order(book, stack.executor, Operation.FLASH_BORROW, stack.eth_slot, stack.eth_slot, repayment),
            _order(book, stack.lending, Operation.REPAY, stack.debt_slot, stack.eth_slot, repayment),
            *steps,
            _order(book, stack.executor, Operation.FLASH_REPAY, stack.eth_slot, stack.eth_slot, repayment),
        ]
    return _group(book, stack, Operation.ATOMIC_DELEVER, tokens, steps)


def _group(book: ProjectedBook, stack: StackRoute, operation: Operation, size: float, steps: list[Order]) -> Order:
    return Order(
        venue=stack.executor,
        operation=operation,
        slot=stack.eth_slot,
        counter_slot=stack.held_slot,
        quantity=size,
        action=book.action,
        steps=tuple(steps),
    )


def _order(
    book: ProjectedBook, venue: str, operation: Operation, slot: int, counter_slot: int, quantity: float
) -> Order:
    side = Side.SELL if operation is Operation.SWAP else None
    return Order(
        venue=venue,
        operation=operation,
        slot=slot,
        counter_slot=counter_slot,
        quantity=quantity,
        action=book.action,
        side=side,
    )


def _tokens_for(book: ProjectedBook, settings: EngineSettings, stack: StackRoute, repayment: float) -> float:
    """LST units whose sale pays back a flash loan of `repayment` ETH, slippage included."""
    rules = settings.rules_of(stack.dex).trades[stack.lst_slot]
    due = repayment * (1.0 + stack.flash_fee) * (1.0 + PROCEEDS_MARGIN)
    eth_price, price = book.market.value[stack.eth_slot], book.market.last[stack.lst_slot]
    slip = rules.slippage.fraction(due * eth_price * book.market.usd)
    slip = rules.slippage.fraction(due * eth_price / (1.0 - slip) * book.market.usd)
    return due * eth_price / (price * (1.0 - slip)) * (1.0 + slip * slip)


def _free_eth(book: ProjectedBook, targets: Targets, settings: EngineSettings, stack: StackRoute) -> float:
    """ETH in the wallet beyond the reserve, which pays the gas; without a reserve the gas itself is kept."""
    kept = targets.wallet.get(stack.eth_slot, 0.0)
    if settings.gas_slot == stack.eth_slot:
        operation, venue = Operation.ATOMIC_LEVER, stack.executor
        if stack.collateral_slot is None:
            operation, venue = Operation.STAKE, stack.staking
        kept = max(kept, gas_in_slot(operation, venue, book.market, settings))
    return book.quantities[stack.eth_slot] - kept
