"""The answer to "what would this order do": deltas and the costs contained in them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from basis_pipeline.domain.deltas import PositionDelta


class Quote(msgspec.Struct, frozen=True):
    """Deltas of an order and the costs contained in them (USDT, positive = paid)."""

    deltas: tuple[PositionDelta, ...]
    price: float | None = None
    fee: float = 0.0
    slippage: float = 0.0
    gas: float = 0.0


class Holdings(msgspec.Struct):
    """Quantities and perp entry prices by slot that a quote is computed on."""

    quantities: Sequence[float]
    entry_prices: Sequence[float]
