"""Bars against other bars of the same market: five minutes against hours, pools against venues."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from basis_pipeline.market_data.checks.context import Context, split_symbol
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.rules.frozen import frozen_bars, hours_compared
from basis_pipeline.market_data.series import Series, by_month, first_places

_FEWEST_HOURS, _MOST_DIFFERING = 24, 0.2
"""Hours of a month that say something, and the share of them that may differ before they are another series'."""


def five_minutes_against_hours(series: Series, context: Context) -> Iterator[Finding]:
    """Complete hours of 5-minute bars must be the hourly bars of the same venue."""
    hourly = context.peers(SeriesKey("perp_candles_1h", series.key.venue, series.key.symbol))
    if hourly is None:
        return
    compared = hours_compared(series, hourly)
    for flag, what in (("same_prices", "prices"), ("same_volume", "volume")):
        differing = compared[~compared[flag]]
        if len(differing):
            places = first_places(differing["timestamp"])
            message = (
                f"{what} of {len(differing)} of {len(compared)} hours differ from the hourly bars: {places}; kept."
            )
            yield Finding("WARN", f"hours_differ_in_{what}", message, count=len(differing))
    stamps = compared["timestamp"].to_numpy(dtype=np.int64)
    ratios = np.stack(
        [(compared[name] / compared[f"{name}_1h"]).to_numpy() for name in ("open", "high", "low", "close")]
    )
    apart = np.abs(ratios - 1.0).max(axis=0)
    for month, hours in by_month(stamps):
        inside = np.isin(stamps, hours)
        other = int((~compared["same_prices"].to_numpy()[inside]).sum())
        most = len(hours) >= _FEWEST_HOURS and other > _MOST_DIFFERING * len(hours)
        if most or (apart[inside] > context.general.open_gap).any():
            message = (
                f"{other} of {len(hours)} hours have other prices than the hourly bars, by up to "
                f"{apart[inside].max():.2%}: another series, shifted, or a bad tick."
            )
            remedy = "find out which of the two files is right, and replace the other."
            yield Finding("ERROR", "five_minutes_of_another", message, remedy, column="close", month=month, count=other)


def still_bars(series: Series, _context: Context) -> Iterator[Finding]:
    """Hours of a CEX without volume and with one price: an outage, or bars that a download tool made up."""
    still = frozen_bars(series.frame)
    if still.any():
        message = f"{int(still.sum())} bars have one price and no volume: {first_places(series.stamps[still])}; kept."
        yield Finding("WARN", "still_bars", message, count=int(still.sum()))


def pool_against_venues(series: Series, context: Context) -> Iterator[Finding]:
    """Hours without a swap, and closes away from the CEX price of the same coin. Both are real; neither is repaired."""
    quiet = series.values("volume_quote") == 0.0
    if quiet.any():
        message = (
            f"{int(quiet.sum())} bars have no volume: {first_places(series.stamps[quiet])}; the price stands still."
        )
        yield Finding("INFO", "no_volume", message, column="volume_quote", count=int(quiet.sum()))
    off = pool_deviation(series, context)
    if off is None:
        return
    far = off[off.abs() > context.general.pool_difference]
    if len(far):
        message = (
            f"{len(far)} closes are off the CEX price by up to {far.abs().max():.2%}: {first_places(far.index)}; kept."
        )
        yield Finding("WARN", "pool_difference", message, column="close", count=len(far))
    for month, stamps in by_month(off.index.to_numpy(dtype=np.int64)):
        level = float((off.reindex(stamps) + 1.0).median())
        if abs(np.log(level)) > np.log1p(context.general.absurd_move):
            message = (
                f"its price is {level:.4g} times that of the exchanges: another pool, another token or another scale."
            )
            remedy = "check the decimals and the order of the pool's tokens, or take the file away."
            yield Finding("ERROR", "pool_level", message, remedy, column="close", month=month, count=len(stamps))


def pool_deviation(series: Series, context: Context) -> pd.Series[float] | None:
    """Pool price in USDT / CEX spot price - 1 by stamp; None where no CEX trades the coin."""
    base, quote = split_symbol(series.key.symbol)
    venues, quoted = context.spot(base), context.spot(quote)
    if not venues or (quote != "USDT" and not quoted):
        return None
    pool = _close([series])
    price = pool if quote == "USDT" else pool * _close(quoted)
    return (price / _close(venues) - 1.0).dropna()


def _close(series: list[Series]) -> pd.Series[float]:
    columns = [pd.Series(one.values("close"), index=one.stamps) for one in series]
    return pd.concat(columns, axis=1).median(axis=1).astype(np.float64)
