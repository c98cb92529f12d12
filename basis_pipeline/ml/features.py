"""What a model may look at, and what it is to predict, from 5-minute candles on a regular grid.

Row i belongs to the bar stamped `stamps[i]` and is known when that bar closes. It may be acted on from then on: at the
open of the next bar, `stamps[i] + step`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from basis_pipeline.domain.timeline import DAY, MINUTE

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STEP = 5 * MINUTE
RETURN_BARS = (1, 3, 6, 12, 48, 288)
VOLATILITY_BARS = (12, 48, 288)
RANGE_BARS = 48
VOLUME_BARS = 288
VOLATILITY_HALF_LIFE = 72
"""Bars after which a squared return counts half in the predicted standard deviation: six hours."""


class Bars(NamedTuple):
    """Candles, one row per step without gaps in time; NaN where a bar is missing.

    `stamps` are bar opens in microseconds UTC, prices USDT, volume base coins.
    """

    stamps: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


class Rows(NamedTuple):
    """One row per bar, in time order.

    Attributes:
        acts_at: when the row may be acted on, microseconds UTC.
        features: known at `acts_at`; NaN where a bar they need is missing.
        sd: predicted standard deviation of the return over the horizon, fraction; known at `acts_at`.
        outcome: log return from the open at `acts_at` to the open `horizon` bars later; NaN where not known.
        known_at: when the outcome becomes known.
    """

    acts_at: Ints
    features: Floats
    sd: Floats
    outcome: Floats
    known_at: Ints

    def where(self, mask: npt.NDArray[np.bool_]) -> Rows:
        return Rows(self.acts_at[mask], self.features[mask], self.sd[mask], self.outcome[mask], self.known_at[mask])


def on_grid(stamps: Ints, columns: Floats) -> Bars:
    """Bars from rows in time order: `columns` are open, high, low, close, volume, one row each."""
    grid = np.arange(stamps[0], stamps[-1] + STEP, STEP, dtype=np.int64)
    spread = np.full((len(columns), len(grid)), np.nan)
    spread[:, (stamps - grid[0]) // STEP] = columns
    return Bars(grid, *spread)


def rows_of(bars: Bars, horizon: int) -> Rows:
    """Features and outcomes of every bar; `horizon` in bars."""
    acts_at = bars.stamps + STEP
    opened = np.append(bars.open, np.full(horizon + 1, np.nan))
    size = len(bars.stamps)
    outcome = np.log(opened[1 + horizon : 1 + horizon + size] / opened[1 : 1 + size])
    return Rows(acts_at, features_of(bars), predicted_sd(bars, horizon), outcome, acts_at + horizon * STEP)


def features_of(bars: Bars) -> Floats:
    """Trailing returns, volatilities, place in the range, relative volume, shape of the bar, time of the day."""
    close = pd.Series(np.log(bars.close))
    moves = close.diff()
    high = pd.Series(bars.high).rolling(RANGE_BARS, min_periods=RANGE_BARS).max()
    low = pd.Series(bars.low).rolling(RANGE_BARS, min_periods=RANGE_BARS).min()
    volume = pd.Series(np.log1p(bars.volume))
    usual = volume.rolling(VOLUME_BARS, min_periods=VOLUME_BARS)
    spread = bars.high - bars.low
    angle = 2.0 * np.pi * ((bars.stamps + STEP) % DAY) / DAY
    columns = [
        *(close.diff(bars_back) for bars_back in RETURN_BARS),
        *(moves.rolling(window, min_periods=window).std() for window in VOLATILITY_BARS),
        (bars.close - low) / (high - low),
        (volume - usual.mean()) / usual.std(),
        np.divide(bars.close - bars.open, spread, out=np.zeros(len(spread)), where=spread > 0.0),
        np.sin(angle),
        np.cos(angle),
    ]
    found: Floats = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])
    found[~np.isfinite(found)] = np.nan
    return found


def predicted_sd(bars: Bars, horizon: int) -> Floats:
    """Exponentially weighted root mean square of the moves so far, times the root of the horizon."""
    squares = pd.Series(np.log(bars.close)).diff() ** 2
    variance = squares.ewm(halflife=VOLATILITY_HALF_LIFE, min_periods=VOLATILITY_HALF_LIFE).mean()
    found: Floats = np.sqrt(variance.to_numpy(dtype=np.float64) * horizon)
    return found
