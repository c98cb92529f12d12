"""Candles: volumes in the wrong unit, bars that cannot be, bars of five minutes as hours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import Series, first_places

CONTRACTS, NO_CONTRACT_SIZE, MARK_VOLUME, INCONSISTENT = (
    "contracts_to_coins",
    "contract_size_unknown",
    "mark_volume_ignored",
    "ohlc_inconsistent",
)


def contracts_to_coins(series: Series, coins_per_contract: Mapping[str, float]) -> Series:
    """Volume in coins where the venue counts contracts; NULL where the contract's size is not declared."""
    size = coins_per_contract.get(series.key.symbol)
    volume = series.values("volume")
    rows = np.isfinite(volume)
    if size is not None:
        return series.change(CONTRACTS, rows, volume=volume * size)
    message = "volume is in contracts of undeclared size; it is left out."
    remedy = f"declare contract_size.{series.key.symbol} in configs/data/{series.key.venue}.yaml."
    finding = Finding("WARN", NO_CONTRACT_SIZE, message, remedy, column="volume", count=int(rows.sum()))
    return series.change(NO_CONTRACT_SIZE, rows, volume=np.full(len(volume), np.nan)).note(finding)


def ignore_mark_volume(series: Series) -> Series:
    """A mark is computed, not traded: whatever stands in `volume` is no volume."""
    volume = series.values("volume")
    return series.change(MARK_VOLUME, np.isfinite(volume), volume=np.full(len(volume), np.nan))


def set_aside_inconsistent(series: Series) -> Series:
    """Quarantine bars whose high is not the highest or whose low is not the lowest price.

    Bars with something that is no price at all are left to the schema, which refuses the file.
    """
    opened, high, low, close = (series.values(name) for name in ("open", "high", "low", "close"))
    prices = np.stack([opened, high, low, close])
    bad = (high < np.maximum(opened, close)) | (low > np.minimum(opened, close)) | (high < low)
    bad &= (np.isfinite(prices) & (prices > 0.0)).all(axis=0)
    if not bad.any():
        return series
    message = f"high or low contradicts open or close in {int(bad.sum())} bars: {first_places(series.stamps[bad])}."
    return series.set_aside(INCONSISTENT, bad).note(Finding("WARN", INCONSISTENT, message, count=int(bad.sum())))


def aggregate(frame: pd.DataFrame, step: int, into: int) -> pd.DataFrame:
    """Complete bars of `into` microseconds from bars of `step`; provenance is that of the first bar.

    Open of the first, highest high, lowest low, close of the last, sum of the volumes.
    """
    bars = frame.groupby(frame["timestamp"] // into * into, sort=True)
    found = bars.agg(
        open=("open", "first"),
        high=("high", "max"),
        low=("low", "min"),
        close=("close", "last"),
        volume=("volume", "sum"),
        quality=("quality", "first"),
        source_file=("source_file", "first"),
        source_row=("source_row", "first"),
        bars=("open", "size"),
    )
    whole = found[found["bars"] == into // step].drop(columns="bars")
    return whole.rename_axis("timestamp").reset_index()
