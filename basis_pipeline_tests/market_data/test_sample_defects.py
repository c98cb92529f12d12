"""The sample contains the planted vendor defects, exactly where it says, and no others."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from basis_pipeline.market_data.sample import generate
from basis_pipeline_tests.market_data.sample_reading import (
    CANDLE_FILES,
    HOLED_FILES,
    HOURS_2024,
    LAST_PRICE_FILES,
    candles,
    funding,
    settled,
)


@pytest.mark.parametrize("name", HOLED_FILES)
def test_binance_csv_misses_exactly_the_planted_hours(sample_raw: Path, name: str) -> None:
    present = candles(sample_raw / name).index
    expected = pd.date_range("2024-01-01", periods=HOURS_2024, freq="h")
    holes = [
        hour
        for last in ("2024-02-10 00:00", "2024-03-22 23:00")
        for hour in pd.date_range(last, periods=24, freq="h")[1:]
    ]
    assert list(expected.difference(present)) == holes
    assert present.is_unique
    assert present.is_monotonic_increasing


def test_every_other_candle_file_covers_every_hour(sample_raw: Path) -> None:
    for name in set(CANDLE_FILES) - set(HOLED_FILES):
        bars = candles(sample_raw / name)
        assert len(bars.index.unique()) == HOURS_2024 * (12 if name.startswith("ml/") else 1), name


def test_bybit_csv_repeats_exactly_the_bars_at_every_40th_midnight(sample_raw: Path) -> None:
    for name in (name for name in LAST_PRICE_FILES if "bybit" in name):
        rows = (sample_raw / name).read_text().splitlines()[1:]
        repeated = [row[:20] for row, following in pairwise(rows) if row == following]
        assert repeated == [
            f"{day:%Y-%m-%d}T00:00:00Z" for day in pd.date_range("2024-02-10", "2024-12-31", freq="40D")
        ]
        assert len({row[:20] for row in rows}) == HOURS_2024


def test_binance_funding_stamps_are_up_to_16_milliseconds_late(sample_raw: Path) -> None:
    stamps = funding(sample_raw / "cex/funding/binance_BTCUSDT_funding_8h.csv").index
    late = stamps - stamps.floor("s")
    assert list(stamps.floor("s")) == list(pd.date_range("2024-01-01", periods=366 * 3, freq="8h"))
    assert late.max() <= pd.Timedelta(milliseconds=16)
    assert 0.15 < (late > pd.Timedelta(0)).mean() < 0.25


def test_okx_funding_is_shifted_stale_holed_and_doubled_as_declared(sample_raw: Path) -> None:
    labels = funding(sample_raw / "cex/funding/okx_BTCUSDT_funding_8h.csv")
    expected = pd.date_range("2024-01-01 16:00", periods=366 * 3, freq="8h")
    missing = [
        pd.Timestamp(day) + pd.Timedelta(hours=hour) for day in ("2024-03-07", "2024-05-29") for hour in (0, 8, 16)
    ]
    assert list(expected.difference(labels.index)) == missing
    assert labels.index.difference(expected).empty
    doubled = labels[labels.index.duplicated(keep=False)]
    assert list(doubled.index.unique()) == list(pd.date_range("2024-03-29", "2024-04-11 16:00", freq="8h"))
    bogus = (doubled <= -2.9e-4) | (doubled == 1e-4)
    assert (bogus.groupby(level=0).sum() == 1).all()
    assert set(bogus.groupby(level=0).first()) == {True, False}
    clean = settled(sample_raw, "okx", "BTCUSDT")
    assert clean.index.is_unique
    assert len(clean) == 366 * 3 - len(missing)


def test_the_exporters_change_of_june_2025_loses_one_settlement(tmp_path: Path) -> None:
    generate(tmp_path, first_month="2025-06", months=1, assets=("BTC",))
    labels = funding(tmp_path / "cex/funding/okx_BTCUSDT_funding_8h.csv").index
    old, new = labels[labels < "2025-06-10"], labels[labels >= "2025-06-10"]
    true = (old - pd.Timedelta(hours=16)).append(new - pd.Timedelta(hours=8))
    expected = pd.date_range("2025-06-01", "2025-06-30 16:00", freq="8h")
    assert list(expected.difference(true)) == [pd.Timestamp("2025-06-09 08:00")]
    assert true.is_unique


def test_the_readme_says_what_is_synthetic_and_what_is_planted(sample_raw: Path) -> None:
    text = (sample_raw / "README.md").read_text()
    assert "Synthetic" in text
    assert "seed: 7" in text
    for defect in ("D-01", "D-02", "D-03", "D-04", "D-05", "D-06", "D-07", "D-13", "D-14", "D-16", "D-35"):
        assert defect in text
