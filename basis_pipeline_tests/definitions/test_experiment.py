"""The experiment job: typed in the Launchpad, run with its defaults, never in the standing record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from basis_pipeline_tests.definitions.conftest import Deployment, failure

Deploy = Callable[..., Deployment]


def config(**typed: object) -> dict[str, object]:
    return {"ops": {"run_experiment": {"config": typed}}}


def test_it_runs_with_its_defaults_beside_the_standing_record(validated: Path, deploy: Deploy) -> None:
    deployment = deploy(validated)
    result = deployment.run("experiment")
    assert result.success
    results = deployment.workspace.results
    assert results.months("btc_basis") == []
    assert results.months("btc_basis", "launchpad") == ["2024-01", "2024-02", "2024-03"]
    assert results.manifest("btc_basis", "2024-01", "launchpad").initial_capital == 100_000.0
    (event,) = result.get_asset_materialization_events()
    assert event.asset_key == dg.AssetKey(["experiment", "launchpad", "btc_basis"])
    assert Path(str(event.materialization.metadata["page"].value)).is_file()


def test_capital_and_overrides_are_those_typed(validated: Path, deploy: Deploy) -> None:
    deployment = deploy(validated)
    typed = config(name="half", capital=50_000.0, last_month="2024-01", overrides=["strategy.spot_fraction=0.5"])
    assert deployment.run("experiment", run_config=typed).success
    manifest = deployment.workspace.results.manifest("btc_basis", "2024-01", "half")
    assert manifest.initial_capital == 50_000.0
    assert manifest.config["mode"]["strategy"]["spot_fraction"] == 0.5


def test_a_preset_runs_its_mode_with_the_capital_of_its_file(validated: Path, deploy: Deploy) -> None:
    deployment = deploy(validated)
    assert deployment.run("experiment_presets", partition_key="pure_lending_eth").success
    manifest = deployment.workspace.results.manifest("pure_lending_eth", "2024-01", "launchpad")
    assert (manifest.initial_capital, manifest.share_class) == (40.0, "ETH")


@pytest.mark.parametrize(
    "typed",
    [{"mode": "bct_basis"}, {"capital": "much"}, {"overrides": "strategy.spot_fraction=0.5"}, {"leverage": 2.0}],
)
def test_the_launchpad_refuses_what_does_not_fit_its_types(typed: dict[str, object], deploy: Deploy) -> None:
    job = deploy().definitions.resolve_job_def("experiment")
    with pytest.raises(dg.DagsterInvalidConfigError):
        job.execute_in_process(run_config=config(**typed))


def test_an_unknown_override_fails_with_the_nearest_key(validated: Path, deploy: Deploy) -> None:
    result = deploy(validated).run("experiment", run_config=config(overrides=["strategy.spot_fractoin=0.5"]))
    assert "did you mean spot_fraction?" in failure(result, "run_experiment")[0]


def test_an_experiment_is_not_replaced_by_another_of_its_name_unless_asked(validated: Path, deploy: Deploy) -> None:
    deployment = deploy(validated)
    results = deployment.workspace.results
    assert deployment.run("experiment", run_config=config(last_month="2024-01")).success
    other = {"last_month": "2024-01", "capital": 50_000.0}
    refused = deployment.run("experiment", run_config=config(**other))
    assert "initial_capital" in failure(refused, "run_experiment")[0]
    assert "replace: true" in failure(refused, "run_experiment")[0]
    assert results.manifest("btc_basis", "2024-01", "launchpad").initial_capital == 100_000.0
    assert deployment.run("experiment", run_config=config(**other, replace=True)).success
    assert results.manifest("btc_basis", "2024-01", "launchpad").initial_capital == 50_000.0


def test_it_is_shown_beside_the_standing_record(validated: Path, deploy: Deploy) -> None:
    deployment = deploy(validated)
    deployment.run_months("btc_basis", "2024-01", "2024-02")
    typed = config(name="half", last_month="2024-02", overrides=["strategy.spot_fraction=0.5"])
    result = deployment.run("experiment", run_config=typed)
    (event,) = result.get_asset_materialization_events()
    metadata = {key: value.value for key, value in event.materialization.metadata.items()}
    assert Path(str(metadata["compared with the standing record"])).is_file()
    (differing,) = metadata["configured differently"].records
    assert differing.data == {"key": "strategy.spot_fraction", "standing": "0.6666666666666666", "half": "0.5"}
    assert [row.data["figure"] for row in metadata["figures"].records][:2] == ["Return", "CAGR"]
