"""Is a series the market it says it is, at the time it says? Prices of one coin stay together wherever they are made.

Where two series disagree and no third one decides between them, both are in doubt.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from basis_pipeline.domain.timeline import DAY, HOUR
from basis_pipeline.market_data.checks.context import Context, split_symbol
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import Mask, Series, Stamps, by_month, first_places

Floats = npt.NDArray[np.float64]

_BARS = ("spot_candles_1h", "perp_candles_1h", "mark_candles_1h")
_HOURS = DAY // HOUR
_LAGS = tuple(lag for lag in range(-14, 15) if lag)
"""Hours that labels may be off by: time zones, summer time, bars labelled at their end."""
_ENOUGH, _FOLLOWS, _STRANGE = 20, 0.9, 0.5
"""Returns of a day that must be common, and correlations that are and are not one market's."""
_FEWEST = 6
"""Closes of a day that say something of its level."""
_STILL, _ALONE, _MOVED = 6, 24, 0.01
"""Bars at one price while another series moves by a hundredth; bars at one price that nobody is there to contradict."""


def shifted_days(series: Series, context: Context) -> Iterator[Finding]:
    """Days on which the returns are those of the coin's other series at another hour: summer time, a wrong zone."""
    peers = _peers(series, context)
    if not peers:
        return
    first, last = int(series.stamps[0]) // DAY, int(series.stamps[-1]) // DAY + 1
    own = _daily(_returns(series), first, last)
    theirs = _flat(pd.concat([_returns(peer) for peer in peers], axis=1).median(axis=1), first, last)
    now = _correlations(own, theirs.reshape(own.shape))
    best, lag = np.full(len(own), -1.0), np.zeros(len(own), dtype=np.int64)
    for hours in _LAGS:
        found = _correlations(own, _moved(theirs, hours).reshape(own.shape))
        better = found > best
        best, lag = np.where(better, found, best), np.where(better, hours, lag)
    off = (now < _STRANGE) & (best > _FOLLOWS)
    for month, days in by_month((first + np.flatnonzero(off)) * DAY):
        hours_off = sorted({int(lag[day // DAY - first]) for day in days.tolist()})
        told = ", ".join(f"{hours:+d} h" for hours in hours_off)
        places = first_places(days)
        message = f"on {len(days)} days it moves as the coin's other series do {told} away, labels are off: {places}."
        remedy = "correct the stamps (UTC, the bar's open) at their source; label_shift in configs/data moves all."
        yield Finding("ERROR", "shifted_days", message, remedy, column="timestamp", month=month, count=len(days))


def other_market(series: Series, context: Context) -> Iterator[Finding]:
    """Days at another price level than most of the coin's other series: another coin, another quote, another scale."""
    own = _levels(series)
    ratios = [(own / _levels(peer)).dropna() for peer in _peers(series, context)]
    ratios = [ratio for ratio in ratios if len(ratio)]
    if not ratios:
        return
    by_day = pd.concat(ratios, axis=1)
    apart = (by_day.map(np.log).abs() > context.general.market_difference).sum(axis=1)
    days = np.sort(by_day.index[2 * apart > by_day.count(axis=1)].to_numpy(dtype=np.int64)) * DAY
    level = by_day.median(axis=1)
    for month, off in by_month(days):
        times = float(level.reindex(off // DAY).median())
        message = (
            f"on {len(off)} days its price is {times:.4g} times that of the coin's other series: {first_places(off)}; "
            "another market, another quote or another scale."
        )
        remedy = "give the file the name of what is in it, or correct it at its source."
        yield Finding("ERROR", "other_market", message, remedy, column="close", month=month, count=len(off))


def stuck_price(series: Series, context: Context) -> Iterator[Finding]:
    """Hours at one price while the coin moves elsewhere: a source that repeats itself. Nobody could trade at it."""
    runs = _still_runs(series)
    peers = [_column(peer, "close") for peer in _peers(series, context)]
    stuck = [run for run in runs if _contradicted(run, peers)]
    for month, stamps in by_month(np.array([stamp for run in stuck for stamp in run.tolist()], dtype=np.int64)):
        message = f"{len(stamps)} bars stand still at one price while the coin moves: {first_places(stamps)}."
        remedy = "leave these rows out, so that they are filled or refused as the hole they are."
        yield Finding("ERROR", "stuck_price", message, remedy, column="close", month=month, count=len(stamps))


def _contradicted(run: Stamps, peers: list[pd.Series[float]]) -> bool:
    seen = [peer.loc[run[0] : run[-1]] for peer in peers]
    seen = [closes for closes in seen if len(closes) > 1]
    if not seen:
        return len(run) >= _ALONE
    return any(float(closes.max() / closes.min()) - 1.0 > _MOVED for closes in seen)


def _still_runs(series: Series) -> list[Stamps]:
    """Runs of bars in a row whose opens, highs, lows and closes are all one price."""
    frame = series.observed
    stamps, close = frame["timestamp"].to_numpy(dtype=np.int64), frame["close"].to_numpy(dtype=np.float64)
    flat: Mask = (frame["high"] == frame["low"]).to_numpy() & (frame["open"] == frame["close"]).to_numpy()
    goes_on = flat[1:] & flat[:-1] & (close[1:] == close[:-1]) & (np.diff(stamps) == series.dataset.step)
    runs = np.split(stamps, np.flatnonzero(~goes_on) + 1)
    return [run for run in runs if len(run) >= _STILL]


def _peers(series: Series, context: Context) -> list[Series]:
    quote = split_symbol(series.key.symbol)[1]
    same = context.same_base(series.key, _BARS)
    return [peer for peer in same if split_symbol(peer.key.symbol)[1] == quote and len(peer.observed)]


def _levels(series: Series) -> pd.Series[float]:
    """Median close by day (days since 1970) of days with enough of them."""
    close = _column(series, "close")
    days = close.groupby(close.index.to_numpy() // DAY)
    medians: pd.Series[float] = days.median()[days.size() >= _FEWEST]
    return medians


def _returns(series: Series) -> pd.Series[float]:
    close = _column(series, "close")
    follows = np.diff(close.index.to_numpy()) == series.dataset.step
    return pd.Series(np.diff(np.log(close.to_numpy()))[follows], index=close.index[1:][follows])


def _column(series: Series, name: str) -> pd.Series[float]:
    frame = series.observed
    return pd.Series(frame[name].to_numpy(dtype=np.float64), index=frame["timestamp"].to_numpy(dtype=np.int64))


def _flat(values: pd.Series[float], first: int, last: int) -> Floats:
    """Hour by hour from day `first` to day `last` (excluded), NaN where there is nothing."""
    hours = np.full((last - first) * _HOURS, np.nan)
    at = values.index.to_numpy(dtype=np.int64) // HOUR - first * _HOURS
    inside = (at >= 0) & (at < len(hours))
    hours[at[inside]] = values.to_numpy(dtype=np.float64)[inside]
    return hours


def _daily(values: pd.Series[float], first: int, last: int) -> Floats:
    return _flat(values, first, last).reshape(-1, _HOURS)


def _moved(values: Floats, hours: int) -> Floats:
    """What stood `hours` earlier, at its new place."""
    moved = np.full_like(values, np.nan)
    if hours > 0:
        moved[hours:] = values[:-hours]
    else:
        moved[:hours] = values[-hours:]
    return moved


def _correlations(own: Floats, theirs: Floats) -> Floats:
    """Of each row, over the columns that both have; NaN where they are few or one stands still."""
    both = np.isfinite(own) & np.isfinite(theirs)
    count = both.sum(axis=1)
    one, two = np.where(both, own, 0.0), np.where(both, theirs, 0.0)
    many = np.maximum(count, 1)[:, None]
    one = np.where(both, one - one.sum(axis=1, keepdims=True) / many, 0.0)
    two = np.where(both, two - two.sum(axis=1, keepdims=True) / many, 0.0)
    scale = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
    said = (count >= _ENOUGH) & (scale > 0.0)
    result: Floats = np.where(said, (one * two).sum(axis=1) / np.where(said, scale, 1.0), np.nan)
    return result
