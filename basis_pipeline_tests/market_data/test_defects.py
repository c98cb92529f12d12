"""Every known defect of the vendor files: found or repaired, on a replica that plants it and on the real files.

Each defect is one function and two sets of figures: those of the replica follow from how it is built, those of the real
files from the vendor data's own list of defects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from basis_pipeline.domain.timeline import DAY, HOUR
from basis_pipeline_tests.market_data.replica import Truth
from basis_pipeline_tests.market_data.vendor_files import micros
from basis_pipeline_tests.market_data.world import World, stamps

Figures = dict[str, Any]


@dataclass(frozen=True)
class Defect:
    holds: Callable[[World, Figures], None]
    replica: Figures
    real: Figures


DEFECTS: dict[str, Defect] = {}


def defect(name: str, *, replica: Figures, real: Figures) -> Callable[[Callable[[World, Figures], None]], None]:
    def register(holds: Callable[[World, Figures], None]) -> None:
        DEFECTS[name] = Defect(holds, replica, real)

    return register


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


@defect(
    "D-03",
    replica={"proxied": 5, "hole": 15, "month": "2025-03", "symbols": ("BTCUSDT",)},
    real={"proxied": 43, "hole": 91, "month": "2024-08", "symbols": ("BTCUSDT", "ETHUSDT")},
)
def missing_okx_settlements_are_proxied_within_budget_else_left_open(world: World, n: Figures) -> None:
    for symbol in n["symbols"]:
        key = ("funding_rates", "okx", symbol)
        assert world.series(*key).counts.proxied == {"proxy:median_of_venues": n["proxied"]}
        hole = world.finding("funding_hole", *key)
        assert (hole.severity, hole.month, hole.count) == ("ERROR", n["month"], n["hole"])
        frame = world.frame(*key)
        others = pd.concat(
            [
                world.frame("funding_rates", v, symbol).set_index("timestamp")["funding_rate"]
                for v in ("binance", "bybit")
            ],
            axis=1,
        )
        proxies = frame[frame["quality"] == "proxied"].set_index("timestamp")["funding_rate"]
        assert proxies.groupby(proxies.index.strftime("%Y-%m")).size().max() <= 12
        # The median of two is their mean.
        assert np.allclose(proxies, others.reindex(proxies.index).mean(axis=1), rtol=1e-12, atol=0.0)


@defect(
    "D-04",
    replica={"rows": 15, "symbols": ("BTCUSDT",)},
    real={"rows": 210, "symbols": ("BTCUSDT", "ETHUSDT")},
)
def of_two_okx_rates_for_one_label_the_bogus_one_goes(world: World, n: Figures) -> None:
    for symbol in n["symbols"]:
        counts = world.series("funding_rates", "okx", symbol).counts
        assert counts.dropped == {"conflict_signature": n["rows"]}
        assert counts.quarantined == {}
        frame = world.frame("funding_rates", "okx", symbol)
        assert counts.read - n["rows"] == (frame["quality"] == "observed").sum()
        assert frame["timestamp"].is_unique


@defect(
    "D-05",
    replica={"symbols": ("BTCUSDT",), "last": "2025-06-20T08:00"},
    real={"symbols": ("BTCUSDT", "ETHUSDT"), "last": "2025-06-30T08:00"},
)
def okx_labels_move_back_eight_hours_and_follow_the_others_at_lag_0(world: World, n: Figures) -> None:
    for symbol in n["symbols"]:
        frame = world.frame("funding_rates", "okx", symbol)
        observed = frame[frame["quality"] == "observed"]
        assert stamps(observed)[-1] == micros(n["last"])
        found = world.finding("label_correlation", "funding_rates", "okx", symbol)
        assert found.severity == "INFO"
        assert "best at lag 0" in found.message


@defect(
    "D-06",
    replica={"symbols": ("BTCUSDT",), "first": "2025-01-31T08:00"},
    real={"symbols": ("BTCUSDT", "ETHUSDT"), "first": "2024-04-30T08:00"},
)
def okx_rates_before_the_change_move_back_one_settlement_more(world: World, n: Figures) -> None:
    for symbol in n["symbols"]:
        frame = world.frame("funding_rates", "okx", symbol)
        assert stamps(frame)[0] == micros(n["first"])
        seam = frame[frame["timestamp"] == pd.Timestamp("2025-06-09T08:00")]
        assert seam["quality"].tolist() == ["proxied"]


@defect("D-07", replica={"rows": 85}, real={"rows": 339})
def binance_settlements_are_stamped_to_the_second(world: World, n: Figures) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert world.series("funding_rates", "binance", symbol).counts.changed == {"stamp_rounded": n["rows"]}
        assert (stamps(world.frame("funding_rates", "binance", symbol)) % (8 * HOUR) == 0).all()


@defect("D-08", replica={"crlf": 20, "bom": 1}, real={"crlf": 23, "bom": 1})
def line_ends_and_byte_order_marks_do_not_matter(world: World, n: Figures) -> None:
    heads = world.heads()
    assert sum(head.crlf for head in heads.values()) == n["crlf"]
    assert sum(head.bom for head in heads.values()) == n["bom"]
    for name, head in heads.items():
        assert not any("\r" in column or "\ufeff" in column for column in head.columns), name
        assert world.file(name).status in ("read", "rejected"), name


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


@defect(
    "D-13",
    replica={"WETH_USD": 1007 - 41, "weETH_ETH": 1007 - 41},
    real={
        "WETH_USD": 13_127 - 546,
        "weETH_ETH": 9959 - 414,
        "wstETH_ETH": 9959 - 414,
        "weETH_USD": 9545,
        "wstETH_USD": 9545,
    },
)
def oracle_values_between_midnights_are_marked_as_interpolated(world: World, n: Figures) -> None:
    for symbol, rows in n.items():
        frame = world.frame("oracle_prices", "aave_v3", symbol)
        assert world.finding("interpolated", "oracle_prices", "aave_v3", symbol).count == rows
        assert (frame["interpolated"] == (stamps(frame) % DAY != 0)).all()
    assert not world.frame("oracle_prices", "aave_v3", "USDT_USD")["interpolated"].any()


@defect("D-14", replica={"files": 3}, real={"files": 6})
def oracle_comments_are_read_and_their_count_is_not_believed(world: World, n: Figures) -> None:
    told = [file for file in world.report.files if any(f.rule == "record_count" for f in file.findings)]
    assert len(told) == n["files"]
    assert all(file.status == "read" for file in told)
    for symbol in ("USDT_USD", "WETH_USD"):
        assert set(np.diff(stamps(world.frame("oracle_prices", "aave_v3", symbol)))) in ({DAY}, {HOUR})


@defect("D-15", replica={"tokens": ("USDT",)}, real={"tokens": ("USDT", "WETH")})
def hourly_percentages_become_the_fractions_of_the_daily_files(world: World, n: Figures) -> None:
    for token in n["tokens"]:
        daily = world.frame("aave_reserves_1d", "aave_v3", token).set_index("timestamp")
        hourly = world.frame("aave_rates_1h", "aave_v3", token).set_index("timestamp")
        for column in ("liquidity_rate", "variable_borrow_rate"):
            difference = (daily[column] - hourly[column]).dropna().abs()
            assert len(difference) >= 40
            assert difference.median() < 1e-6  # 0.01 bp
        assert world.series("aave_rates_1h", "aave_v3", token).counts.quarantined == {"not_yet_reported": 1}


@defect("D-16", replica={"early": 504}, real={"early": 6563})
def gas_samples_are_known_when_their_block_was_mined(world: World, n: Figures) -> None:
    frame = world.frame("gas_prices_1h", "ethereum", "ETH")
    assert frame["sampled_early"].sum() == n["early"]
    assert world.finding("sampled_early", "gas_prices_1h", "ethereum", "ETH").count == n["early"]
    lead = frame["timestamp"] - frame["block_timestamp"]
    assert (lead[frame["sampled_early"]] > pd.Timedelta(minutes=10)).all()
    assert (lead[~frame["sampled_early"]] <= pd.Timedelta(minutes=10)).all()


@defect("D-17", replica={}, real={})
def gas_columns_that_repeat_others_are_left_out(world: World, n: Figures) -> None:
    frame = world.frame("gas_prices_1h", "ethereum", "ETH")
    assert not {"gas_price_avg_gwei", "chain", "source", "note"} & set(frame.columns)
    assert np.allclose(frame["gas_price_gwei"], frame["base_fee_gwei"] + frame["priority_fee_gwei"], atol=0.0101)


@defect("D-18", replica={"spikes": 2, "tips": 1, "above_200": 2}, real={"spikes": 39, "tips": 11, "above_200": 10})
def gas_spikes_stay_and_tip_spikes_are_told_from_peaks(world: World, n: Figures) -> None:
    frame = world.frame("gas_prices_1h", "ethereum", "ETH")
    assert world.finding("gas_spike", "gas_prices_1h", "ethereum", "ETH").count == n["spikes"]
    assert frame["tip_spike"].sum() == n["tips"]
    assert (frame["gas_price_gwei"] > 200.0).sum() == n["above_200"]


@defect("D-19", replica={"weETH": ("curve", 1004)}, real={"weETH": ("curve", 9932), "wstETH": ("uniswap", 9937)})
def peg_rates_are_marked_as_medians(world: World, n: Figures) -> None:
    for symbol, (venue, rows) in n.items():
        key = ("lst_market_rates_1h", venue, symbol)
        assert world.finding("smoothed_market_rate", *key).count == rows
        frame = world.frame(*key)
        assert frame["smoothed"].all()
        assert (frame["interpolated"] == (stamps(frame) % DAY != 0)).all()


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


@defect("D-25", replica={"USDT": 3}, real={"USDT": 1554, "WETH": 243})
def hours_without_an_update_are_kept(world: World, n: Figures) -> None:
    for token, rows in n.items():
        assert world.finding("repeated_rows", "aave_rates_1h", "aave_v3", token).count == rows
        assert world.series("aave_rates_1h", "aave_v3", token).counts.dropped == {}


@defect("D-26", replica={"day": "2025-06-04", "rows": 9}, real={"day": "2024-05-02", "rows": 500})
def a_yield_of_zero_is_a_missing_day(world: World, n: Figures) -> None:
    key = ("benchmark_yields", "defillama", "sUSDE")
    aside = world.quarantined(*key)
    assert aside["timestamp"].tolist() == [pd.Timestamp(n["day"])]
    assert aside["reason"].tolist() == ["zero_is_missing"]
    export, derived = world.frame(*key), world.frame("benchmark_yields", "ethena", "sUSDE")
    assert len(export) == len(derived) == n["rows"]
    assert np.allclose(export["apr"], derived["apr"], rtol=0.0, atol=1e-12)


@defect("D-27", replica={"weeks": 2, "estimated": 1}, real={"weeks": 37, "estimated": 5})
def reward_periods_have_tokens_and_whole_weeks_but_no_prices(world: World, n: Figures) -> None:
    frame = world.frame("reward_periods", "etherfi", "eETH")
    assert not [column for column in frame.columns if "price" in column or "yield" in column]
    eigen = frame[frame["reward_token"] == "EIGEN"]
    assert (eigen["period_days"] == 7.0).sum() == n["weeks"]
    assert (eigen["rate_days"] == 7.0).all()
    assert world.finding("estimated_reward", "reward_periods", "etherfi", "eETH").count == n["estimated"]
    assert frame["timestamp"].is_monotonic_increasing


@defect(
    "D-28",
    replica={"since": "2025-02-15", "off": 1, "other": 1, "last": 190_000 / 1_000_000 * 7 / 8},
    real={"since": "2025-02-15", "off": 2, "other": 2, "last": 583_404 / (2_760_773 + 187_518) * 7 / 8},
)
def distributions_have_one_definition(world: World, n: Figures) -> None:
    key = ("reward_distributions", "etherfi", "EIGEN")
    frame = world.frame(*key)
    assert f"from {n['since']}" in world.finding("changed_definition", *key).message
    assert (frame["published_basis"] == "other").sum() == n["other"]
    assert frame["tokens_per_eeth_week"].iloc[-1] == pytest.approx(n["last"], rel=1e-12)
    assert world.finding("rate_of_other_period", "reward_periods", "etherfi", "eETH").count == n["off"]


@defect(
    "D-29",
    replica={"drops": (2, 1), "blank": 4, "topups": 1},
    real={"drops": (10, 5), "blank": 175, "topups": 7},
)
def text_ranges_are_ranges_and_missing_figures_are_null(world: World, n: Figures) -> None:
    drops = world.frame("seasonal_drops", "etherfi", "eETH")
    assert (len(drops), drops["estimated"].sum()) == n["drops"]
    assert (5.0, 15.0) in set(zip(drops["tokens_per_eeth_low"], drops["tokens_per_eeth_high"], strict=True))
    apy = world.frame("staking_apy", "etherfi", "eETH")
    assert apy["reward_apy"].isna().sum() == n["blank"]
    assert apy["base_apy"].iloc[0] == pytest.approx(0.0349)
    assert len(world.frame("reward_topups", "etherfi", "ETHFI")) == n["topups"]


@defect("D-30", replica={"rules": {"copied_file", "impossible_margin"}}, real={"rules": {"copied_file"}})
def placeholder_margins_are_rejected(world: World, n: Figures) -> None:
    files = [file for file in world.report.files if file.path.endswith("margin_requirements.json")]
    assert len(files) == 3
    assert {file.status for file in files} == {"rejected"}
    assert {finding.rule for file in files for finding in file.findings} == n["rules"]
    assert world.store.series("margin_requirements") == []


@defect("D-31", replica={"assets": {"WETH", "weETH"}}, real={"assets": {"WETH", "weETH", "wstETH"}})
def the_sheet_wins_over_hand_written_parameters(world: World, n: Figures) -> None:
    key = ("aave_risk_parameters", "aave_v3", "ethereum")
    aside = world.quarantined(*key)
    assert set(aside["asset"]) == n["assets"]
    assert set(aside["reason"]) == {"contradicted_by_sheet"}
    frame = world.frame(*key)
    sheet = frame[(frame["origin"] == "sheet") & (frame["asset"] == "WETH")].iloc[0]
    values = sheet[["ltv", "liquidation_threshold", "liquidation_bonus", "reserve_factor", "supply_cap"]].tolist()
    assert values == pytest.approx([0.805, 0.83, 0.05, 0.15, 3.2e6])
    assert set(frame[frame["origin"] == "hand_written"]["mode"]) == {"emode", "standard"}
    assert world.finding("unconfirmed_emode", *key).count == len(n["assets"])


@defect("D-32", replica={"curves": 2, "bps": [5.0, 13.0]}, real={"curves": 33, "bps": [5.0, 7.0, 13.0]})
def constant_costs_are_called_a_model(world: World, n: Figures) -> None:
    key = ("execution_costs", "modelled", "ALL")
    assert world.finding("constant_costs", *key).count == n["curves"]
    frame = world.frame(*key)
    assert len(frame) == n["curves"]
    assert frame[frame["pair"] == "ETH_USDT"].sort_values("size_usd")["cost_bps"].tolist() == n["bps"]
    assert world.file("execution_cost_summary.json").status == "ignored"


@defect("D-33", replica={"operations": 2}, real={"operations": 18})
def of_the_gas_summary_only_units_are_read(world: World, n: Figures) -> None:
    frame = world.frame("gas_units", "ethereum", "ETH")
    provenance = ["quality", "source_file", "source_row"]
    assert list(frame.columns) == ["timestamp", "operation", "gas_units", *provenance]
    assert len(frame) == n["operations"]
    assert [finding.rule for finding in world.file("operation_gas_costs_summary.json").findings] == [
        "look_ahead_aggregate"
    ]


@defect("D-34", replica={"rows": 1008}, real={"rows": 13_128})
def marks_without_volume_are_whole(world: World, n: Figures) -> None:
    for venue in ("binance", "bybit", "okx"):
        for symbol in ("BTCUSDT", "ETHUSDT"):
            frame = world.frame("mark_candles_1h", venue, symbol)
            assert frame["volume"].isna().all()
            assert len(frame) >= n["rows"]
            assert world.series("mark_candles_1h", venue, symbol).counts.quarantined == {}


@defect("D-35", replica={}, real={})
def placeholders_are_rejected_by_what_they_are(world: World, n: Figures) -> None:
    rules = {
        "curve_weETHWETH_1h.csv": "copied_file",
        "uniswapv3_wstETHWETH_1h.csv": "copied_file",
        "binance_EIGENUSDT_1h.csv": "straight_ramp",
        "binance_ETHFIUSDT_1h.csv": "straight_ramp",
        "USDT_ETH_oracle.csv": "declared_empty",
    }
    for name, rule in rules.items():
        file = world.file(name)
        assert (file.status, [finding.rule for finding in file.findings]) == ("rejected", [rule])
        assert {finding.severity for finding in file.findings} == {"WARN"}
    assert ("aave_v3", "USDT_ETH") not in {(s.venue, s.symbol) for s in world.store.series("oracle_prices")}


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_defect_is_handled_in_the_replica(name: str, replica: tuple[World, Truth]) -> None:
    DEFECTS[name].holds(replica[0], DEFECTS[name].replica)


@pytest.mark.real_data
@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_defect_is_handled_in_the_real_files(name: str, real_world: World) -> None:
    DEFECTS[name].holds(real_world, DEFECTS[name].real)


def test_all_known_defects_are_covered() -> None:
    assert sorted(DEFECTS) == [f"D-{number:02d}" for number in range(1, 36)]


def test_the_replica_and_the_real_files_give_no_error(replica: tuple[World, Truth]) -> None:
    assert replica[0].report.errors == ()
    assert {finding.rule for finding in replica[0].report.failed_checks} == {"funding_hole"}


def test_repaired_okx_rates_are_the_true_ones(replica: tuple[World, Truth]) -> None:
    world, truth = replica
    frame = world.frame("funding_rates", "okx", "BTCUSDT").query("quality == 'observed'")
    assert frame["funding_rate"].tolist() == [truth.funding[stamp] for stamp in stamps(frame).tolist()]


def test_bars_rebuilt_from_five_minutes_are_the_bars_that_were_cut_out(replica: tuple[World, Truth]) -> None:
    world, truth = replica
    frame = world.frame("perp_candles_1h", "binance", "BTCUSDT")
    prices = ["open", "high", "low", "close"]
    assert (frame[prices].to_numpy() == truth.btc[prices].to_numpy()).all()
    assert np.allclose(frame["volume"], truth.btc["volume"], atol=0.02)
