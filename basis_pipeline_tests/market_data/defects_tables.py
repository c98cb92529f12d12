"""Known defects of small tables: rewards, benchmarks, parameters, costs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from basis_pipeline_tests.market_data.defects import Figures, defect
from basis_pipeline_tests.market_data.world import World


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
