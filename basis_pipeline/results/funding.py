"""Settled funding by venue, from the deltas."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.position_keys import PositionKey
from basis_pipeline.results.tables import USDT


def settled_funding(deltas: pa.Table) -> pa.Table:
    """Funding settlements: `timestamp`, `venue` and `usdt`, positive = received.

    A settlement in the coin of an inverse contract counts at the mark it was computed on.
    """
    settled = deltas.filter(pc.equal(deltas["source"], DeltaSource.FUNDING))
    keys = [PositionKey.parse(key) for key in settled["position_key"].to_pylist()]
    in_usdt = pa.array([key.symbol == USDT for key in keys], pa.bool_())
    prices = pc.if_else(in_usdt, 1.0, settled["price"])
    return pa.table(
        {
            "timestamp": settled["timestamp"],
            "venue": pa.array([key.venue for key in keys], pa.string()),
            "usdt": pc.multiply(settled["delta_amount"], prices),
        }
    )


def funding_by_venue(deltas: pa.Table) -> dict[str, float]:
    """Settled funding in USDT by venue, positive = received."""
    sums: dict[str, float] = {}
    settled = settled_funding(deltas)
    for venue, amount in zip(settled["venue"].to_pylist(), settled["usdt"].to_pylist(), strict=True):
        sums[venue] = sums.get(venue, 0.0) + amount
    return dict(sorted(sums.items()))
