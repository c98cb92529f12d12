"""The registry, the schemas derived from it, and recognition of vendor layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from basis_pipeline.domain.errors import DataError
from basis_pipeline.domain.timeline import HOUR, MINUTE
from basis_pipeline.market_data.corrections import load_corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.datasets import DATASETS, dataset
from basis_pipeline.market_data.schemas import arrow_schema, describe, to_arrow
from basis_pipeline.market_data.series import Series
from basis_pipeline.market_data.sources import LAYOUTS, candidates, recognise
from basis_pipeline.market_data.sources.raw_files import RawFile
from basis_pipeline.market_data.violations import violations
from basis_pipeline_tests.market_data.vendor_files import grid, walk, write_text
from basis_pipeline_tests.market_data.world import CONFIGS


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_is_declared_completely(name: str) -> None:
    declared = dataset(name)
    names = declared.names()
    assert len(set(names)) == len(names)
    assert set(declared.key) <= {"timestamp", *names}
    for column in describe(declared):
        assert column.unit
        assert column.description.endswith(".")
    assert [column.name for column in describe(declared)] == arrow_schema(declared).names
    assert [str(arrow_schema(declared).field("timestamp").type), describe(declared)[0].unit] == ["timestamp[us]", "UTC"]


def test_maximum_ages_are_those_of_the_decisions() -> None:
    ages = {name: (one.max_age, one.max_age_5min) for name, one in DATASETS.items() if one.max_age is not None}
    candle = (2 * HOUR, 15 * MINUTE)
    assert ages == {
        "spot_candles_1h": candle,
        "perp_candles_1h": candle,
        "perp_candles_5m": candle,
        "mark_candles_1h": candle,
        "funding_rates": (0, None),
        "aave_reserves_1d": (25 * HOUR, None),
        "aave_rates_1h": (25 * HOUR, None),
        "oracle_prices": (25 * HOUR, None),
        "dex_candles_1h": (6 * HOUR, None),
        "lst_market_rates_1h": (6 * HOUR, None),
        "gas_prices_1h": (3 * HOUR, None),
        "ml_signals": (15 * MINUTE, None),
    }


def test_an_open_is_known_at_its_stamp_and_the_rest_of_the_bar_at_its_close() -> None:
    known = {column.name: column.known for column in dataset("spot_candles_1h").columns}
    assert known == {"open": "stamp", **dict.fromkeys(("high", "low", "close", "volume"), "bar_close")}


def test_an_unknown_dataset_is_named_with_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"'spots'.*spot_candles_1h"):
        dataset("spots")


def candle_series(**changes: object) -> Series:
    frame = walk(grid("2024-01-01T00:00", "2024-01-01T09:00"), 100.0, seed=1)
    frame = frame.assign(quality="observed", source_file="a.csv", source_row=np.arange(2, 12))
    for column, value in changes.items():
        frame.loc[4:6, column] = value
    return Series(SeriesKey("spot_candles_1h", "bybit", "SOLUSDT"), frame)


def test_violations_are_one_finding_per_column_and_rule_at_the_first_row() -> None:
    (found,) = violations(candle_series(close=-1.0))
    assert (found.severity, found.file, found.row, found.column, found.count) == ("ERROR", "a.csv", 6, "close", 3)
    assert violations(candle_series()) == []
    assert violations(candle_series(volume=np.nan)) == []
    assert {found.column for found in violations(candle_series(open=np.nan, low=np.inf))} == {"open", "low"}


def test_a_key_that_repeats_is_a_violation() -> None:
    series = candle_series()
    repeated = pd.concat([series.frame, series.frame.iloc[[3]]], ignore_index=True)
    found = violations(Series(series.key, repeated))
    assert {finding.severity for finding in found} == {"ERROR"}
    assert found


def test_nan_becomes_null_and_not_a_number() -> None:
    table = to_arrow(candle_series(volume=np.nan).frame, dataset("spot_candles_1h"))
    assert table.column("volume").null_count == 3
    assert table.column("source_row").to_pylist() == list(range(2, 12))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("binance_BTCUSDT_perp_1h.csv", "perp_candles_1h binance BTCUSDT"),
        ("deep/er/okx_SOLUSDT_mark_1h.feather", "mark_candles_1h okx SOLUSDT"),
        ("binance_BTCUSDT_perp_5m.part2.feather", "perp_candles_5m binance BTCUSDT"),
        ("bybit_SOLUSDT_funding_4h_2024-01-01_2025-09-26.csv", "funding_rates bybit SOLUSDT"),
        ("okx_SOLUSDT_funding_8h_20240101_to_20250926.csv", "funding_rates okx SOLUSDT"),
        ("bybit_SOLUSDT_spot_1h_2024.csv", "spot_candles_1h bybit SOLUSDT"),
        ("aave_v3_ethereum_wstETH_rates_1d.csv", "aave_reserves_1d aave_v3 wstETH"),
        ("aave_v3_weeth_eth_hourly.parquet", "aave_rates_1h aave_v3 weETH"),
        ("weETH_USD_oracle.csv", "oracle_prices aave_v3 weETH_USD"),
        ("uniswapv3_ETHFIWETH_1h.csv", "dex_candles_1h uniswapv3 ETHFIWETH"),
        ("ethereum_gas_prices_1h.csv", "gas_prices_1h ethereum ETH"),
        ("eigen_distributions_raw.csv", "reward_distributions etherfi EIGEN"),
        ("ethfi_topups_raw.csv", "reward_topups etherfi ETHFI"),
        ("eeth_supply_apy_defillama.csv", "staking_apy etherfi eETH"),
        ("ethena_susde_defillama_raw.csv", "benchmark_yields defillama sUSDE"),
        ("okx_margin_requirements.json", "margin_requirements okx ALL"),
    ],
)
def test_a_series_is_told_from_the_file_name_wherever_it_lies(name: str, key: str, tmp_path: Path) -> None:
    layouts = [layout for layout in candidates(name) if layout.read]
    assert len(layouts) == 1
    header = ",".join(layouts[0].columns)
    file = write_text(tmp_path / name, [header]) if name.endswith(".csv") else None
    if file is None:
        groups = layouts[0].match(name)
        assert groups is not None
        corrections = load_corrections(CONFIGS)
        assert str(layouts[0].identify(groups, None, corrections)) == key  # type: ignore[arg-type]
        return
    found = recognise(RawFile.at(file, tmp_path), load_corrections(CONFIGS))
    assert found is not None
    assert str(found.key) == key


@pytest.mark.parametrize(
    "name", ["binance_BTCUSDT_perp.csv", "BTCUSDT_1h.xlsx", "binance_BTCUSDT_spot_5m.csv", "x.csv"]
)
def test_other_names_fit_no_layout(name: str) -> None:
    assert candidates(name) == []


def test_every_layout_says_what_it_reads_or_why_it_does_not() -> None:
    assert len({layout.title for layout in LAYOUTS}) == len(LAYOUTS)
    for layout in LAYOUTS:
        assert (layout.read is None) == bool(layout.unused)
