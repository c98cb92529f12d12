"""The market of a month as the gates see it: straight from the data, past the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.gates.columns import Floats, Ints


class MonthMarket(NamedTuple):
    """One row per timestep of the month, one column per slot; before them a row for the moment before the month.

    Before an opening, where nothing is held, that row repeats the first one.

    Attributes:
        timestamps: microseconds UTC of the steps of the month, without the row before them.
        price: USDT per unit of the slot's asset.
        mark: USDT per base unit of a perp; `price` for other slots.
        last: USDT, the venue's own last price that fills refer to.
        low, high: USDT, extremes of a perp in the bar that ended at the step; `price` for other slots.
        underlying: signed units of the asset per stored unit: sign x index x ratio; 1 for a perp.
        funding: rate settled at the step, 0 where nothing settles; positive: longs pay shorts.
        usd: USD per USDT, one per row.
    """

    timestamps: Ints
    price: Floats
    mark: Floats
    last: Floats
    low: Floats
    high: Floats
    underlying: Floats
    funding: Floats
    usd: Floats

    @classmethod
    def of(cls, snapshots: Sequence[MarketSnapshot], before: MarketSnapshot | None) -> MonthMarket:
        """From what the feed gave at the steps of the month, and at the last step of the month before."""
        rows = [before or snapshots[0], *snapshots]
        calm = (0.0,) * len(rows[0].price)
        return cls(
            timestamps=np.array([row.timestamp for row in snapshots], dtype=np.int64),
            price=np.array([row.price for row in rows]),
            mark=np.array([row.mark for row in rows]),
            last=np.array([row.last for row in rows]),
            low=np.array([row.low for row in rows]),
            high=np.array([row.high for row in rows]),
            underlying=np.array([row.underlying for row in rows]),
            funding=np.array([row.funding or calm for row in rows]),
            usd=np.array([row.usd for row in rows]),
        )
