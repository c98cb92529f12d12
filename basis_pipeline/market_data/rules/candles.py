"""Candles: volumes in the wrong unit, bars that cannot be, bars of five minutes as hours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from basis_pipeline.market_data.findings import Finding, RawFileError, reject
from basis_pipeline.market_data.series import Mask, Series, first_places, months_of

CONTRACTS, NO_CONTRACT_SIZE, MARK_VOLUME, INCONSISTENT, NO_PRICE, OVER_BUDGET = (
    "contracts_to_coins",
    "contract_size_unknown",
    "mark_volume_ignored",
    "ohlc_inconsistent",
    "no_price",
    "implausible_bars",
)
_PRICES = ("open", "high", "low", "close")


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


def set_aside_implausible(series: Series, per_month: int) -> Series:
    """Quarantine bars that cannot be: a price that is none, or a high or low that contradicts open or close.

    Raises:
        RawFileError: a month has more than `per_month` of them: then the file is wrong, not a row of it.
    """
    prices = np.stack([series.values(name) for name in _PRICES])
    opened, high, low, close = prices
    no_price: Mask = ~(np.isfinite(prices) & (prices > 0.0))
    nothing: Mask = np.asarray(no_price.any(axis=0))
    inconsistent: Mask = ~nothing & (
        (high < np.maximum(opened, close)) | (low > np.minimum(opened, close)) | (high < low)
    )
    bad = nothing | inconsistent
    months, counts = np.unique(months_of(series.stamps[bad]), return_counts=True)
    if (counts > per_month).any():
        message = f"{int(counts.max())} bars of {months[counts.argmax()]} cannot be; {per_month} may be set aside."
        raise _over_budget(series, message, bad, no_price)
    series = series.note(
        *_aside(series, NO_PRICE, "a price is missing, zero, negative or infinite", nothing, no_price),
        *_aside(series, INCONSISTENT, "high or low contradicts open or close", inconsistent, no_price),
    )
    return series.set_aside(NO_PRICE, nothing).set_aside(INCONSISTENT, inconsistent[~nothing])


def _aside(series: Series, rule: str, what: str, rows: Mask, no_price: Mask) -> tuple[Finding, ...]:
    if not rows.any():
        return ()
    file, row, column = _first(series, rows, no_price)
    message = f"{what} in {int(rows.sum())} bars: {first_places(series.stamps[rows])}; set aside."
    return (Finding("WARN", rule, message, file=file, row=row, column=column, count=int(rows.sum())),)


def _over_budget(series: Series, message: str, rows: Mask, no_price: Mask) -> RawFileError:
    file, row, column = _first(series, rows, no_price)
    remedy = "correct the file, download it again, or raise implausible_bars_per_month in configs/data/general.yaml."
    return reject(OVER_BUDGET, message, remedy=remedy, file=file, row=row, column=column, count=int(rows.sum()))


def _first(series: Series, rows: Mask, no_price: Mask) -> tuple[str, int, str]:
    """File, row and column of the first of `rows`; no column where it is the prices together that cannot be."""
    at = int(np.argmax(rows))
    column = _PRICES[int(np.argmax(no_price[:, at]))] if no_price[:, at].any() else ""
    source = series.frame.iloc[at]
    return str(source["source_file"]), int(source["source_row"]), column


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
