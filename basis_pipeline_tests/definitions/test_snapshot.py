"""What a deployment consists of. A change of the graph appears here, in review."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from basis_pipeline.definitions import build_definitions
from basis_pipeline.defs.partitions import monthly
from basis_pipeline.gates.registry import GATES
from basis_pipeline.market_data.datasets import DATASETS
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.definitions.conftest import CONFIGS, REPOSITORY, Deployment, failure

BASIS, LENDING = ["btc_basis", "eth_basis"], ["pure_lending_eth", "pure_lending_usdt"]
STAKING = ["eth_leveraged", "eth_staking_only"]
HEDGED = ["usdt_eth_staking_hedged_leveraged", "usdt_eth_staking_hedged_simple"]
DIRECTIONAL = ["ml_btc_directional_btc_margin", "ml_btc_directional_usdt_margin"]
MODES = [*BASIS, *STAKING, *LENDING, *HEDGED, *DIRECTIONAL]
BASIS_DATA = {"spot_candles_1h", "perp_candles_1h", "mark_candles_1h", "funding_rates"}
LENDING_DATA = {"spot_candles_1h", "aave_reserves_1d", "aave_rates_1h", "gas_prices_1h"}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_definitions(Workspace(tmp_path_factory.mktemp("empty"), CONFIGS))


def parents(definitions: dg.Definitions, asset: str) -> set[str]:
    node = definitions.resolve_asset_graph().get(dg.AssetKey(asset))
    return {key.to_user_string() for key in node.parent_keys}


def with_inputs(modes: list[str]) -> set[str]:
    return {*modes, *(f"{mode}_inputs" for mode in modes)}


def test_assets_by_group(definitions: dg.Definitions) -> None:
    groups = defaultdict(set)
    for node in definitions.resolve_asset_graph().asset_nodes:
        groups[node.group_name].add(node.key.to_user_string())
    families = {dataset.family for dataset in DATASETS.values()}
    assert groups == {
        "data_raw": {"downloads", "raw_files"},
        **{f"data_{name}": {d.name for d in DATASETS.values() if d.family == name} for name in families},
        "backtests_basis": with_inputs(BASIS),
        "backtests_lending": with_inputs(LENDING),
        "backtests_staking": with_inputs(STAKING),
        "backtests_hedged_staking": with_inputs(HEDGED),
        "backtests_directional": with_inputs(DIRECTIONAL),
        "models": {"btc_trees_signals"},
        "reports": {*(f"{mode}_report" for mode in MODES), "overview", "catalogue"},
    }


def test_a_mode_depends_on_itself_and_on_inputs_that_are_exactly_the_datasets_it_reads(
    definitions: dg.Definitions,
) -> None:
    for mode in MODES:
        assert parents(definitions, mode) == {mode, f"{mode}_inputs"}
    assert parents(definitions, "btc_basis_inputs") == BASIS_DATA
    assert parents(definitions, "eth_basis_inputs") == BASIS_DATA
    assert parents(definitions, "pure_lending_eth_inputs") == LENDING_DATA
    assert parents(definitions, "pure_lending_usdt_inputs") == LENDING_DATA


def test_a_directional_mode_depends_on_its_model_which_depends_on_candles(definitions: dg.Definitions) -> None:
    assert parents(definitions, "btc_trees_signals") == {"perp_candles_5m"}
    for mode in DIRECTIONAL:
        assert parents(definitions, f"{mode}_inputs") >= {"btc_trees_signals", "perp_candles_5m", "funding_rates"}


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
    assert jobs == {
        "download",
        "market_data",
        "signals",
        "experiment",
        "experiment_presets",
        "sweep",
        "sweep_presets",
        "live_compare",
        *(f"{mode}_months" for mode in MODES),
        *(f"live_{mode}" for mode in MODES),
    }
    for mode in MODES:
        assert definitions.resolve_job_def(f"{mode}_months").tags["basis/exclusive"] == mode
    schedules = {schedule.name: schedule for schedule in definitions.schedules or []}
    assert {name: (found.cron_schedule, found.execution_timezone) for name, found in schedules.items()} == {
        "market_data_nightly": ("30 1 * * *", "UTC"),
        "signals_nightly": ("45 1 * * *", "UTC"),
        **{f"{mode}_nightly": ("0 2-5 * * *", "UTC") for mode in MODES},
    }
    assert {found.default_status for found in schedules.values()} == {dg.DefaultScheduleStatus.STOPPED}


def test_checks(definitions: dg.Definitions) -> None:
    names = defaultdict(set)
    for key in definitions.resolve_asset_graph().asset_check_keys:
        names[key.asset_key.to_user_string()].add(key.name)
    assert names == {
        "downloads": {"everything_fetched"},
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


def test_sensors_run_by_themselves(definitions: dg.Definitions) -> None:
    assert {sensor.name for sensor in definitions.sensors or []} == {
        "published_months",
        "ingested_market_data",
        "notify_failures",
        "notify_warnings",
        "lost_live_sessions",
    }
    assert {sensor.default_status for sensor in definitions.sensors or []} == {dg.DefaultSensorStatus.RUNNING}


def test_a_mode_file_that_is_wrong_says_so_and_hides_no_other_mode(
    tmp_path: Path, deploy: Callable[..., Deployment]
) -> None:
    shutil.copytree(REPOSITORY / "configs", tmp_path / "configs")
    mode = tmp_path / "configs" / "modes" / "btc_basis.yaml"
    mode.write_text(mode.read_text(encoding="utf-8") + "inital_capital: 5\n", encoding="utf-8")
    deployment = deploy(config_dir=tmp_path / "configs")
    definitions = deployment.definitions
    wrong = definitions.resolve_asset_graph().get(dg.AssetKey("btc_basis"))
    assert wrong.group_name == "broken_modes"
    assert "btc_basis.yaml: unknown key 'inital_capital'" in (wrong.description or "")
    assert with_inputs(["eth_basis"]) <= {
        key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()
    }
    assert {schedule.name for schedule in definitions.schedules or []} >= {"btc_basis_nightly", "eth_basis_nightly"}
    failed = deployment.run_months("btc_basis", "2024-01", "2024-01")
    assert not failed.success
    assert "unknown key 'inital_capital'" in failure(failed, "btc_basis")[0]


def test_definitions_load_with_every_mode_file_wrong(tmp_path: Path, deploy: Callable[..., Deployment]) -> None:
    shutil.copytree(REPOSITORY / "configs", tmp_path / "configs")
    for mode in (tmp_path / "configs" / "modes").glob("*.yaml"):
        mode.write_text("mode: nothing\n", encoding="utf-8")
    definitions = deploy(config_dir=tmp_path / "configs").definitions
    assert definitions.resolve_asset_graph().get(dg.AssetKey("btc_basis")).group_name == "broken_modes"


@pytest.mark.parametrize(
    ("data_end", "last"), [(None, "2026-11"), ("2026-11", "2026-11"), ("2026-09", "2026-11"), ("2026-08", "2026-08")]
)
def test_partitions_end_now_or_with_data_that_ended_long_ago(data_end: str | None, last: str) -> None:
    months = monthly([], data_end, "2026-11")
    with partition_loading_context(effective_dt=datetime(2026, 11, 15, tzinfo=UTC)):
        assert months.get_last_partition_key() == last
    assert months.get_first_partition_key() == "2024-01"
