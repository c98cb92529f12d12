"""Small hand-made files in the vendors' layouts, for tests of readers and rules. Nothing here is vendor data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather

from basis_pipeline.domain.timeline import HOUR, to_micros

CANDLE_HEADER = "timestamp,open,high,low,close,volume,source,symbol,data_type"


def micros(text: str) -> int:
    return to_micros(pd.Timestamp(text, tz="UTC").to_pydatetime())


def grid(first: str, last: str, step: int = HOUR) -> np.ndarray:
    """Stamps from first to last, both included."""
    return np.arange(micros(first), micros(last) + 1, step, dtype=np.int64)


def iso(stamp: int, layout: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    return pd.Timestamp(stamp, unit="us", tz="UTC").strftime(layout)


def walk(stamps: np.ndarray, price: float, seed: int, sigma: float = 0.004) -> pd.DataFrame:
    """Consistent candles of a random walk: each opens where the last one closed. Prices have 4 decimals."""
    rng = np.random.default_rng(seed)
    close = np.round(price * np.exp(np.cumsum(rng.normal(0.0, sigma, len(stamps)))), 4)
    opened = np.concatenate([[price], close[:-1]])
    reach = np.round(price * np.abs(rng.normal(0.0, sigma / 2, len(stamps))), 4) + 1e-4
    return pd.DataFrame(
        {
            "timestamp": stamps,
            "open": opened,
            "high": np.round(np.maximum(opened, close) + reach, 4),
            "low": np.round(np.minimum(opened, close) - reach, 4),
            "close": close,
            "volume": np.round(rng.uniform(10.0, 20.0, len(stamps)), 3),
        }
    )


def scaled(frame: pd.DataFrame, factor: float) -> pd.DataFrame:
    """The same bars at another venue."""
    prices = {name: np.round(frame[name] * factor, 4) for name in ("open", "high", "low", "close")}
    return frame.assign(**prices)


def write_text(path: Path, lines: Sequence[str], newline: str = "\r\n", *, prefix: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((prefix + newline.join([*lines, ""])).encode())
    return path


def candle_lines(frame: pd.DataFrame, venue: str, symbol: str, kind: str) -> list[str]:
    traded = "spot" if kind == "spot" else "futures"
    return [
        f"{iso(row.timestamp)},{row.open},{row.high},{row.low},{row.close},{row.volume},{venue},{symbol},{traded}"
        for row in frame.itertuples()
    ]


def write_candles(folder: Path, venue: str, symbol: str, kind: str, frame: pd.DataFrame) -> Path:
    lines = [CANDLE_HEADER, *candle_lines(frame, venue, symbol, kind)]
    return write_text(folder / f"{venue}_{symbol}_{kind}_1h.csv", lines)


def write_feather(path: Path, frame: pd.DataFrame) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    date = pa.array(frame["timestamp"].to_numpy() * 1000, pa.int64()).cast(pa.timestamp("ns", "UTC"))
    values = {name: pa.array(frame[name], pa.float64()) for name in ("open", "high", "low", "close", "volume")}
    feather.write_feather(pa.table({"date": date, **values}), path)
    return path


def write_funding(folder: Path, venue: str, symbol: str, rows: Sequence[tuple[str, float]]) -> Path:
    lines = [
        "funding_timestamp,funding_rate,symbol,source",
        *(f"{label},{rate},{symbol},{venue}" for label, rate in rows),
    ]
    return write_text(folder / f"{venue}_{symbol}_funding_8h.csv", lines)


def write_dex(folder: Path, symbol: tuple[str, str], frame: pd.DataFrame) -> Path:
    base, quote = symbol
    header = "timestamp,date_utc,open,high,low,close,volume,pool_address,dex,fee_tier,base_token,quote_token,source"
    lines = [
        f"{row.timestamp // 1_000_000},{iso(row.timestamp, '%Y-%m-%dT%H:%M:%S')}+00:00Z,{row.open},{row.high},"
        f"{row.low},{row.close},{row.volume},0x0,Uniswap v3,0.3%,{base},{quote},somebody"
        for row in frame.itertuples()
    ]
    return write_text(folder / f"uniswapv3_{base}{quote}_1h.csv", [header, *lines])


def write_oracle(
    folder: Path, token: str, quote: str, stamps: np.ndarray, values: np.ndarray, *, epoch: bool = False
) -> Path:
    comments = [f"# Asset: {token}", f"# Quote_currency: {quote}", "# Records: 99999"]
    labels = [str(s // 1_000_000) if epoch else iso(s, "%Y-%m-%d %H:%M:%S+00:00") for s in stamps.tolist()]
    rows = [f"{label},{value!r},{token},aave,{quote}" for label, value in zip(labels, values.tolist(), strict=True)]
    header = f"timestamp,oracle_price_{quote.lower()},asset,source,quote_currency"
    return write_text(folder / f"{token}_{quote}_oracle.csv", [*comments, header, *rows], "\n")
