"""Ingesting the sample repairs every planted defect and finds nothing that was not planted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from basis_pipeline.domain.timeline import month_start
from basis_pipeline.market_data.sample.factors import Factors
from basis_pipeline.market_data.sample.funding import funding_rates
from basis_pipeline.market_data.sample.period import Period
from basis_pipeline.market_data.validated import ValidatedStore
from basis_pipeline.runs.ingest import IngestReport, ingest
from basis_pipeline.storage.data_root import DataRoot
from basis_pipeline_tests.market_data.sample_reading import HOURS_2024, candles

CONFIGS = Path(__file__).parents[2] / "configs"
START, END = month_start("2024-01"), month_start("2025-01")

EXPECTED_WARNINGS = {
    "straight_ramp": 1,  # the placeholder in known_bad
    "unconfirmed_emode": 1,
    "constant_costs": 1,
    "proxy:median_of_venues": 4,  # two coins, two missing days
    "sampled_early": 1,
    "gas_spike": 1,
    "interpolated": 7,  # five hourly oracles, two protocol rates
    "smoothed_market_rate": 2,
    "estimated_reward": 1,
}


@pytest.fixture(scope="module")
def ingested(sample_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[IngestReport, ValidatedStore]:
    root = DataRoot(tmp_path_factory.mktemp("root"))
    return ingest(root, sample_raw, config_dir=CONFIGS), ValidatedStore(root.validated)


def test_no_error_and_no_warning_but_those_of_planted_defects(ingested: tuple[IngestReport, ValidatedStore]) -> None:
    report, _ = ingested
    assert report.errors == ()
    assert report.failed_checks == ()
    assert Counter(finding.rule for finding in report.warnings) == EXPECTED_WARNINGS
    assert {series.status for series in report.series} == {"published"}
    assert Counter(file.status for file in report.files) == {"read": 56, "ignored": 2, "rejected": 1}


def test_rules_change_exactly_the_planted_rows(ingested: tuple[IngestReport, ValidatedStore]) -> None:
    report, _ = ingested
    counts = {(series.key.dataset, series.key.venue, series.key.symbol): series.counts for series in report.series}
    touched = {
        key: {**count.dropped, **count.quarantined, **count.filled, **count.proxied}
        for key, count in counts.items()
        if key[0].endswith("candles_1h") or key[0].startswith(("funding", "perp_candles"))
    }
    assert {key: rules for key, rules in touched.items() if rules} == {
        **{
            (f"{kind}_candles_1h", "bybit", symbol): {"exact_duplicate": 9}
            for kind in ("spot", "perp")
            for symbol in ("BTCUSDT", "ETHUSDT")
        },
        ("spot_candles_1h", "binance", "BTCUSDT"): {"fill:spot_candles_1h:bybit": 46},
        ("perp_candles_1h", "binance", "BTCUSDT"): {"fill:perp_candles_5m:binance": 46},
        ("perp_candles_1h", "binance", "ETHUSDT"): {"fill:mark_candles_1h:binance": 46},
        **{
            ("funding_rates", "okx", symbol): {"conflict_signature": 42, "proxy:median_of_venues": 6}
            for symbol in ("BTCUSDT", "ETHUSDT")
        },
    }


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx"])
@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_repaired_funding_is_the_funding_that_was_generated(
    ingested: tuple[IngestReport, ValidatedStore], venue: str, coin: str
) -> None:
    table = ingested[1].read("funding_rates", venue, f"{coin}USDT", START, END)
    generated = funding_rates(venue, coin, Factors(7, Period.of("2024-01", 12)))
    rates = table.column("funding_rate").to_numpy()
    observed = np.array(table.column("quality").to_pylist()) == "observed"
    assert len(rates) == len(generated) == 366 * 3
    assert (rates[observed] == generated[observed]).all()
    assert (~observed).sum() == (6 if venue == "okx" else 0)


def test_holes_of_the_perpetual_are_filled_with_its_own_five_minute_bars(
    ingested: tuple[IngestReport, ValidatedStore], sample_raw: Path
) -> None:
    table = ingested[1].read("perp_candles_1h", "binance", "BTCUSDT", START, END)
    bars = candles(sample_raw / "ml/binance_BTCUSDT_perp_5m.feather")["close"].resample("1h").last()
    assert table.num_rows == HOURS_2024
    assert (table.column("close").to_numpy() == bars.to_numpy()).all()
