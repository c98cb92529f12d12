"""Staked ETH, plain or levered on a lending venue, as one transaction each way.

Levering borrows and mints inside one atomic group, so that no step is ever left naked. A stack is reduced through a
pool; the redemption queue takes days and serves only withdrawals from a plain stack, and only where it is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from basis_pipeline.domain.accounting import unscale
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Operation, Order, Side
from basis_pipeline.domain.protocols import Targets
from basis_pipeline.domain.quotes_chain import gas_in_slot
from basis_pipeline.domain.settings import EngineSettings, StackRoute
from basis_pipeline.engine.planning.projection import ProjectedBook

PROCEEDS_MARGIN = 1e-9
"""More collateral than exactly needed is sold for a flash loan, so that float noise never leaves it unpaid."""


def release_stack(book: ProjectedBook, targets: Targets, settings: EngineSettings, *, selling: float = 0.0) -> None:
    """Sell what is staked beyond the target, and repay what is owed beyond it.

    While ETH of an earlier sale is on its way (`selling`), no more is sold for the little that the price has moved.
    """
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
    if selling and surplus <= settings.steering_limits.leg_deviation * held_tokens(book, stack):
        return
    surplus = min(surplus, held_tokens(book, stack))
    orders = _Orders(book, stack)
    if stack.levered:
        book.submit(orders.delever(surplus, repayment))
    else:
        book.submit(orders.redeem(surplus) if stack.queues and targets.patient else orders.sell(surplus))


def acquire_stack(book: ProjectedBook, targets: Targets, settings: EngineSettings) -> None:
    """Stake free ETH up to the target; with debt, mint and borrow in one group."""
    stack = settings.stack
    if stack is None or stack.held_slot not in targets.quantities:
        return
    ratio = book.market.ratio[stack.lst_slot]
    staked, wanted = held_tokens(book, stack) * ratio, targets.quantities[stack.held_slot] * ratio
    owed = limit = 0.0
    if stack.debt_slot is not None:
        owed, limit = owed_tokens(book, stack.debt_slot), targets.quantities[stack.debt_slot]
    missing = wanted - staked - (limit - owed)
    _stake(book, targets, settings, stack, min(missing, _free_eth(book, targets, settings, stack)))


def stake_arrived(book: ProjectedBook, targets: Targets, settings: EngineSettings, spot_slot: int) -> bool:
    """Stake ETH that was sent for and has arrived, all of it: it was bought and hedged at the price of then.

    False where there is none, or where transfers take no time and all is one plan.
    """
    stack = settings.stack
    if (
        stack is None
        or spot_slot not in settings.receivables
        or not arrived_eth(book.quantities, book.market, settings)
    ):
        return False
    _stake(book, targets, settings, stack, _free_eth(book, targets, settings, stack))
    return True


def arrived_eth(quantities: Sequence[float], market: MarketSnapshot, settings: EngineSettings) -> float:
    """ETH in the wallet of a hedged stack that is worth staking, beyond what pays the gas; 0 if it is not worth it."""
    if settings.stack is None:
        return 0.0
    slot = settings.stack.eth_slot
    free = quantities[slot] - settings.gas_tank
    return free if free * market.value[slot] >= settings.steering_limits.min_trade else 0.0


def _stake(book: ProjectedBook, targets: Targets, settings: EngineSettings, stack: StackRoute, eth: float) -> None:
    """Stake `eth`, and as much more on credit as the loan to value of the targets allows."""
    staked, wanted = (
        tokens * book.market.ratio[stack.lst_slot]
        for tokens in (held_tokens(book, stack), targets.quantities[stack.held_slot])
    )
    own, owed, limit = max(0.0, eth), 0.0, 0.0
    if stack.debt_slot is not None:
        owed, limit = owed_tokens(book, stack.debt_slot), targets.quantities[stack.debt_slot]
    loan = max(0.0, _loan(staked + own, owed, limit / wanted if wanted else 0.0, stack.flash_fee))
    if (own + loan) * book.market.value[stack.eth_slot] < settings.steering_limits.min_trade:
        return
    orders = _Orders(book, stack)
    book.submit(orders.lever(own, loan) if stack.levered else orders.stake(own))


def _loan(own: float, owed: float, loan_to_value: float, flash_fee: float) -> float:
    """Flash loan F that ends at the loan to value l: (owed + F (1 + fee)) / (own + F) = l, all in ETH."""
    return (loan_to_value * own - owed) / (1.0 + flash_fee - loan_to_value)


def eth_to_exchange(book: ProjectedBook, settings: EngineSettings, spot_slot: int) -> None:
    """ETH that a hedged stack has set free goes where it is sold."""
    if settings.stack is not None:
        _move(book, settings, settings.stack.eth_slot, spot_slot, kept=settings.gas_tank)


def eth_to_wallet(book: ProjectedBook, settings: EngineSettings, spot_slot: int) -> None:
    """ETH that was bought for a hedged stack goes where it is staked."""
    if settings.stack is not None:
        _move(book, settings, spot_slot, settings.stack.eth_slot)


def _move(book: ProjectedBook, settings: EngineSettings, source: int, target: int, *, kept: float = 0.0) -> None:
    """Everything but the fee and what is `kept`, if it is worth moving."""
    venue = settings.universe.instruments[source].key.venue
    price = book.market.value[source]
    quantity = book.quantities[source] - kept - settings.rules_of(venue).transfer_fee / price
    if quantity * price >= settings.steering_limits.min_trade:
        book.transfer(source, target, quantity)


def held_tokens(book: ProjectedBook, stack: StackRoute) -> float:
    """LST units held, as collateral or in the wallet."""
    slot = stack.held_slot
    return unscale(book.quantities[slot], book.market.index[slot])


def owed_tokens(book: ProjectedBook, debt_slot: int) -> float:
    return unscale(book.quantities[debt_slot], book.market.index[debt_slot])


class _Orders:
    """The orders a stack is built and reduced with."""

    def __init__(self, book: ProjectedBook, stack: StackRoute) -> None:
        self._book = book
        self._stack = stack

    def stake(self, eth: float) -> Order:
        return self._order(self._stack.staking, Operation.STAKE, (self._stack.eth_slot, self._stack.lst_slot), eth)

    def sell(self, tokens: float) -> Order:
        return self._order(self._stack.dex, Operation.SWAP, (self._stack.lst_slot, self._stack.eth_slot), tokens)

    def redeem(self, tokens: float) -> Order:
        return self._order(self._stack.staking, Operation.REDEEM, (self._stack.lst_slot, self._stack.eth_slot), tokens)

    def lever(self, own: float, loan: float) -> Order:
        """Flash-borrow F, stake own + F, supply the LST, borrow what the loan costs, repay it."""
        stack = self._stack
        minted = (own + loan) / self._book.market.ratio[stack.lst_slot]
        supply = self._order(stack.lending, Operation.SUPPLY, (stack.lst_slot, stack.held_slot), minted)
        steps = [self.stake(own + loan), supply]
        if loan > 0.0:
            debt = (stack.owed_slot, stack.eth_slot)
            due = loan * (1.0 + stack.flash_fee)
            steps = [self._flash(Operation.FLASH_BORROW, loan), *steps]
            steps += [self._order(stack.lending, Operation.BORROW, debt, due), self._flash(Operation.FLASH_REPAY, loan)]
        return self._group(Operation.ATOMIC_LEVER, own + loan, steps)

    def delever(self, tokens: float, repayment: float) -> Order:
        """Flash-borrow what is repaid, repay, withdraw and swap collateral, pay the loan back; the rest is free ETH."""
        stack = self._stack
        withdraw = self._order(stack.lending, Operation.WITHDRAW, (stack.held_slot, stack.lst_slot), tokens)
        steps = [withdraw, self.sell(tokens)]
        if repayment > 0.0:
            repay = self._order(stack.lending, Operation.REPAY, (stack.owed_slot, stack.eth_slot), repayment)
            steps = [self._flash(Operation.FLASH_BORROW, repayment), repay, *steps]
            steps.append(self._flash(Operation.FLASH_REPAY, repayment))
        return self._group(Operation.ATOMIC_DELEVER, tokens, steps)

    def _flash(self, operation: Operation, quantity: float) -> Order:
        return self._order(self._stack.executor, operation, (self._stack.eth_slot, self._stack.eth_slot), quantity)

    def _group(self, operation: Operation, size: float, steps: list[Order]) -> Order:
        slots = (self._stack.eth_slot, self._stack.held_slot)
        return replace(self._order(self._stack.executor, operation, slots, size), steps=tuple(steps))

    def _order(self, venue: str, operation: Operation, slots: tuple[int, int], quantity: float) -> Order:
        return Order(
            venue=venue,
            operation=operation,
            slot=slots[0],
            counter_slot=slots[1],
            quantity=quantity,
            action=self._book.action,
            side=Side.SELL if operation is Operation.SWAP else None,
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
    kept = max(targets.wallet.get(stack.eth_slot, 0.0), settings.gas_tank)
    if settings.gas_slot == stack.eth_slot:
        operation, venue = Operation.STAKE, stack.staking
        if stack.levered:
            operation, venue = Operation.ATOMIC_LEVER, stack.executor
        kept = max(kept, gas_in_slot(operation, venue, book.market, settings))
    return book.quantities[stack.eth_slot] - kept
