"""Where cash has to be for a plan: rolls that realise profit, and transfers between wallet and venues.

Unrealised profit is not cash: it buys nothing and leaves no venue. Before a short that has
gained is enlarged, as much of it is closed and reopened as turns the missing cash from profit into cash.
"""

from __future__ import annotations

from collections.abc import Mapping

from basis_pipeline.domain.orders import Operation, Side
from basis_pipeline.domain.protocols import Targets
from basis_pipeline.domain.settings import EngineSettings, MarginAccount
from basis_pipeline.domain.valuation import round_up
from basis_pipeline.engine.planning.projection import ProjectedBook


def roll_shorts(book: ProjectedBook, targets: Targets, settings: EngineSettings) -> None:
    """Close and reopen shorts in profit where the plan would leave less cash than the floor at a venue.

    d = shortfall / (entry - price) base units, at most the whole position; both legs pay fees, tagged `roll`.
    """
    for account in settings.margin_accounts:
        if account.cash_slot not in targets.margins:
            continue
        planned_cash = targets.margins[account.cash_slot] - book.unrealised(account)
        notional = sum(abs(targets.quantities[slot]) * book.market.mark[slot] for slot in account.perp_slots)
        shortfall = settings.cash_floor * notional - planned_cash
        for slot in account.perp_slots:
            held, gain = -book.quantities[slot], book.entries[slot] - book.market.last[slot]
            if shortfall <= 0.0 or held <= 0.0 or gain <= 0.0:
                continue
            rules = settings.rules_of(account.venue).trades[slot]
            quantity = min(held, round_up(shortfall / gain, rules.lot))
            if quantity * book.market.last[slot] < rules.min_notional:
                continue
            book.trade(slot, quantity, Side.BUY, tag="roll")
            book.trade(slot, quantity, Side.SELL, tag="roll")
            shortfall -= quantity * gain


def move_cash(book: ProjectedBook, targets: Targets, settings: EngineSettings, purchases: Mapping[int, float]) -> None:
    """Transfer from slots that hold more than they need to those that hold less; the wallet is topped up first.

    `purchases` is what the plan is about to spend on spot, USDT by cash slot.
    """
    wanted = _wanted(book, targets, settings, purchases)
    gaps = {slot: book.quantities[slot] + book.in_transit(slot) - amount for slot, amount in wanted.items()}
    sinks = sorted(
        (slot for slot, gap in gaps.items() if gap < 0.0), key=lambda slot: (slot not in targets.wallet, slot)
    )
    for sink in sinks:
        for source in sorted((slot for slot, gap in gaps.items() if gap > 0.0), key=lambda slot: (-gaps[slot], slot)):
            if not may_move(settings, source, sink):
                continue
            amount = min(-gaps[sink], gaps[source], _movable(book, settings, source))
            if amount * book.market.value[source] < settings.steering_limits.min_trade:
                continue
            book.transfer(source, sink, amount)
            gaps[sink] += amount
            gaps[source] -= amount


def sweep_to_wallet(book: ProjectedBook, settings: EngineSettings) -> None:
    """After an exit: everything that venues let go of returns to the capital slot; margin of open perps stays.

    Real venues withdraw no small amounts: where transfers take time, less than a trade is worth is left behind.
    """
    least = settings.steering_limits.min_trade if settings.linked else 0.0
    for slot in dict.fromkeys([*(account.cash_slot for account in settings.margin_accounts), *_proceeds(settings)]):
        account = _account_of(settings, slot)
        if account is not None and book.notional(account):
            continue
        amount = _movable(book, settings, slot)
        if amount > least and slot != settings.capital_slot and may_move(settings, slot, settings.capital_slot):
            book.transfer(slot, settings.capital_slot, amount)


def may_move(settings: EngineSettings, source: int, target: int) -> bool:
    """Whether funds can be transferred from one slot to the other."""
    venues = {settings.universe.instruments[slot].key.venue for slot in (source, target)}
    return settings.linked is None or venues <= settings.linked


def _wanted(
    book: ProjectedBook, targets: Targets, settings: EngineSettings, purchases: Mapping[int, float]
) -> dict[int, float]:
    """Tokens each cash slot should hold once cash has moved and before anything is bought."""
    staked = settings.stack.eth_slot if settings.stack else None
    cash = {slot: amount for slot, amount in targets.wallet.items() if slot != staked}
    wanted = dict.fromkeys(_proceeds(settings), 0.0) | cash
    for account in settings.margin_accounts:
        if account.cash_slot in targets.margins:
            wanted[account.cash_slot] = targets.margins[account.cash_slot] - book.unrealised(account)
    for slot, cost in purchases.items():
        wanted[slot] = wanted.get(slot, 0.0) + cost
    return wanted


def _proceeds(settings: EngineSettings) -> list[int]:
    """Cash slots that sales of spot are paid into; the spot venue need not be one with shorts."""
    return [route.counter_slot for route in settings.routes.values() if route.operation is Operation.SPOT_TRADE]


def _movable(book: ProjectedBook, settings: EngineSettings, slot: int) -> float:
    """Tokens that can leave a slot and still pay the transfer fee."""
    account = _account_of(settings, slot)
    free = book.withdrawable(account) if account else book.quantities[slot]
    venue = settings.universe.instruments[slot].key.venue
    fee = settings.rules_of(venue).transfer_fee / book.market.value[slot]
    return max(0.0, min(free, book.quantities[slot] - fee))


def _account_of(settings: EngineSettings, slot: int) -> MarginAccount | None:
    return next((account for account in settings.margin_accounts if account.cash_slot == slot), None)
