"""Declared corrections: typed, and errors that name file and key."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.market_data.corrections import load_corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline_tests.market_data.world import CONFIGS


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    shutil.copytree(CONFIGS / "data", tmp_path / "data")
    return tmp_path


def test_the_shipped_corrections_concern_sources_not_symbols() -> None:
    corrections = load_corrections(CONFIGS)
    for symbol in ("BTCUSDT", "SOLUSDT"):
        okx = corrections.of(SeriesKey("funding_rates", "okx", symbol))
        assert [shift.hours for shift in okx.label_shift] == [-16, -8]
        assert [(s.at_most, s.equals) for s in okx.conflicts] == [(-2.9e-4, None), (None, 1e-4)]
        perp = corrections.of(SeriesKey("perp_candles_1h", "binance", symbol))
        donors = [(donor.dataset, donor.venue) for donor in perp.fill]
        assert donors == [("perp_candles_5m", "binance"), ("mark_candles_1h", "binance"), ("perp_candles_1h", "bybit")]
    assert corrections.of(SeriesKey("spot_candles_1h", "kraken", "BTCUSDT")).fill == ()
    assert corrections.general.funding_proxies_per_month == 12


def test_symbols_are_spelled_our_way() -> None:
    corrections = load_corrections(CONFIGS)
    assert [corrections.symbol(text) for text in ("usdt", "weeth", "wstETH", "sol")] == [
        "USDT",
        "weETH",
        "wstETH",
        "SOL",
    ]


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("okx.yaml", "label_shift:", "label_shifts:", r"okx\.yaml.*datasets\.funding_rates\.label_shifts"),
        ("okx.yaml", "at_most: -2.9e-4", "at_most: low", r"okx\.yaml.*conflicts\.0\.at_most"),
        ("okx.yaml", "{equals: 1.0e-4}", "{}", "exactly one of at_most and equals"),
        ("binance.yaml", "dataset: mark_candles_1h", "dataset: marks", "no dataset is called marks"),
        ("binance.yaml", "venue: binance\n", "venue: [binance\n", r"binance\.yaml is not YAML"),
        ("general.yaml", "fill_warning: 0.05", "fill_warning: 5", r"general\.yaml.*fill_warning"),
    ],
)
def test_a_mistake_is_named_by_file_and_key(configs: Path, file: str, before: str, after: str, said: str) -> None:
    path = configs / "data" / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(ConfigError, match=said):
        load_corrections(configs)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"general\.yaml does not exist"):
        load_corrections(tmp_path)


def test_the_date_of_an_undated_file_must_be_declared(configs: Path) -> None:
    general = configs / "data" / "general.yaml"
    general.write_text(general.read_text().replace("margin_requirements: 2025-09-30, ", ""))
    with pytest.raises(ConfigError, match=r"as_of\.margin_requirements"):
        load_corrections(configs).as_of("margin_requirements")
    assert load_corrections(CONFIGS).as_of("margin_requirements") == 1_759_190_400_000_000


def test_any_change_changes_the_digest(configs: Path) -> None:
    before = load_corrections(configs).digest
    assert before == load_corrections(CONFIGS).digest
    path = configs / "data" / "okx.yaml"
    path.write_text(path.read_text().replace("ETHUSDT: 0.1", "ETHUSDT: 0.01"))
    assert load_corrections(configs).digest != before
