"""Files of the exchanges: spot, perpetual and mark candles, funding, 5-minute bars, Uniswap pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from basis_pipeline.domain.timeline import HOUR
from basis_pipeline.market_data.sample import planted
from basis_pipeline.market_data.sample.factors import Factors
from basis_pipeline.market_data.sample.formats import CRLF, Column, csv_bytes, feather_bytes
from basis_pipeline.market_data.sample.funding import funding_rates, price_premium
from basis_pipeline.market_data.sample.period import (
    BAR,
    BARS_PER_HOUR,
    SETTLEMENT,
    Floats,
    Ints,
    epoch_seconds,
    iso_seconds,
)
from basis_pipeline.market_data.sample.prices import BASIS_POINT, Candles, PricePath, between, quote

_LAST_PRICE_NOISE = 0.6
_MARK_NOISE = 0.3
_LIQUIDITY = {
    ("binance", "spot"): 0.12, ("bybit", "spot"): 0.03,
    ("binance", "perp"): 1.0, ("bybit", "perp"): 0.35, ("okx", "perp"): 0.70,
}  # fmt: skip
_OKX_CONTRACTS_PER_COIN = 10
_TRADE_SIZE = 3_000.0
_FUNDING_SOURCES = {"binance": "binance_futures", "bybit": "bybit", "okx": "okx"}


def last_prices(path: PricePath, venue: str, kind: str, factors: Factors) -> Candles:
    """5-minute bars of trades on `venue`; `kind` is spot or perp."""
    asset = path.asset.name
    premium = price_premium(venue, asset, factors) if kind == "perp" else np.zeros(factors.period.hours + 1)
    return quote(
        path, factors, f"{venue}/{asset}/{kind}",
        premium=premium, noise=_LAST_PRICE_NOISE, liquidity=_LIQUIDITY[venue, kind],
    )  # fmt: skip


def candles_csv(path: PricePath, venue: str, kind: str, factors: Factors) -> bytes:
    """Hourly candles in the CSV layout of `venue`, with the venue's planted defects."""
    bars = last_prices(path, venue, kind, factors).hourly()
    columns: dict[str, Column]
    if venue == "binance":
        bars = bars.take(planted.outside_holes(bars.stamps, factors.period))
        columns = _binance_columns(bars, path.asset.name, kind)
    elif venue == "bybit":
        bars = bars.take(planted.with_repeats(bars.stamps, factors.period))
        labels = _labels("bybit", path.asset.symbol, kind)
        columns = {"volume": bars.volume, **labels, "turnover": bars.turnover.round(8)}
    else:
        contracts = bars.volume * _OKX_CONTRACTS_PER_COIN
        columns = {"volume": contracts.round(2), **_labels("okx", path.asset.symbol, kind)}
    return csv_bytes({"timestamp": iso_seconds(bars.stamps), **_prices(bars), **columns}, newline=CRLF)


def candles_feather(path: PricePath, venue: str, kind: str, factors: Factors, *, hourly: bool = True) -> bytes:
    """Candles in the layout of the download tool, without planted defects."""
    bars = last_prices(path, venue, kind, factors)
    bars = bars.hourly() if hourly else bars
    return feather_bytes(bars.stamps, {**_prices(bars), "volume": bars.volume})


def marks_feather(path: PricePath, venue: str, factors: Factors) -> bytes:
    """Hourly mark candles; the volume column is 0 on Binance and NaN elsewhere."""
    asset = path.asset.name
    bars = quote(
        path, factors, f"{venue}/{asset}/mark",
        premium=price_premium(venue, asset, factors), noise=_MARK_NOISE, liquidity=1.0,
    ).hourly()  # fmt: skip
    volume = np.full(len(bars.stamps), 0.0 if venue == "binance" else np.nan)
    return feather_bytes(bars.stamps, {**_prices(bars), "volume": volume})


def funding_csv(path: PricePath, venue: str, factors: Factors) -> bytes:
    """Settled funding in the venue's labels: Binance with jitter, OKX shifted, stale and partly doubled."""
    asset = path.asset
    settled, rates = factors.period.stamps(SETTLEMENT), funding_rates(venue, asset.name, factors)
    random = factors.stream(f"{venue}/{asset.name}/funding labels")
    if venue == "binance":
        labels = planted.jittered(settled, random)
    elif venue == "okx":
        stamps, rates = planted.okx_funding(settled, rates, factors.period, random)
        labels = iso_seconds(stamps)
    else:
        labels = iso_seconds(settled)
    columns: dict[str, Column] = {
        "funding_timestamp": labels, "funding_rate": rates, "symbol": asset.symbol, "source": _FUNDING_SOURCES[venue],
    }  # fmt: skip
    return csv_bytes(columns, newline=CRLF)


@dataclass(frozen=True)
class Pool:
    """A Uniswap v3 pool: its tokens, contract address and usual quote volume a 5-minute bar."""

    base: str
    quote: str
    address: str
    flow: float
    fee: float = 0.003


POOLS = (
    Pool("WETH", "USDT", "0x4e68ccd3e89f51c3074ca5072bbac773960dfa36", 4e4),
    Pool("EIGEN", "WETH", "0xc2c390c6cd3c4e6c2b70727d35a45e8a072f18ca", 2.0),
    Pool("ETHFI", "WETH", "0x06f00544c0bc62e6db10f46d370dfccdc23d8189", 2.0),
)


def pool_csv(pool: Pool, paths: Mapping[str, PricePath], factors: Factors) -> bytes:
    """Hourly candles of a pool whose price moves only when the market leaves its fee band (arbitrage)."""
    coin = {"WETH": "ETH"}
    market = paths[coin.get(pool.base, pool.base)].log_price
    if pool.quote != "USDT":
        market = market - paths[coin[pool.quote]].log_price
    ends = np.exp(list(accumulate(market.tolist(), lambda at, mid: min(max(at, mid - pool.fee), mid + pool.fee))))
    moved = np.abs(np.diff(np.log(ends))) / BASIS_POINT
    calm = np.exp(factors.normal(f"{pool.base}{pool.quote}/flow", len(moved)))
    bars = between(factors.period.stamps(BAR), ends, np.zeros(len(moved), dtype=np.int64)).hourly()
    volume = (pool.flow * calm * (1 + moved)).reshape(-1, BARS_PER_HOUR).sum(1)
    columns: dict[str, Column] = {
        "timestamp": epoch_seconds(bars.stamps),
        "date_utc": [text.replace("Z", "+00:00Z") for text in iso_seconds(bars.stamps)],
        **_prices(bars),
        "volume": volume,
        "pool_address": pool.address,
        "dex": "Uniswap v3",
        "fee_tier": "0.3%",
        "base_token": pool.base,
        "quote_token": pool.quote,
        "source": "geckoterminal_pro",
    }
    return csv_bytes(columns, newline=CRLF)


def placeholder_csv(first: int) -> bytes:
    """D-35: a ramp of 24 hours from `first` that claims to be EIGEN candles; no final newline."""
    stamps: Ints = first + HOUR * np.arange(24, dtype=np.int64)
    ramp = [f"{2.5 + hour / 100:.2f}" for hour in range(24)]
    return csv_bytes({"timestamp": iso_seconds(stamps), "price": ramp}, newline=CRLF, last_newline=False)


def _prices(bars: Candles) -> dict[str, Floats]:
    return {"open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close}


def _labels(source: str, symbol: str, kind: str) -> dict[str, Column]:
    return {"source": source, "symbol": symbol, "data_type": "futures" if kind == "perp" else "spot"}


def _binance_columns(bars: Candles, asset: str, kind: str) -> dict[str, Column]:
    traded: dict[str, Column] = {
        "volume": bars.volume,
        "quote_volume": bars.turnover.round(5),
        "trades_count": (bars.turnover / _TRADE_SIZE).astype(np.int64) + 1,
    }
    if kind == "perp":
        return traded | _labels("binance_futures", f"{asset}USDT", kind)
    return traded | {"source": "binance_spot", "asset_pair": f"{asset}/USDT"}
