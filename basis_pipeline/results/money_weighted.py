"""The money-weighted return: what every unit of money earned while it was in the book (internal rate of return)."""

from __future__ import annotations

import math

import numpy as np

from basis_pipeline.results.columns import FloatArray

_WIDEST_GROWTH = math.log(1e9)
"""Bounds of the search for a money-weighted return: a billionfold either way."""


def money_weighted_return(amounts: FloatArray, shares: FloatArray, end: float) -> float | None:
    """Growth g - 1 with sum(amounts x g ** shares) = end, by bisection of log g; None where no such g is found.

    Args:
        amounts: capital at the start and flows since, positive = into the book.
        shares: fraction of the range that each was in the book.
        end: equity at the end of the range.
    """
    low, high = -_WIDEST_GROWTH, _WIDEST_GROWTH

    def excess(log_growth: float) -> float:
        return float(np.sum(amounts * np.exp(log_growth * shares))) - end

    if not excess(low) < 0.0 < excess(high):
        return None
    while high - low > 1e-15 * max(1.0, abs(low)):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if excess(middle) < 0.0 else (low, middle)
    return math.expm1(low)
