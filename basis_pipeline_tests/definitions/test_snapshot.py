"""What a deployment consists of. A change of the graph appears here, in review."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.gates.registry import GATES
from basis_pipeline.market_data.datasets import DATASETS
from basis_pipeline_tests.definitions.conftest import REPOSITORY, Deployment

BASIS, LENDING = ["btc_basis", "eth_basis"], ["pure_lending_eth", "pure_lending_usdt"]
STAKING = ["eth_leveraged", "eth_staking_only"]
HEDGED = ["usdt_eth_staking_hedged_leveraged", "usdt_eth_staking_hedged_simple"]
DIRECTIONAL = ["ml_btc_directional_btc_margin", "ml_btc_directional_usdt_margin"]
MODES = [*BASIS, *STAKING, *LENDING, *HEDGED, *DIRECTIONAL]
BASIS_DATA = {"spot_candles_1h", "perp_candles_1h", "mark_candles_1h", "funding_rates"}
LENDING_DATA = {"spot_candles_1h", "aave_reserves_1d", "aave_rates_1h", "gas_prices_1h"}


@pytest.fixture
def definitions(deploy: Callable[..., Deployment]) -> dg.Definitions:
    return deploy().definitions


def parents(definitions: dg.Definitions, asset: str) -> set[str]:
    node = definitions.resolve_asset_graph().get(dg.AssetKey(asset))
    return {key.to_user_string() for key in node.parent_keys}


def test_assets_by_group(definitions: dg.Definitions) -> None:
    groups = defaultdict(set)
    for node in definitions.resolve_asset_graph().asset_nodes:
        groups[node.group_name].add(node.key.to_user_string())
    families = {dataset.family for dataset in DATASETS.values()}
    assert groups == {
        "data_raw": {"raw_files"},
        **{f"data_{name}": {d.name for d in DATASETS.values() if d.family == name} for name in families},
        "backtests_basis": set(BASIS),
        "backtests_lending": set(LENDING),
        "backtests_staking": set(STAKING),
        "backtests_hedged_staking": set(HEDGED),
        "backtests_directional": set(DIRECTIONAL),
        "models": {"btc_trees_signals"},
        "reports": {*(f"{mode}_report" for mode in MODES), "overview", "catalogue"},
    }


def test_a_mode_depends_on_itself_and_exactly_the_datasets_it_reads(definitions: dg.Definitions) -> None:
    assert parents(definitions, "btc_basis") == BASIS_DATA | {"btc_basis"}
    assert parents(definitions, "eth_basis") == BASIS_DATA | {"eth_basis"}
    assert parents(definitions, "pure_lending_eth") == LENDING_DATA | {"pure_lending_eth"}
    assert parents(definitions, "pure_lending_usdt") == LENDING_DATA | {"pure_lending_usdt"}


def test_a_directional_mode_depends_on_its_model_which_depends_on_candles(definitions: dg.Definitions) -> None:
    assert parents(definitions, "btc_trees_signals") == {"perp_candles_5m"}
    for mode in DIRECTIONAL:
        assert parents(definitions, mode) >= {mode, "btc_trees_signals", "perp_candles_5m", "funding_rates"}


def test_reports_are_downstream_of_the_modes(definitions: dg.Definitions) -> None:
    assert parents(definitions, "btc_basis_report") == {"btc_basis"}
    assert parents(definitions, "overview") == {f"{mode}_report" for mode in MODES}
    assert parents(definitions, "catalogue") == set(MODES)


def test_modes_are_monthly_single_run_and_take_no_config(definitions: dg.Definitions) -> None:
    for mode in MODES:
        asset = definitions.get_assets_def(mode)
        assert asset.partitions_def == dg.MonthlyPartitionsDefinition("2024-01", fmt="%Y-%m", end_offset=1)
        assert asset.backfill_policy == dg.BackfillPolicy.single_run()
        assert not asset.op.config_schema.config_type or asset.op.config_schema.as_field().is_required is False


def test_jobs_and_schedules(definitions: dg.Definitions) -> None:
    jobs = {job.name for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")}
    tried = {"experiment", "experiment_presets", "sweep", "sweep_presets"}
    assert jobs == {"market_data", "signals", *tried, *(f"{mode}_months" for mode in MODES)}
    for mode in MODES:
        assert definitions.resolve_job_def(f"{mode}_months").tags["basis/exclusive"] == mode
    schedules = {schedule.name: schedule for schedule in definitions.schedules or []}
    assert {name: (found.cron_schedule, found.execution_timezone) for name, found in schedules.items()} == {
        "market_data_nightly": ("30 1 * * *", "UTC"),
        "signals_nightly": ("45 1 * * *", "UTC"),
        **{f"{mode}_nightly": ("0 2 * * *", "UTC") for mode in MODES},
    }
    assert {found.default_status for found in schedules.values()} == {dg.DefaultScheduleStatus.STOPPED}


def test_checks(definitions: dg.Definitions) -> None:
    names = defaultdict(set)
    for key in definitions.resolve_asset_graph().asset_check_keys:
        names[key.asset_key.to_user_string()].add(key.name)
    assert names == {
        "raw_files": {"every_file_read"},
        **{dataset: {"ingested", "reliable"} for dataset in DATASETS},
        **{mode: {gate.name for gate in GATES} for mode in MODES},
    }


def test_definitions_load_without_data_and_without_a_warning(tmp_path: Path) -> None:
    root = tmp_path / "root"
    program = (
        "import sys; from dagster import Definitions; from basis_pipeline.definitions import defs; "
        "Definitions.validate_loadable(defs()); assert 'matplotlib' not in sys.modules"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("BASIS_", "DAGSTER_"))}
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=REPOSITORY,
        env={**environment, "BASIS_DATA_DIR": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert not root.exists()


def test_a_mode_file_that_is_wrong_is_named(tmp_path: Path, deploy: Callable[..., Deployment]) -> None:
    shutil.copytree(REPOSITORY / "configs", tmp_path / "configs")
    mode = tmp_path / "configs" / "modes" / "btc_basis.yaml"
    mode.write_text(mode.read_text(encoding="utf-8") + "inital_capital: 5\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"btc_basis\.yaml: unknown key 'inital_capital'"):
        _ = deploy(config_dir=tmp_path / "configs").definitions
