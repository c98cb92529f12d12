"""Funding rates: a venue that pays in another order of magnitude states another unit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from basis_pipeline.domain.timeline import DAY, HOUR, YEAR
from basis_pipeline.market_data.checks.context import Context
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import Series, Stamps, by_month, first_places

_FEWEST = 20
"""Settlements of a month; fewer say nothing about its size."""
_APART = 5.0
"""Ratio of mean rates that is worth a look; venues of one coin were within 3 in every month of 2024 and 2025."""
_MANY, _AGAINST = 60, 0.5
"""Settlements of a month that say something of its sign, and the correlation that does."""
_NOTABLE, _AROUND = 1e-3, 3 * DAY // 2
"""A rate that is worth a comparison, and how far around it others are looked at."""
_ZEROS, _SHARED = 0.1, 0.5
"""Share of a month's settlements that may be zero, and of these that another venue has as well."""
_UNIT = (
    "check the unit: rates are fractions per interval, 0.0001 is one basis point; real ones are let through by "
    "funding_factor and funding_per_year in configs/data/general.yaml."
)


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
            yield from _apart(sizes, month)
            continue
        yield Finding("ERROR", "funding_scale", message, _UNIT, column="funding_rate", month=month, count=len(stamps))


def _apart(sizes: Sequence[tuple[float, float]], month: str) -> Iterator[Finding]:
    if sizes and not any(own <= _APART * theirs and theirs <= _APART * own for own, theirs in sizes):
        said = ", ".join(f"{own:.2e} against {theirs:.2e}" for own, theirs in sizes)
        message = f"the mean rate is more than {_APART:g} times that of every other venue, or less: {said}; kept."
        remedy = "check that rates are per interval of the file, not per hour, day or year."
        yield Finding("WARN", "funding_apart", message, remedy, column="funding_rate", month=month)


def contradicted_funding(series: Series, context: Context) -> Iterator[Finding]:
    """Settlements many times larger than any other venue's of those days: a few rows in another unit."""
    factor = context.general.funding_factor
    others = [other.observed.set_index("timestamp")["funding_rate"].abs() for other in context.other_venues(series.key)]
    if not others:
        return
    own = series.observed.set_index("timestamp")["funding_rate"].abs()
    large = own[own > _NOTABLE]
    around = np.array([_largest(others, int(stamp)) for stamp in large.index], dtype=np.float64)
    for month, stamps in by_month(large.index.to_numpy(dtype=np.int64)[large.to_numpy() > factor * around]):
        message = (
            f"{len(stamps)} settlements are more than {factor:g} times any other venue's of the days around: "
            f"{first_places(stamps)}."
        )
        yield Finding(
            "ERROR", "contradicted_funding", message, _UNIT, column="funding_rate", month=month, count=len(stamps)
        )


def funding_sign(series: Series, context: Context) -> Iterator[Finding]:
    """Months in which the rates go against those of every other venue: longs that are paid taken for longs that pay."""
    own = series.observed.set_index("timestamp")["funding_rate"]
    others = [other.observed.set_index("timestamp")["funding_rate"] for other in context.other_venues(series.key)]
    for month, stamps in by_month(own.index.to_numpy(dtype=np.int64)):
        found = [
            correlation for other in others if (correlation := _correlation(own.reindex(stamps), other)) is not None
        ]
        if found and max(found) < -_AGAINST:
            told = ", ".join(f"{correlation:+.2f}" for correlation in found)
            message = f"its rates go against those of every other venue (correlation {told}): another sign."
            remedy = "rates are positive where longs pay shorts; correct the file at its source."
            yield Finding(
                "ERROR", "funding_sign", message, remedy, column="funding_rate", month=month, count=len(stamps)
            )


def zero_funding(series: Series, context: Context) -> Iterator[Finding]:
    """Months with many rates of exactly zero where no other venue has them: what is missing, written as a payment."""
    rates = series.observed.set_index("timestamp")["funding_rate"]
    others = [other.observed.set_index("timestamp")["funding_rate"] for other in context.other_venues(series.key)]
    for month, stamps in by_month(rates.index.to_numpy(dtype=np.int64)):
        zeros = stamps[rates.reindex(stamps).to_numpy() == 0.0]
        elsewhere = [other.reindex(zeros).dropna() for other in others]
        alone = not any((other == 0.0).mean() > _SHARED for other in elsewhere if len(other))
        if len(stamps) >= _FEWEST and len(zeros) > _ZEROS * len(stamps) and alone:
            message = f"{len(zeros)} of {len(stamps)} settlements are exactly zero: {first_places(zeros)}."
            remedy = (
                "leave out what is not known: a hole is filled from other venues or refused, a zero is taken as paid."
            )
            yield Finding(
                "ERROR", "zero_funding", message, remedy, column="funding_rate", month=month, count=len(zeros)
            )


def _largest(others: list[pd.Series[float]], stamp: int) -> float:
    """Largest rate of any other venue within a day and a half; infinite where none has any."""
    near = [other.loc[stamp - _AROUND : stamp + _AROUND] for other in others]
    return max((float(rates.max()) for rates in near if len(rates)), default=math.inf)


def _correlation(own: pd.Series[float], other: pd.Series[float]) -> float | None:
    both = pd.concat([own, other], axis=1, join="inner").to_numpy()
    if len(both) < _MANY or (both.std(axis=0) == 0.0).any():
        return None
    return float(np.corrcoef(both.T)[0, 1])


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
