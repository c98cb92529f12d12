"""Gate on fills: what was paid and received were prices of the market, moved against the book and never for it."""

from __future__ import annotations

import numpy as np

from basis_pipeline.domain.deltas import BRACKET_CLOSES, DeltaSource
from basis_pipeline.gates.columns import Bools, equal_to, integers, largest, numbers, positions_in, present
from basis_pipeline.gates.evidence import MonthEvidence
from basis_pipeline.gates.findings import OFF_THE_MARKET, Finding


def fills_at_market(evidence: MonthEvidence) -> Finding:
    """A trade refers to its venue's last price at its step, a stop to a price of the bar that ended then.

    Largest of: reference price beside the last price, or outside [low, high] of the bar; fill better for the book than
    its reference (bought below it, sold above it). As a fraction of the reference price.
    """
    if not evidence.aligned:
        return OFF_THE_MARKET
    deltas = evidence.tables["deltas"]
    stopped = np.any([equal_to(deltas, "source", source) for source in BRACKET_CLOSES], axis=0)
    priced: Bools = (equal_to(deltas, "source", DeltaSource.TRADE) | stopped) & present(deltas, "reference_price")
    if not priced.any():
        return Finding(violated=False, message="nothing was traded", value=0.0)
    fills, stopped = deltas.filter(priced), stopped[priced]
    stamps, market = integers(fills, "timestamp"), evidence.market
    at = np.searchsorted(market.timestamps, stamps) + 1, positions_in(evidence.universe.keys, fills, "position_key")
    price, reference = numbers(fills, "price"), numbers(fills, "reference_price")
    low, high = (np.where(stopped, bound[at], market.last[at]) for bound in (market.low, market.high))
    outside = np.maximum(low - reference, reference - high)
    better = np.sign(numbers(fills, "delta_amount")) * (reference - price)
    worst = largest(np.maximum(0.0, np.maximum(outside, better) / reference), stamps)
    return Finding(
        violated=worst.value > evidence.profile.thresholds.closing_tolerance,
        message=f"{len(stamps)} fills, largest distance from what the market allowed, as a fraction of price: {worst}",
        value=worst.value,
    )
