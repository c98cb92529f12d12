"""The only implementations of perp and scaled-balance bookkeeping. Pure functions, vectorised over numpy where useful.

Sources: Aave V3 technical paper (scaled balances, compounded interest); linear perpetuals as Binance USD-M and Bybit
book them (average entry, realised P&L at reduction). Conventions: domain V4, B5, D2, D3.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from basis_pipeline.domain.timeline import YEAR


class PerpFill(NamedTuple):
    """Position after a fill: signed quantity, average entry price, P&L realised by it (USDT, + = gain)."""

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
