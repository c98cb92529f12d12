"""Funding rates: a venue that pays in another order of magnitude states another unit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from basis_pipeline.domain.timeline import HOUR, YEAR
from basis_pipeline.market_data.checks.context import Context
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import Series, Stamps, by_month

_FEWEST = 20
"""Settlements of a month; fewer say nothing about its size."""


def funding_scale(series: Series, context: Context) -> Iterator[Finding]:
    """The mean size of a month's rates against every other venue's at the same stamps; without one, against a bound.

    A percentage read as a fraction is a hundred times what it should be, and follows the others as well as before.
    """
    factor, bound = context.general.funding_factor, context.general.funding_per_year
    others = context.other_venues(series.key)
    for month, stamps in by_month(series.observed["timestamp"].to_numpy(dtype=np.int64)):
        if len(stamps) < _FEWEST:
            continue
        sizes = [pair for other in others if (pair := _sizes(series, other, stamps)) is not None]
        yearly = _size(series, stamps) * _settlements_a_year(series, stamps)
        if sizes and not any(own <= factor * theirs and theirs <= factor * own for own, theirs in sizes):
            said = ", ".join(f"{own:.2e} against {theirs:.2e}" for own, theirs in sizes)
            message = f"the mean rate is of another order of magnitude than at any other venue: {said}."
        elif not sizes and yearly > bound:
            message = f"rates of {yearly:.0%} a year in the mean, and no other venue to confirm them."
        else:
            continue
        remedy = "check the unit: rates are fractions per interval, 0.0001 is one basis point."
        yield Finding("ERROR", "funding_scale", message, remedy, column="funding_rate", month=month, count=len(stamps))


def _sizes(series: Series, other: Series, stamps: Stamps) -> tuple[float, float] | None:
    """Mean absolute rates of both at the stamps that both have; None where they say nothing."""
    common = np.intersect1d(stamps, other.observed["timestamp"].to_numpy(dtype=np.int64))
    if len(common) < _FEWEST:
        return None
    own, theirs = _size(series, common), _size(other, common)
    return (own, theirs) if own and theirs else None


def _size(series: Series, stamps: Stamps) -> float:
    return float(np.abs(series.values("funding_rate")[np.isin(series.stamps, stamps)]).mean())


def _settlements_a_year(series: Series, stamps: Stamps) -> float:
    hours = series.values("interval_hours")[np.isin(series.stamps, stamps)]
    return YEAR / HOUR / float(np.median(hours))
