"""The project's own readers take every sample file for what it is, and find nothing wrong with it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from basis_pipeline.market_data.corrections import load_corrections
from basis_pipeline.market_data.sample import generate
from basis_pipeline.market_data.sources import recognise
from basis_pipeline.market_data.sources.raw_files import RawFile

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = tmp_path_factory.mktemp("month")
    generate(raw, months=1, assets=("BTC", "ETH", "SOL"))
    return raw


def test_every_file_is_read_into_its_dataset_with_the_expected_findings_only(month: Path) -> None:
    corrections = load_corrections(CONFIGS)
    datasets: Counter[str] = Counter()
    unused, rules = set(), set()
    for path in sorted(month.rglob("*.*")):
        file = RawFile.at(path, month)
        found = recognise(file, corrections)
        if found is None:
            assert file.name == "README.md"
        elif found.layout.read is None:
            unused.add(file.name)
        else:
            reading = found.layout.read(found, corrections)
            assert len(reading.frame) > 0, file.name
            datasets[found.key.dataset] += 1
            rules |= {(file.name, finding.rule) for finding in reading.findings}
    assert unused == {"costs/execution_cost_summary.json", "known_bad/binance_EIGENUSDT_1h.csv"}
    assert rules == {("gas/operation_gas_costs_summary.json", "look_ahead_aggregate")}
    assert datasets == {
        "spot_candles_1h": 8,
        "perp_candles_1h": 7,
        "perp_candles_5m": 1,
        "mark_candles_1h": 8,
        "funding_rates": 8,
        "dex_candles_1h": 3,
        "aave_reserves_1d": 4,
        "aave_rates_1h": 2,
        "oracle_prices": 6,
        "lst_market_rates_1h": 2,
        "reward_distributions": 1,
        "reward_topups": 1,
        "seasonal_drops": 1,
        "reward_periods": 1,
        "staking_apy": 1,
        "gas_prices_1h": 1,
        "gas_units": 1,
        "execution_costs": 1,
        "margin_requirements": 3,
        "aave_risk_parameters": 2,
        "benchmark_yields": 2,
    }
