"""Checks on small series that have what the check is for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from basis_pipeline.domain.timeline import DAY, HOUR
from basis_pipeline.market_data.checks.bars import still_bars
from basis_pipeline.market_data.checks.chain import daily_against_hourly_rates, index_monotony, ratio_monotony
from basis_pipeline.market_data.checks.context import Context, split_symbol
from basis_pipeline.market_data.checks.coverage import filled_share
from basis_pipeline.market_data.checks.labels import label_correlation
from basis_pipeline.market_data.checks.venues import large_moves, venue_differences
from basis_pipeline.market_data.corrections import load_corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.manifests import Interval, coverage_of
from basis_pipeline.market_data.series import Series
from basis_pipeline_tests.market_data.vendor_files import grid, micros, scaled, walk
from basis_pipeline_tests.market_data.world import CONFIGS

GENERAL = load_corrections(CONFIGS).general


def series(dataset: str, venue: str, symbol: str, frame: pd.DataFrame) -> Series:
    rows = frame.assign(quality="observed", source_file="f.csv", source_row=1)
    return Series(SeriesKey(dataset, venue, symbol), rows.reset_index(drop=True))


def context(*others: Series) -> Context:
    known = {other.key: other for other in others}
    return Context(tuple(known), known.get, GENERAL)


def moved(frame: pd.DataFrame, hours: int) -> pd.DataFrame:
    return frame.assign(timestamp=frame["timestamp"] + hours * HOUR)


@pytest.mark.parametrize(
    ("hours", "points", "severity"), [(0, 500, "INFO"), (1, 500, "ERROR"), (-2, 500, "ERROR"), (1, 200, "WARN")]
)
def test_labels_that_are_off_are_found_with_a_severity_by_the_evidence(hours: int, points: int, severity: str) -> None:
    truth = walk(np.arange(points, dtype=np.int64) * HOUR + micros("2024-01-01"), 100.0, seed=1)
    other = series("spot_candles_1h", "bybit", "BTCUSDT", scaled(truth, 1.001))
    own = series("spot_candles_1h", "binance", "BTCUSDT", moved(truth, hours))
    (found,) = label_correlation(own, context(own, other))
    assert found.severity == severity
    assert hours == 0 or f"best at lag {hours:+d}" in found.message


def test_a_venue_that_stands_apart_is_found_there_and_not_at_the_others() -> None:
    frame = walk(grid("2024-01-01T00:00", "2024-01-02T00:00"), 100.0, seed=1)
    apart = frame.copy()
    apart.loc[7, "close"] *= 0.99
    venues = dict.fromkeys(("bybit", "okx"), frame) | {"binance": apart}
    all_series = [series("perp_candles_1h", venue, "ETHUSDT", rows) for venue, rows in venues.items()]
    found = {one.key.venue: list(venue_differences(one, context(*all_series))) for one in all_series}
    assert (found["bybit"], found["okx"]) == ([], [])
    assert "2024-01-01T07:00:00Z" in found["binance"][0].message


def large(own: Series, *others: Series) -> list[Finding]:
    return list(large_moves(own, context(own, *others)))


def test_a_move_that_others_share_is_real_and_a_lone_one_is_told() -> None:
    frame = walk(grid("2024-01-01T00:00", "2024-01-02T00:00"), 100.0, seed=1)
    crash = frame.copy()
    crash.loc[10:, ["open", "high", "low", "close"]] *= 0.85
    own = series("spot_candles_1h", "binance", "ETHUSDT", crash)
    calm = series("perp_candles_1h", "bybit", "ETHUSDT", frame)
    same = series("dex_candles_1h", "uniswapv3", "WETHUSDT", crash.assign(volume_quote=1.0))
    assert [(f.severity, f.rule) for f in large(own, calm)] == [("WARN", "unconfirmed_move")]
    assert [(f.severity, f.rule) for f in large(own, calm, same)] == [("INFO", "large_move")]
    assert large(calm, own) == []


def test_a_bad_tick_that_others_contradict_is_an_error() -> None:
    frame = walk(grid("2024-01-01T00:00", "2024-01-02T00:00"), 100.0, seed=1)
    tick = frame.copy()
    tick.loc[10, ["high", "close"]] = [1_000.0, 1_000.0]
    own = series("spot_candles_1h", "binance", "ETHUSDT", tick)
    found = large(own, series("perp_candles_1h", "bybit", "ETHUSDT", frame))
    assert [(f.severity, f.rule, f.count) for f in found] == [("ERROR", "contradicted_move", 2)]
    assert [(f.severity, f.rule) for f in large(own)] == [("WARN", "unconfirmed_move")]


def test_bars_without_trades_are_told() -> None:
    frame = walk(grid("2024-01-01T00:00", "2024-01-02T00:00"), 100.0, seed=1)
    own = series("spot_candles_1h", "binance", "ETHUSDT", frame)
    assert list(still_bars(own, context())) == []
    frame.loc[3:4, ["open", "high", "low", "close", "volume"]] = [7.0, 7.0, 7.0, 7.0, 0.0]
    (found,) = still_bars(series("spot_candles_1h", "binance", "ETHUSDT", frame), context())
    assert found.count == 2


@pytest.mark.parametrize(("fall", "count"), [(1e-12, 0), (1e-8, 1)])
def test_an_index_that_falls_beyond_rounding_is_an_error(fall: float, count: int) -> None:
    index = 1.0 + np.arange(10) * 1e-4
    index[6] = index[5] * (1.0 - fall)
    days = micros("2024-01-01") + np.arange(10) * DAY
    frame = pd.DataFrame({"timestamp": days, "liquidity_index": index, "variable_borrow_index": 1.0})
    own = series("aave_reserves_1d", "aave_v3", "USDT", frame)
    assert [finding.severity for finding in index_monotony(own, context())] == ["ERROR"] * count
    ratio = frame.assign(price=index, interpolated=False)
    found = list(ratio_monotony(series("oracle_prices", "aave_v3", "weETH_ETH", ratio), context()))
    assert [finding.severity for finding in found] == ["WARN"] * count


def test_hourly_rates_in_percent_contradict_the_daily_ones() -> None:
    days = micros("2024-01-01") + np.arange(10) * DAY
    rates = pd.DataFrame({"timestamp": days, "liquidity_rate": 0.05, "variable_borrow_rate": 0.07})
    daily = series("aave_reserves_1d", "aave_v3", "USDT", rates)
    for scale, severity in ((1.0, "INFO"), (100.0, "ERROR")):
        hourly = rates.assign(liquidity_rate=0.05 * scale, variable_borrow_rate=0.07 * scale)
        found = daily_against_hourly_rates(daily, context(series("aave_rates_1h", "aave_v3", "USDT", hourly)))
        assert [finding.severity for finding in found] == [severity, severity]


def test_a_month_that_is_mostly_filled_is_told() -> None:
    frame = walk(grid("2024-01-01T00:00", "2024-02-29T23:00"), 100.0, seed=1)
    own = series("spot_candles_1h", "binance", "BTCUSDT", frame)
    quality = np.where(np.arange(len(frame)) < 38, "filled", "observed")
    quality[800] = "filled"
    (found,) = filled_share(Series(own.key, own.frame.assign(quality=quality)), context())
    assert (found.severity, found.month, found.count) == ("WARN", "2024-01", 38)


def test_coverage_counts_runs_of_missing_steps() -> None:
    found = coverage_of(np.array([0, 1, 4, 5, 7], dtype=np.int64) * HOUR, HOUR)
    assert (found.rows, found.expected, found.missing_steps) == (5, 8, 3)
    assert found.missing == (Interval(2 * HOUR, 3 * HOUR, 2), Interval(6 * HOUR, 6 * HOUR, 1))


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("BTCUSDT", ("BTC", "USDT")),
        ("WETHUSDT", ("ETH", "USDT")),
        ("ETHFIWETH", ("ETHFI", "ETH")),
        ("ETHUSD", ("ETH", "USD")),
        ("USDT", ("USDT", "")),
    ],
)
def test_symbols_are_split_at_their_quote(symbol: str, parts: tuple[str, str]) -> None:
    assert split_symbol(symbol) == parts
