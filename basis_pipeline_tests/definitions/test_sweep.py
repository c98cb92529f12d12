"""The sweep jobs: planned, run in shares, ranked; launched again they go on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
import yaml

from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.definitions.conftest import CONFIGS, REPOSITORY, Deployment, failure

Deploy = Callable[..., Deployment]


def config(**typed: object) -> dict[str, object]:
    given = {"sweep": "tried", "modes": ["btc_basis"], "first_month": "2024-01", "last_month": "2024-02", "steps": 2}
    return {"ops": {"plan": {"config": given | typed}}}


GRID = {"strategy.spot_fraction": [0.5, 0.6, 0.99]}


def test_it_ranks_its_points_beside_the_standing_record_and_says_what_was_refused(
    validated: Path, deploy: Deploy
) -> None:
    deployment = deploy(validated)
    result = deployment.run("sweep", run_config=config(grid=GRID))
    assert result.success
    (event,) = result.get_asset_materialization_events()
    assert event.asset_key == dg.AssetKey(["sweep", "tried"])
    metadata = {key: value.value for key, value in event.materialization.metadata.items()}
    assert (metadata["points"], metadata["done"]) == (3, 2)
    assert "margin_ratio.warn" in metadata["not done"]
    assert metadata["heat map"].startswith("![")
    assert Path(metadata["page"]).is_file()
    assert list(deployment.workspace.results.all_months()) == []


def test_launched_again_it_runs_nothing_and_ranks_the_same(validated: Path, deploy: Deploy) -> None:
    deployment = deploy(validated)
    first = deployment.run("sweep", run_config=config(grid=GRID))
    again = deployment.run("sweep", run_config=config(grid=GRID))
    steps = [{event.step_key for event in result.all_events if event.is_step_success} for result in (first, again)]
    assert steps == [{"plan", "run_points[1]", "run_points[2]", "rank"}, {"plan", "rank"}]
    pages = [result.get_asset_materialization_events()[0].materialization.metadata for result in (first, again)]
    assert pages[0] == pages[1]


def test_a_list_of_points_can_be_typed_as_well(validated: Path, deploy: Deploy) -> None:
    points = [{"strategy.spot_fraction": 0.5}, {"initial_capital": 50_000.0, "strategy.spot_fraction": 0.6}]
    result = deploy(validated).run("sweep", run_config=config(points=points))
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["done"].value == 2


def test_grid_and_points_together_are_refused(validated: Path, deploy: Deploy) -> None:
    result = deploy(validated).run("sweep", run_config=config(grid=GRID, points=[{"initial_capital": 1.0}]))
    assert "give either grid or points" in failure(result, "plan")[0]


def test_a_sweep_without_a_single_point_that_is_possible_fails_and_says_why(validated: Path, deploy: Deploy) -> None:
    result = deploy(validated).run("sweep", run_config=config(grid={"strategy.spot_fraction": [0.99]}))
    assert not result.success
    assert "margin_ratio.warn" in failure(result, "rank")[0]


def test_there_is_a_preset_for_every_sweep_file(deploy: Deploy) -> None:
    job = deploy().definitions.resolve_job_def("sweep_presets")
    assert job.partitions_def is not None
    assert list(job.partitions_def.get_partition_keys()) == ["btc_basis_sizing"]
    typed = job.partitioned_config.get_run_config_for_partition_key("btc_basis_sizing")
    assert len(typed["ops"]["plan"]["config"]["grid"]["strategy.hedge_allocation"]) == 8


@pytest.mark.parametrize("typed", [{"keep": "everything"}, {"grid": "a=1"}, {"leverage": 2.0}, {"modes": "btc_basis"}])
def test_the_launchpad_refuses_what_does_not_fit_its_types(typed: dict[str, object], deploy: Deploy) -> None:
    job = deploy().definitions.resolve_job_def("sweep")
    with pytest.raises(dg.DagsterInvalidConfigError):
        job.execute_in_process(run_config=config(**typed))


@pytest.mark.slow(seconds=20)
def test_its_steps_run_in_processes_of_their_own(validated: Path, tmp_path: Path) -> None:
    """As the UI launches it: another process per step, results from the data root alone."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "validated").symlink_to(validated)
    home = tmp_path / "home"
    home.mkdir()
    typed = tmp_path / "run.yaml"
    typed.write_text(yaml.safe_dump(config(grid=GRID)), encoding="utf-8")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("BASIS_", "DAGSTER_"))}
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "dagster", "job", "execute", "-m", "basis_pipeline.definitions"),
            *("-j", "sweep", "-c", str(typed)),
        ],
        cwd=REPOSITORY,
        env=clean | {"BASIS_DATA_DIR": str(root), "DAGSTER_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    processes = set(re.findall(r"run_points\[\d\] - STEP_START|Executing step \"?run_points\[\d\]", ended.stderr))
    assert processes
    (published,) = Workspace(root, CONFIGS).sweeps.sweeps()
    statuses = Workspace(root, CONFIGS).sweeps.read(published, "points")["status"].to_pylist()
    assert statuses == ["done", "done", "failed"]
