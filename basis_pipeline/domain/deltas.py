"""One change of one position, whatever caused it (R23, R25)."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from basis_pipeline.domain.brackets import Bracket


class DeltaSource(StrEnum):
    INITIAL = "initial"
    TRADE = "trade"
    TRANSFER = "transfer"
    FEE = "fee"
    GAS = "gas"
    FUNDING = "funding"
    REWARD = "reward"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    LIQUIDATION = "liquidation"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    ADJUSTMENT = "adjustment"
    RECEIPT = "receipt"


BRACKET_CLOSES = frozenset({DeltaSource.STOP_LOSS, DeltaSource.TAKE_PROFIT})
"""Sources that close a position inside a bar, at a price of that bar."""

EXTERNAL_FLOWS = frozenset({DeltaSource.INITIAL, DeltaSource.DEPOSIT, DeltaSource.WITHDRAWAL, DeltaSource.RECEIPT})
"""Sources that change equity without being profit or loss."""


class PositionDelta(msgspec.Struct, frozen=True, gc=False):
    """A signed change of the stored quantity at `slot`.

    Attributes:
        slot: the position.
        amount: signed change, in the units of the slot (scaled for Aave, base quantity for perps).
        source: what caused it.
        operation_id: the order it belongs to; 0 for settlements and flows.
        price: fill price of the base or perp leg, liquidation price, mark of a funding settlement, or market price of
            a reward at receipt; USDT.
        reference_price: what the fill is measured against, the venue's last price; USDT.
        fee: fee stated for this leg, USDT, positive = paid. Already contained in the amounts, never applied again.
        rate: funding rate of the settlement, or reward tokens per eETH of the period.
        reference_quantity: quantity the settlement was computed on: of a perp before any trade at its timestamp, of a
            reward the time-weighted eETH held.
        bracket: of a fill that opens or flips a perp position, the levels that will close it.
    """

    slot: int
    amount: float
    source: DeltaSource
    operation_id: int = 0
    price: float | None = None
    reference_price: float | None = None
    fee: float = 0.0
    rate: float | None = None
    reference_quantity: float | None = None
    bracket: Bracket | None = None
