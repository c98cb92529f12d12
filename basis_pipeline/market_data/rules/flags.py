"""Flags on rows that are real but not what they seem: interpolated, sampled early, one abnormal block."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from basis_pipeline.domain.timeline import DAY, MINUTE
from basis_pipeline.market_data.series import Mask, Series, Stamps

INTERPOLATED, EARLY, TIP_SPIKE = "interpolated", "sampled_early", "tip_spike"

_STRAIGHT = 1e-6
"""Largest second difference, relative to the value, of a line (quotients of two lines bend by 1e-7; prices by 1e-3)."""
_TOO_EARLY = 10 * MINUTE
_WINDOW, _FACTOR, _MOSTLY_TIP = 25, 10.0, 0.5

Floats = npt.NDArray[np.float64]


def flag_interpolated(series: Series, column: str) -> Series:
    """Flag rows whose `column` is a point on a straight line between two daily observations."""
    lines = lines_between_midnights(series.stamps, series.values(column))
    return series.change(INTERPOLATED, lines, interpolated=lines)


def flag_early_samples(series: Series) -> Series:
    """Flag gas samples whose block is more than 10 minutes older than the stamp says."""
    early = series.frame["block_timestamp"].to_numpy(dtype=np.int64) < series.stamps - _TOO_EARLY
    return series.change(EARLY, early, sampled_early=early)


def flag_tip_spikes(series: Series) -> Series:
    """Flag gas spikes of which the base fee explains less than half: one block with an abnormal median tip."""
    price = series.values("gas_price_gwei")
    tips = spikes(price) & (series.values("base_fee_gwei") < _MOSTLY_TIP * price)
    return series.change(TIP_SPIKE, tips, tip_spike=tips)


def spikes(price: Floats) -> Mask:
    """Values above 10x their centred 25-row median. Looks ahead: for reports, never for a decision in time."""
    median = pd.Series(price).rolling(_WINDOW, center=True, min_periods=1).median().to_numpy()
    return np.asarray(price > _FACTOR * median, dtype=np.bool_)


def lines_between_midnights(stamps: Stamps, values: Floats) -> Mask:
    """True for rows off 00:00 UTC whose whole day is a straight line; a day too short to tell counts as one.

    A 00:00 row is never interpolated. `stamps` (microseconds UTC) are in order.
    """
    days, off_midnight = stamps // DAY, np.asarray(stamps % DAY != 0, dtype=np.bool_)
    if len(stamps) < 3:
        return off_midnight
    bend = np.abs(values[2:] - 2.0 * values[1:-1] + values[:-2]) / np.abs(values[1:-1])
    even = np.diff(stamps)[1:] == np.diff(stamps)[:-1]
    inner = even & off_midnight[1:-1]
    worst = pd.Series(bend[inner]).groupby(days[1:-1][inner]).max()
    curved = worst[worst > _STRAIGHT].index.to_numpy()
    return off_midnight & ~np.isin(days, curved)
