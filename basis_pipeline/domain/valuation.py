"""The only implementations of margin, liquidation and health-factor formulas (R83)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.position_keys import Instrument
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import LendingAccount, MarginAccount


def margin_ratio(margin_balance: float, notional: float) -> float | None:
    """Margin balance (cash + unrealised P&L) over notional; None without a position, never infinity."""
    return margin_balance / notional if notional > 0.0 else None


def free_margin(margin_balance: float, notional: float, initial_margin: float) -> float:
    """What a venue would let go of: margin balance less the initial margin requirement; may be negative."""
    return margin_balance - initial_margin * notional


def withdrawable(cash: float, margin_balance: float, notional: float, initial_margin: float) -> float:
    """USDT that can leave a venue: unrealised profit is not cash, so never more than cash nor than free margin."""
    return max(0.0, min(cash, free_margin(margin_balance, notional, initial_margin)))


def liquidation_price(cash: float, quantity: float, entry_price: float, maintenance_margin: float) -> float:
    """Mark at which margin balance = maintenance margin x notional, for the only position of a venue.

    Short: (cash + |q| e) / (|q| (1 + MM)). Long: (|q| e - cash) / (|q| (1 - MM)), at least 0.
    """
    size = abs(quantity)
    if quantity < 0.0:
        return (cash + size * entry_price) / (size * (1.0 + maintenance_margin))
    return max(0.0, (size * entry_price - cash) / (size * (1.0 - maintenance_margin)))


def inverse_liquidation_price(coins: float, contracts: float, entry_price: float, maintenance_margin: float) -> float:
    """Mark at which margin balance = maintenance margin x notional, in coins, for the only inverse perp of a venue.

    With c = |contracts|, W = coins. Long: c (1 + MM) / (c / e + W). Short: c (1 - MM) / (c / e - W), infinite where the
    coins alone carry the position at any price. With the closing fee in place of MM this is the bankruptcy price that
    Bybit publishes for its inverse contracts.
    """
    size = abs(contracts)
    entered = size / entry_price
    if contracts > 0.0:
        return size * (1.0 + maintenance_margin) / (entered + coins)
    return size * (1.0 - maintenance_margin) / (entered - coins) if entered > coins else math.inf


class Margin(NamedTuple):
    """Margin balance (cash + unrealised P&L) and notional of an account, in the currency of its cash."""

    balance: float
    notional: float


def margin_of(account: MarginAccount, positions: Positions, prices: Sequence[float]) -> Margin:
    """Margin of a cross-margin account at perp `prices` by slot, e.g. the marks."""
    quantities, contract = positions.quantities, account.contract
    balance, notional = quantities[account.cash_slot], 0.0
    for slot in account.perp_slots:
        if quantity := quantities[slot]:
            balance += contract.pnl(quantity, positions.entry_prices[slot], prices[slot])
            notional += contract.notional(quantity, prices[slot])
    return Margin(balance, notional)


def order_notional(instrument: Instrument, quantity: float, price: float) -> float:
    """What an order of `quantity` at `price` trades, USDT; an inverse contract is worth one USD, taken at par."""
    return quantity if instrument.inverse else quantity * price


def settlement_price(instrument: Instrument, slot: int, market: MarketSnapshot) -> float:
    """USDT per unit of the currency a perp settles in."""
    return market.price[slot] if instrument.inverse else 1.0


def spot_fraction_for(ratio: float) -> float:
    """Spot fraction s of a basis book whose margin ratio (1 - s) / s is `ratio`."""
    return 1.0 / (1.0 + ratio)


def ratio_after_move(ratio: float, move: float) -> float:
    """Margin ratio of a short after the price rises by `move` (fraction): (ratio - move) / (1 + move)."""
    return (ratio - move) / (1.0 + move)


def health_factor(collateral: float, debt: float) -> float | None:
    """Threshold-weighted collateral over debt (same currency); None without debt."""
    return collateral / debt if debt > 0.0 else None


class Health(NamedTuple):
    """Health factor and loan to value of a lending account; None without debt."""

    factor: float | None
    loan_to_value: float | None


def health_of(account: LendingAccount, values: Sequence[float], threshold: float | None = None) -> Health:
    """Health of `account` from signed USDT values by slot (debt negative); `threshold` replaces the configured one."""
    collateral = sum(values[slot] for slot in account.collateral_slots)
    debt = -sum(values[slot] for slot in account.debt_slots)
    if debt <= 0.0:
        return Health(None, None)
    loan_to_value = debt / collateral if collateral > 0.0 else math.inf
    counted = account.liquidation_threshold if threshold is None else threshold
    return Health(health_factor(collateral * counted, debt), loan_to_value)


def round_down(quantity: float, lot: float) -> float:
    """Largest multiple of `lot` that is not above `quantity`; `lot` 0 leaves it alone.

    The tolerance keeps a quantity that is a multiple up to float noise from losing a whole lot; it grows with the
    number of lots, as the noise does.
    """
    if lot == 0.0:
        return quantity
    return round(math.floor(quantity / lot * (1.0 + 1e-15) + 1e-9) * lot, 12)


def round_up(quantity: float, lot: float) -> float:
    """Smallest multiple of `lot` that is not below `quantity`, up to the same tolerance."""
    if lot == 0.0:
        return quantity
    return round(math.ceil(quantity / lot * (1.0 - 1e-15) - 1e-9) * lot, 12)
