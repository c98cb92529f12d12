"""Reads sample files with pandas alone: independent of the generator and of the project's own readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

VENUES = ("binance", "bybit", "okx")
HOURS_2024 = 366 * 24
LAST_PRICE_FILES = (
    "cex/spot/binance_BTCUSDT_spot_1h.csv",
    "cex/spot/bybit_BTCUSDT_spot_1h.csv",
    "cex/spot/binance_ETHUSDT_spot_1h.feather",
    "cex/spot/bybit_ETHUSDT_spot_1h.csv",
    "cex/spot/binance_EIGENUSDT_spot_1h.feather",
    "cex/spot/binance_ETHFIUSDT_spot_1h.feather",
    *(f"cex/perp/{venue}_{coin}USDT_perp_1h.csv" for venue in ("binance", "bybit") for coin in ("BTC", "ETH")),
    "cex/perp/okx_ETHUSDT_perp_1h.csv",
)
CANDLE_FILES = (
    *LAST_PRICE_FILES,
    *(f"cex/mark/{venue}_{coin}USDT_mark_1h.feather" for venue in VENUES for coin in ("BTC", "ETH")),
    "ml/binance_BTCUSDT_perp_5m.feather",
)
HOLED_FILES = (
    "cex/spot/binance_BTCUSDT_spot_1h.csv",
    "cex/perp/binance_BTCUSDT_perp_1h.csv",
    "cex/perp/binance_ETHUSDT_perp_1h.csv",
)


def candles(path: Path) -> pd.DataFrame:
    """Candle file of any vendor layout, indexed by naive UTC bar open."""
    if path.suffix == ".feather":
        frame = pd.read_feather(path)
        index = pd.DatetimeIndex(frame.pop("date")).tz_localize(None)
    else:
        frame = pd.read_csv(path)
        index = pd.DatetimeIndex(pd.to_datetime(frame.pop("timestamp"), utc=True)).tz_localize(None)
    frame.index = index.as_unit("us")
    return frame


def funding(path: Path) -> pd.Series:
    """Rates by label as written, naive UTC."""
    frame = pd.read_csv(path)
    index = pd.DatetimeIndex(pd.to_datetime(frame["funding_timestamp"], utc=True, format="ISO8601")).tz_localize(None)
    return pd.Series(frame["funding_rate"].to_numpy(), index=index.as_unit("us"))


def settled(raw: Path, venue: str, symbol: str) -> pd.Series:
    """Rates by true settlement of a sample that ends before June 2025, bogus OKX rows dropped by their signature."""
    rates = funding(raw / f"cex/funding/{venue}_{symbol}_funding_8h.csv")
    if venue == "binance":
        rates.index = rates.index.floor("s")
    if venue == "okx":
        doubled = rates.index.duplicated(keep=False)
        rates = rates[~(doubled & ((rates <= -2.9e-4) | np.equal(rates, 1e-4)).to_numpy())]
        rates.index = rates.index - pd.Timedelta(hours=16)
    return rates


def log_returns(frame: pd.DataFrame) -> pd.Series:
    """Of consecutive hours only."""
    close = frame["close"][~frame.index.duplicated()]
    return np.log(close).diff()[close.index.to_series().diff() == pd.Timedelta(hours=1)]
