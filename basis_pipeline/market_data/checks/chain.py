"""On-chain series: indices that must not fall, rates that must agree, values that are not observations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from basis_pipeline.domain.timeline import DAY, HOUR, YEAR
from basis_pipeline.market_data.checks.context import Context
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.rules.flags import EARLY, TIP_SPIKE, spikes
from basis_pipeline.market_data.series import Series, by_month, first_places

_MONOTONE = 1e-9
"""Relative fall that is rounding; beyond it an index really fell."""
_RATE_OF = {"liquidity_index": "liquidity_rate", "variable_borrow_index": "variable_borrow_rate"}
_AGAIN = "download the file again."


def index_monotony(series: Series, _context: Context) -> Iterator[Finding]:
    """Aave indices only grow."""
    for column in _RATE_OF:
        for month, fell in by_month(series.stamps[1:][_falls(series, column)]):
            message = f"falls at {first_places(fell)}: not an index of this reserve."
            yield Finding("ERROR", "index_monotony", message, _AGAIN, column=column, month=month, count=len(fell))


def index_growth(series: Series, context: Context) -> Iterator[Finding]:
    """Aave indices grow by their own rates: a level of another reserve, or of another time, jumps past them.

    And no slower: rates that are percentages would be earned between the snapshots.
    """
    hourly = context.peers(SeriesKey("aave_rates_1h", series.key.venue, series.key.symbol))
    for column, rate in _RATE_OF.items():
        rates = pd.Series(series.values(rate))
        lowest = np.minimum(rates.to_numpy()[:-1], rates.to_numpy()[1:])
        highest = np.maximum(rates.to_numpy()[:-1], rates.to_numpy()[1:])
        if hourly is not None:
            by_day = pd.Series(hourly.values(rate)).groupby(hourly.stamps // DAY)
            lowest = np.fmin(lowest, by_day.min().reindex(series.stamps[:-1] // DAY).to_numpy())
            highest = np.fmax(highest, by_day.max().reindex(series.stamps[:-1] // DAY).to_numpy())
        growth, beyond = _growth(series, column), context.general.growth_beyond_rate
        for how, rows in (("faster", growth > highest + beyond), ("slower", growth < lowest - beyond)):
            for month, stamps in by_month(series.stamps[1:][rows]):
                message = (
                    f"grows {how} than its rates say at {first_places(stamps)}: another reserve, rates in percent, "
                    "or a wrong value."
                )
                yield Finding("ERROR", "index_growth", message, _AGAIN, column=column, month=month, count=len(stamps))


def ratio_growth(series: Series, context: Context) -> Iterator[Finding]:
    """Protocol ratios of liquid staking tokens grow by what staking earns: a jump upwards is a wrong value."""
    if not series.key.symbol.endswith("_ETH"):
        return
    observed = Series(series.key, series.frame[~series.frame["interpolated"]])
    jumped = _growth(observed, "price") > context.general.growth_beyond_rate
    for month, stamps in by_month(observed.stamps[1:][jumped]):
        message = f"the ratio jumps upwards at {first_places(stamps)}: no staking yield, a wrong value there or before."
        yield Finding("ERROR", "ratio_growth", message, _AGAIN, column="price", month=month, count=len(stamps))


def ratio_monotony(series: Series, _context: Context) -> Iterator[Finding]:
    """Protocol ratios of liquid staking tokens fall only when stake is slashed."""
    if not series.key.symbol.endswith("_ETH"):
        return
    observed = Series(series.key, series.frame[~series.frame["interpolated"]])
    fell = _falls(observed, "price")
    if fell.any():
        message = f"the ratio falls at {first_places(observed.stamps[1:][fell])}: slashing, or a wrong value."
        yield Finding("WARN", "ratio_monotony", message, column="price", count=int(fell.sum()))


def daily_against_hourly_rates(series: Series, context: Context) -> Iterator[Finding]:
    """Daily and hourly rates of a reserve are the same quantity in the same unit."""
    hourly = context.peers(SeriesKey("aave_rates_1h", series.key.venue, series.key.symbol))
    if hourly is None:
        return
    both = series.frame.merge(hourly.frame, on="timestamp", suffixes=("", "_1h"))
    for column in ("liquidity_rate", "variable_borrow_rate"):
        if not len(both):
            continue
        difference = float(np.median(np.abs(both[column] - both[f"{column}_1h"])))
        if difference > context.general.daily_hourly_rate:
            message = (
                f"differs from the hourly rates by {difference:.2%} a year in the median: another unit or reserve."
            )
            remedy = "check the unit of both files."
            yield Finding("ERROR", "daily_hourly_rate", message, remedy, column=column, count=len(both))
        else:
            message = f"agrees with the hourly rates ({difference * 1e4:.4f} bp in the median)."
            yield Finding("INFO", "daily_hourly_rate", message, column=column, count=len(both))


def repeated_rows(series: Series, _context: Context) -> Iterator[Finding]:
    """Hours that repeat the hour before: no on-chain update. Legitimate; they carry the value forward."""
    repeated = np.diff(series.frame["updated_at"].to_numpy(dtype=np.int64)) == 0
    if repeated.any():
        stale = series.stamps - series.frame["updated_at"].to_numpy(dtype=np.int64)
        message = (
            f"{int(repeated.sum())} hours repeat the last on-chain update, up to {stale.max() / HOUR:.1f} h old; kept."
        )
        yield Finding("INFO", "repeated_rows", message, count=int(repeated.sum()))


def interpolation(series: Series, _context: Context) -> Iterator[Finding]:
    """Values between midnights that lie on a line between them: they look ahead and must not be read."""
    lines = series.frame["interpolated"].to_numpy(dtype=bool)
    if lines.any():
        midnights = int((series.stamps % DAY == 0).sum())
        message = f"{int(lines.sum())} of {len(lines)} rows are interpolated; {midnights} at 00:00 are observations."
        yield Finding("WARN", "interpolated", message, count=int(lines.sum()))


def smoothed_market_rate(series: Series, _context: Context) -> Iterator[Finding]:
    """A market rate that is a trailing 24-hour median: short depegs do not show in it."""
    smoothed = series.frame["smoothed"].to_numpy(dtype=bool)
    if smoothed.any():
        still = np.diff(series.values("market_rate")) == 0.0
        message = (
            f"market_rate is a 24-hour median in {int(smoothed.sum())} of {len(smoothed)} rows; "
            f"{still.mean():.0%} of the hours do not move."
        )
        yield Finding("WARN", "smoothed_market_rate", message, column="market_rate", count=int(smoothed.sum()))


def gas_samples(series: Series, _context: Context) -> Iterator[Finding]:
    """Samples taken early, and spikes: base-fee peaks are real, lone tip spikes are one abnormal block."""
    early = series.count("changed", EARLY)
    if early:
        message = f"{early} of {len(series.frame)} samples are older than 10 minutes; known from block_timestamp."
        yield Finding("WARN", EARLY, message, count=early)
    high, tips = spikes(series.values("gas_price_gwei")), series.count("changed", TIP_SPIKE)
    if high.any():
        message = (
            f"{int(high.sum())} samples exceed 10x their median day, {tips} of them by the tip of one block; kept."
        )
        yield Finding("WARN", "gas_spike", message, column="gas_price_gwei", count=int(high.sum()))


def _growth(series: Series, column: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Growth between two rows as a continuous rate a year."""
    growth: np.ndarray[tuple[int], np.dtype[np.float64]] = np.diff(np.log(series.values(column)))
    return growth / (np.diff(series.stamps) / YEAR)


def _falls(series: Series, column: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    values = series.values(column)
    return np.diff(values) < -_MONOTONE * values[:-1]
