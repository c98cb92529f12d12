"""Bars that a download tool made up: volume 0 and one price, where another source shows trading."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from basis_pipeline.domain.timeline import HOUR
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.rules.candles import aggregate
from basis_pipeline.market_data.series import FILLED, Mask, Series, first_places

FROZEN, CARRIED = "frozen_bar", "fill:last_close"
_SAME = 1e-9


def frozen_bars(frame: pd.DataFrame) -> Mask:
    """Bars without volume whose four prices are one."""
    still = (frame["volume"] == 0.0) & (frame["high"] == frame["low"]) & (frame["open"] == frame["close"])
    return np.asarray(still & (frame["high"] == frame["open"]), dtype=np.bool_)


def repair_frozen_bars(series: Series, hourly: Series | None, carry: int) -> Series:
    """Set frozen bars aside where the venue's hourly bar says otherwise, and carry the last close over at most `carry`.

    A frozen bar stays unless the hourly bar of its hour has other prices or volume: else nothing traded then.
    The carried bars are what a trader saw, so they look nowhere ahead; their volume is NULL, their quality `filled`.
    """
    frozen = frozen_bars(series.frame)
    if not frozen.any() or hourly is None:
        return series
    contradicted = frozen & np.isin(series.stamps // HOUR * HOUR, _differing_hours(series, hourly))
    if not contradicted.any():
        return series
    places = first_places(series.stamps[contradicted])
    message = f"{int(contradicted.sum())} bars without volume where the hourly bars show trading: {places}; set aside."
    finding = Finding("WARN", FROZEN, message, count=int(contradicted.sum()))
    missing = series.stamps[contradicted]
    return _carry(series.set_aside(FROZEN, contradicted).note(finding), missing, carry)


def hours_compared(series: Series, hourly: Series) -> pd.DataFrame:
    """Hours that both series have, with flags `same_prices` and `same_volume`."""
    step = cast(int, series.dataset.step)
    both = aggregate(series.observed, step, HOUR).merge(hourly.observed, on="timestamp", suffixes=("", "_1h"))
    prices = [
        np.isclose(both[name], both[f"{name}_1h"], rtol=_SAME, atol=0.0) for name in ("open", "high", "low", "close")
    ]
    # Volumes are sums of rounded floats on one side.
    volume = np.isclose(both["volume"], both["volume_1h"], rtol=1e-6, atol=1e-3)
    return both.assign(same_prices=np.logical_and.reduce(prices), same_volume=volume)


def _differing_hours(series: Series, hourly: Series) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    compared = hours_compared(series, hourly)
    differing = compared[~(compared["same_prices"] & compared["same_volume"])]
    return differing["timestamp"].to_numpy(dtype=np.int64)


def _carry(series: Series, missing: np.ndarray[tuple[int], np.dtype[np.int64]], carry: int) -> Series:
    step = cast(int, series.dataset.step)
    present = series.frame.set_index("timestamp")
    before = np.searchsorted(series.stamps, missing) - 1
    distance = (missing - series.stamps[before]) // step
    usable = (before >= 0) & (distance <= carry) & (missing < series.stamps[-1])
    donors = present.iloc[before[usable]]
    rows = donors.assign(
        **dict.fromkeys(("open", "high", "low"), donors["close"]), volume=np.nan, quality=FILLED
    ).assign(timestamp=missing[usable])
    return series.add(CARRIED, "filled", rows.reset_index(drop=True))
