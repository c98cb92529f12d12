"""Prices and funding of the sample behave as a market does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from basis_pipeline.market_data.sample.factors import Factors
from basis_pipeline.market_data.sample.funding import funding_rates, premium
from basis_pipeline.market_data.sample.period import Period
from basis_pipeline_tests.market_data.sample_reading import (
    CANDLE_FILES,
    HOURS_2024,
    VENUES,
    candles,
    log_returns,
    settled,
)


@pytest.mark.parametrize("name", CANDLE_FILES)
def test_bars_hold_their_open_and_close_and_open_where_the_bar_before_closed(sample_raw: Path, name: str) -> None:
    bars = candles(sample_raw / name)
    assert (bars["low"] > 0).all()
    assert (bars["high"] >= bars[["open", "close"]].max(axis=1)).all()
    assert (bars["low"] <= bars[["open", "close"]].min(axis=1)).all()
    step = bars.index.to_series().diff()
    consecutive = (step == step.min()) if step.min() > pd.Timedelta(0) else step == pd.Timedelta(hours=1)
    assert (bars["open"] == bars["close"].shift())[consecutive].all()
    assert not ((bars["high"] == bars["low"]) & (bars["volume"] == 0)).any()


def test_five_minute_bars_aggregate_exactly_to_the_hourly_file(sample_raw: Path) -> None:
    hourly = candles(sample_raw / "cex/perp/binance_BTCUSDT_perp_1h.csv")
    groups = candles(sample_raw / "ml/binance_BTCUSDT_perp_5m.feather").resample("1h")
    columns = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    summed = groups.agg(columns).assign(volume=lambda frame: frame["volume"].round(3))
    assert (groups.size() == 12).all()
    assert len(summed) == HOURS_2024
    pd.testing.assert_frame_equal(
        hourly[list(columns)], summed.loc[hourly.index], check_exact=True, check_freq=False, check_names=False
    )


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_venues_agree_as_real_ones_do(sample_raw: Path, coin: str) -> None:
    """Hourly returns correlate above 0.999, closes of spot, perp and mark stay within 5 bp in 95 of 100 hours."""
    names = [name for name in CANDLE_FILES if f"{coin}USDT" in name and not name.startswith("ml/")]
    assert len(names) == {"BTC": 7, "ETH": 8}[coin]
    frames = {name: candles(sample_raw / name) for name in names}
    returns = pd.DataFrame({name: log_returns(frame) for name, frame in frames.items()}).dropna()
    assert returns.corr().to_numpy().min() > 0.999
    assert returns.corrwith(returns[names[0]].shift(1)).abs().max() < 0.1
    closes = pd.DataFrame({name: frame["close"][~frame.index.duplicated()] for name, frame in frames.items()}).dropna()
    spread = 1e4 * np.log(closes.max(axis=1) / closes.min(axis=1))
    assert spread.quantile(0.95) < 5
    assert spread.max() < 20


@pytest.mark.parametrize(("coin", "volatility"), [("BTC", 0.50), ("ETH", 0.65)])
def test_returns_have_the_volatility_regimes_and_fat_tails_of_a_coin(
    sample_raw: Path, coin: str, volatility: float
) -> None:
    returns = log_returns(candles(sample_raw / f"cex/spot/bybit_{coin}USDT_spot_1h.csv"))
    assert returns.std() * np.sqrt(365 * 24) == pytest.approx(volatility, rel=0.15)
    assert returns.kurt() > 2
    assert returns.abs().autocorr(24) > 0.1
    assert abs(returns.autocorr(1)) < 0.05


def test_btc_and_eth_move_together_but_not_as_one(sample_raw: Path) -> None:
    btc, eth = (log_returns(candles(sample_raw / f"cex/spot/bybit_{coin}USDT_spot_1h.csv")) for coin in ("BTC", "ETH"))
    assert 0.7 < btc.corr(eth) < 0.95


def test_pools_follow_the_market_within_their_fee(sample_raw: Path) -> None:
    spot = candles(sample_raw / "cex/spot/bybit_ETHUSDT_spot_1h.csv")
    pool = pd.read_csv(sample_raw / "dex/uniswapv3_WETHUSDT_1h.csv")
    assert len(pool) == HOURS_2024
    market = spot["close"][~spot.index.duplicated()].to_numpy()
    assert np.abs(np.log(pool["close"].to_numpy() / market)).max() < 0.003 + 0.0005
    assert (pool["open"].to_numpy()[1:] == pool["close"].to_numpy()[:-1]).all()
    eigen = pd.read_csv(sample_raw / "dex/uniswapv3_EIGENWETH_1h.csv")["close"].to_numpy() * market
    assert np.abs(np.log(eigen / candles(sample_raw / CANDLE_FILES[4])["close"].to_numpy())).max() < 0.004


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_funding_pays_shorts_as_it_did_in_reality(sample_raw: Path, venue: str, symbol: str) -> None:
    rates = settled(sample_raw, venue, symbol)
    assert 0.08 < rates.mean() * 3 * 365 < 0.105
    assert 0.10 < (rates < 0).mean() < (0.20 if venue == "okx" else 0.14)
    assert rates.min() > -2.9e-4
    assert rates.max() < 1.5e-3


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_venues_pay_similar_but_not_equal_funding_best_aligned_without_lag(sample_raw: Path, symbol: str) -> None:
    rates = pd.DataFrame({venue: settled(sample_raw, venue, symbol) for venue in VENUES})
    pairs = rates.corr().to_numpy()[np.triu_indices(3, 1)]
    assert ((pairs > 0.7) & (pairs < 0.95)).all()
    for lag in (-2, -1, 1, 2):
        assert rates["okx"].shift(lag).corr(rates["binance"]) < rates["okx"].corr(rates["binance"])


def test_funding_is_the_mean_premium_of_the_eight_hours_before_it() -> None:
    factors = Factors(1, Period.of("2024-01", 1))
    premiums, rates = premium("okx", "BTC", factors), funding_rates("okx", "BTC", factors)
    assert len(premiums) == 8 + 31 * 24 + 1  # from eight hours before the month to its end
    assert rates[0] == pytest.approx(sum(premiums[:8]) / 8, rel=1e-12)
    assert rates[-1] == pytest.approx(sum(premiums[-17:-9]) / 8, rel=1e-12)  # 16:00 on the last day


def test_funding_follows_the_premium_of_the_hours_before_it(sample_raw: Path) -> None:
    perp, spot = (
        candles(sample_raw / f"cex/{kind}/bybit_BTCUSDT_{kind}_1h.csv")["close"].groupby(level=0).first()
        for kind in ("perp", "spot")
    )
    basis = np.log(perp / spot).rolling(8).mean()
    basis.index = basis.index + pd.Timedelta(hours=1)  # a close is known an hour after its stamp
    assert settled(sample_raw, "bybit", "BTCUSDT").corr(basis) > 0.9
