"""Known defects of on-chain series: oracle, Aave, gas, pegs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from basis_pipeline.domain.timeline import DAY
from basis_pipeline_tests.market_data.defects import Figures, defect
from basis_pipeline_tests.market_data.world import World, stamps


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


@defect("D-25", replica={"USDT": 3}, real={"USDT": 1554, "WETH": 243})
def hours_without_an_update_are_kept(world: World, n: Figures) -> None:
    for token, rows in n.items():
        assert world.finding("repeated_rows", "aave_rates_1h", "aave_v3", token).count == rows
        assert world.series("aave_rates_1h", "aave_v3", token).counts.dropped == {}
