"""The only implementations of perp and scaled-balance bookkeeping. Pure functions, vectorised over numpy where useful.

Sources: Aave V3 technical paper (scaled balances, compounded interest); linear perpetuals as Binance USD-M and Bybit
book them (average entry, realised P&L at reduction); inverse perpetuals as BitMEX XBTUSD, Bybit BTCUSD and Binance
COIN-M book them.

A linear perp counts base units and settles in USDT. An inverse perp counts USD contracts and settles in its coin.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from basis_pipeline.domain.timeline import YEAR


class PerpFill(NamedTuple):
    """Position after a fill: signed quantity, average entry price, P&L realised (settlement currency, + = gain)."""

    quantity: float
    entry_price: float
    realised: float


def fill_perp(quantity: float, entry_price: float, change: float, price: float) -> PerpFill:
    """Apply a signed `change` at `price` to a linear perp position.

    Same side: the entry becomes the quantity-weighted average. Reduction: realised = sign(quantity) x |closed| x
    (price - entry), entry unchanged. Flip: everything is closed first, then the rest opens at `price`.
    """
    after = quantity + change
    if quantity == 0.0 or (quantity > 0.0) == (change > 0.0):
        entry = (quantity * entry_price + change * price) / after if after else 0.0
        return PerpFill(after, entry, 0.0)
    closed = min(abs(change), abs(quantity))
    realised = math.copysign(closed, quantity) * (price - entry_price)
    if after == 0.0:
        return PerpFill(0.0, 0.0, realised)
    flipped = (after > 0.0) != (quantity > 0.0)
    return PerpFill(after, price if flipped else entry_price, realised)


def unrealised_pnl(quantity: float, entry_price: float, mark: float) -> float:
    """USDT P&L of an open linear perp: quantity x (mark - entry); a short gains when the mark falls."""
    return quantity * (mark - entry_price)


def funding_payment(quantity: float, mark: float, rate: float) -> float:
    """USDT credited to the holder: -quantity x mark x rate; a short receives while the rate is positive."""
    return -quantity * mark * rate


def fill_inverse(contracts: float, entry_price: float, change: float, price: float) -> PerpFill:
    """Apply a signed `change` of USD contracts at `price` to an inverse perp; realised P&L in coins.

    Same side: the entry is the contract-weighted harmonic mean, so that coins paid = contracts / entry. Otherwise as
    `fill_perp`, with `inverse_pnl` for what is closed.
    """
    after = contracts + change
    if contracts == 0.0 or (contracts > 0.0) == (change > 0.0):
        entry = after / (contracts / entry_price + change / price) if contracts else price
        return PerpFill(after, entry, 0.0)
    closed = math.copysign(min(abs(change), abs(contracts)), contracts)
    realised = inverse_pnl(closed, entry_price, price)
    if after == 0.0:
        return PerpFill(0.0, 0.0, realised)
    flipped = (after > 0.0) != (contracts > 0.0)
    return PerpFill(after, price if flipped else entry_price, realised)


def inverse_pnl(contracts: float, entry_price: float, mark: float) -> float:
    """Coins earned by an open inverse perp: contracts x (1 / entry - 1 / mark); 0 for no position."""
    return contracts * (1.0 / entry_price - 1.0 / mark) if contracts else 0.0


def inverse_funding(contracts: float, mark: float, rate: float) -> float:
    """Coins credited to the holder: -contracts / mark x rate; a short receives while the rate is positive."""
    return -contracts / mark * rate


def linear_notional(quantity: float, mark: float) -> float:
    """USDT: |quantity| x mark."""
    return abs(quantity) * mark


def inverse_notional(contracts: float, mark: float) -> float:
    """Coins: |contracts| / mark."""
    return abs(contracts) / mark


class PerpContract(NamedTuple):
    """How one kind of perp is booked; every amount is in its settlement currency.

    Attributes:
        fill: (quantity, entry, change, price) -> position after it and P&L realised.
        pnl: (quantity, from price, to price) -> gain of holding `quantity` between two prices.
        notional: (quantity, mark) -> size of the position, not negative.
        funding: (quantity, mark, rate) -> amount credited to the holder.
    """

    fill: Callable[[float, float, float, float], PerpFill]
    pnl: Callable[[float, float, float], float]
    notional: Callable[[float, float], float]
    funding: Callable[[float, float, float], float]


LINEAR = PerpContract(fill_perp, unrealised_pnl, linear_notional, funding_payment)
INVERSE = PerpContract(fill_inverse, inverse_pnl, inverse_notional, inverse_funding)


def scale(amount: float, index: float) -> float:
    """Scaled balance of `amount` supplied or borrowed at `index`."""
    return amount / index


def unscale(scaled: float, index: float) -> float:
    """Underlying amount of a scaled balance at `index`."""
    return scaled * index


def accrued_liquidity_index(index: float, rate: float, elapsed: float) -> float:
    """Supply index after `elapsed` microseconds at APR `rate` (fraction): linear, as Aave accrues suppliers."""
    return index * (1.0 + rate * elapsed / YEAR)


def accrued_borrow_index(index: float, rate: float, elapsed: float) -> float:
    """Variable borrow index after `elapsed` microseconds at APR `rate`: continuous limit of Aave's compounding."""
    return index * math.exp(rate * elapsed / YEAR)
