"""Known defects of candles: CEX, marks and pools."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from basis_pipeline.domain.timeline import HOUR
from basis_pipeline_tests.market_data.defects import Figures, defect
from basis_pipeline_tests.market_data.vendor_files import micros
from basis_pipeline_tests.market_data.world import World, stamps


@defect("D-01", replica={"rows": 23, "bars": 1008}, real={"rows": 299, "bars": 13_128})
def binance_holes_are_filled_from_the_declared_donors(world: World, n: Figures) -> None:
    for dataset, symbol, rule in (
        ("spot_candles_1h", "BTCUSDT", "fill:spot_candles_1h:bybit"),
        ("perp_candles_1h", "BTCUSDT", "fill:perp_candles_5m:binance"),
        ("perp_candles_1h", "ETHUSDT", "fill:mark_candles_1h:binance"),
    ):
        counts = world.series(dataset, "binance", symbol).counts
        assert counts.filled == {rule: n["rows"]}
        frame = world.frame(dataset, "binance", symbol)
        assert len(frame) == n["bars"] == counts.kept
        assert set(np.diff(stamps(frame))) == {HOUR}
        filled = frame[frame["quality"] == "filled"]
        assert len(filled) == n["rows"]
        assert filled["volume"].notna().all() == (rule == "fill:perp_candles_5m:binance")
        assert not filled["source_file"].str.contains(f"binance_{symbol}_(?:spot|perp)_1h").any()


@defect("D-02", replica={"rows": 1}, real={"rows": 13})
def bybit_repeats_are_dropped_once_each(world: World, n: Figures) -> None:
    for dataset in ("spot_candles_1h", "perp_candles_1h"):
        for symbol in ("BTCUSDT", "ETHUSDT"):
            assert world.series(dataset, "bybit", symbol).counts.dropped == {"exact_duplicate": n["rows"]}
            assert set(np.diff(stamps(world.frame(dataset, "bybit", symbol)))) == {HOUR}


@defect("D-09", replica={"missing": 48, "holes": 1}, real={"missing": 1440, "holes": 2})
def missing_okx_bars_are_reported_not_invented(world: World, n: Figures) -> None:
    series = world.series("perp_candles_1h", "okx", "ETHUSDT")
    assert series.counts.filled == {}
    assert series.coverage is not None
    assert (series.coverage.missing_steps, len(series.coverage.missing)) == (n["missing"], n["holes"])
    assert world.finding("coverage", *("perp_candles_1h", "okx", "ETHUSDT")).count == n["missing"]


@defect("D-10", replica={"ratio": 0.7}, real={"ratio": 0.70})
def okx_volume_is_in_coins_like_everywhere(world: World, n: Figures) -> None:
    okx = world.frame("perp_candles_1h", "okx", "ETHUSDT").set_index("timestamp")["volume"]
    binance = world.frame("perp_candles_1h", "binance", "ETHUSDT").set_index("timestamp")["volume"]
    assert (okx / binance).median() == pytest.approx(n["ratio"], abs=0.01)


@defect("D-11", replica={}, real={})
def both_downloads_of_binance_spot_give_one_grid(world: World, n: Figures) -> None:
    btc, eth = (world.frame("spot_candles_1h", "binance", symbol) for symbol in ("BTCUSDT", "ETHUSDT"))
    assert eth["source_file"].str.endswith(".feather").all()
    assert list(btc.columns) == list(eth.columns)
    assert (stamps(btc) == stamps(eth)).all()


@defect("D-12", replica={"missing": 100, "rows": 600}, real={"missing": 2782, "rows": 8182})
def two_downloads_are_one_series_whose_hole_is_told(world: World, n: Figures) -> None:
    key = ("spot_candles_1h", "binance", "ETHFIUSDT")
    assert world.series(*key).counts.kept == n["rows"]
    assert world.finding("coverage", *key).count == n["missing"]
    assert world.finding("early_end", *key).count == 12


@defect("D-20", replica={"at": "2025-05-28T21:00"}, real={"at": "2024-10-28T21:00"})
def the_bar_in_which_one_venue_stands_apart_is_told_and_kept(world: World, n: Figures) -> None:
    found = world.finding("venue_difference", "perp_candles_1h", "binance", "ETHUSDT")
    assert found.count == 1
    assert n["at"] in found.message
    frame = world.frame("perp_candles_1h", "binance", "ETHUSDT").set_index("timestamp")
    assert frame.loc[pd.Timestamp(n["at"]), "quality"] == "observed"


@defect(
    "D-21",
    replica={"frozen": 4, "carried": 4, "still": 1, "overlap": 100, "at": "2025-06-14T15:00"},
    real={"frozen": 16, "carried": 14, "still": 2, "overlap": 27_419, "at": "2025-01-14T15:00"},
)
def frozen_bars_are_set_aside_and_overlaps_dropped(world: World, n: Figures) -> None:
    key = ("perp_candles_5m", "binance", "BTCUSDT")
    counts = world.series(*key).counts
    assert counts.quarantined == {"frozen_bar": n["frozen"]}
    assert counts.filled == {"fill:last_close": n["carried"]}
    assert counts.dropped == {"exact_duplicate": n["overlap"]}
    assert set(world.quarantined(*key)["reason"]) == {"frozen_bar"}
    frame = world.frame(*key)
    assert (frame["volume"] == 0.0).sum() == n["still"]
    carried = frame[frame["quality"] == "filled"]
    assert carried["volume"].isna().all()
    assert (carried["open"] == carried["close"]).all()
    differing = world.finding("hours_differ_in_prices", *key)
    assert differing.count == 1
    assert n["at"] in differing.message


@defect(
    "D-22",
    replica={"quiet": {"WETHUSDT": 2}, "off": {"WETHUSDT": 1}},
    real={"quiet": {"WETHUSDT": 11, "EIGENWETH": 7, "ETHFIWETH": 214}, "off": {"WETHUSDT": 1, "ETHFIWETH": 11}},
)
def thin_pools_and_their_deviations_are_told_and_kept(world: World, n: Figures) -> None:
    for symbol, bars in n["quiet"].items():
        assert world.finding("no_volume", "dex_candles_1h", "uniswapv3", symbol).count == bars
        assert world.series("dex_candles_1h", "uniswapv3", symbol).counts.quarantined == {}
    for symbol, bars in n["off"].items():
        assert world.finding("pool_difference", "dex_candles_1h", "uniswapv3", symbol).count == bars


@defect("D-23", replica={"first": "2025-05-10T00:00"}, real={"first": "2024-01-01T00:00"})
def pool_stamps_are_epochs_and_their_volume_is_in_the_quote_token(world: World, n: Figures) -> None:
    frame = world.frame("dex_candles_1h", "uniswapv3", "WETHUSDT")
    raw = pd.read_csv(next(world.raw.rglob("uniswapv3_WETHUSDT_1h.csv")))
    assert stamps(frame)[0] == micros(n["first"])
    assert frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S+00:00Z").tolist() == raw["date_utc"].tolist()
    assert frame["volume_quote"].tolist() == raw["volume"].tolist()
    assert "volume" not in frame


@defect(
    "D-24",
    replica={"at": "2025-06-15T01:00", "venues": ("binance", "bybit", "okx")},
    real={"at": "2025-02-03T01:00", "venues": ("binance", "bybit", "okx")},
)
def a_crash_that_all_venues_show_is_kept(world: World, n: Figures) -> None:
    for venue in n["venues"]:
        key = ("perp_candles_1h", venue, "ETHUSDT")
        assert n["at"] in world.finding("large_move", *key).message
        assert not [f for f in world.series(*key).findings if f.rule == "unconfirmed_move"]
        frame = world.frame(*key).set_index("timestamp")
        bar = frame.loc[pd.Timestamp(n["at"])]
        assert bar["quality"] == "observed"
        assert bar["close"] / frame["close"].shift(freq="h").loc[pd.Timestamp(n["at"])] < 0.9


@defect("D-34", replica={"rows": 1008}, real={"rows": 13_128})
def marks_without_volume_are_whole(world: World, n: Figures) -> None:
    for venue in ("binance", "bybit", "okx"):
        for symbol in ("BTCUSDT", "ETHUSDT"):
            frame = world.frame("mark_candles_1h", venue, symbol)
            assert frame["volume"].isna().all()
            assert len(frame) >= n["rows"]
            assert world.series("mark_candles_1h", venue, symbol).counts.quarantined == {}
