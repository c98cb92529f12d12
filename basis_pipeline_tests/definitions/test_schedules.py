"""Nightly runs: one request per mode and night, a month turn as one range, a reason where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.errors import ScheduleExecutionError
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.market_data.validated import ValidatedStore, month_path
from basis_pipeline_tests.definitions.conftest import CONFIGS, Deployment, failure

Deploy = Callable[..., Deployment]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """One on disk: a schedule opens the instance anew, by its reference."""
    with dg.instance_for_test() as instance:
        yield instance


def tick(deployment: Deployment, at: datetime, mode: str = "btc_basis") -> dg.RunRequest | str:
    """The run that the nightly asks for at `at`, or its reason not to."""
    schedule = deployment.definitions.resolve_schedule_def(f"{mode}_nightly")
    with dg.build_schedule_context(
        instance=deployment.instance,
        scheduled_execution_time=at,
        resources={"workspace": WorkspaceResource.of(deployment.workspace)},
        repository_def=deployment.definitions.get_repository_def(),
    ) as context:
        data = schedule.evaluate_tick(context)
    if data.run_requests:
        (request,) = data.run_requests
        return request
    assert data.skip_message
    return data.skip_message


def months(request: dg.RunRequest | str) -> tuple[str, str]:
    assert isinstance(request, dg.RunRequest), request
    return request.tags[ASSET_PARTITION_RANGE_START_TAG], request.tags[ASSET_PARTITION_RANGE_END_TAG]


def drop_the_last_btc_settlement(validated: Path, month: str) -> None:
    store = ValidatedStore(validated).publications("funding_rates")
    found = store.find(month_path("bybit", "BTCUSDT", month))
    assert found is not None
    table = store.read(found, "funding_rates")
    store.publish(found.partition, {"funding_rates": table.slice(0, table.num_rows - 1)}, found.body)


@pytest.fixture
def until_february(validated: Path, tmp_path: Path) -> Path:
    """Market data to the end of February 2024."""
    folder = tmp_path / "until_february"
    shutil.copytree(validated, folder)
    store = ValidatedStore(folder)
    for dataset in store.datasets():
        publications = store.publications(dataset)
        for found in list(publications.publications()):
            if found.partition.rpartition("month=")[2] > "2024-02":
                publications.withdraw(found.partition)
    return folder


def test_a_month_turn_is_one_range_run(validated: Path, deploy: Deploy) -> None:
    deployment = deploy(validated)
    assert deployment.run_months("btc_basis", "2024-01", "2024-01").success
    request = tick(deployment, datetime(2024, 3, 1, 2, tzinfo=UTC))
    assert months(request) == ("2024-02", "2024-03")
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == "btc_basis:2024-03-01"


def test_the_request_of_a_nightly_runs(until_february: Path, deploy: Deploy) -> None:
    deployment = deploy(until_february)
    request = tick(deployment, datetime(2024, 3, 1, 2, tzinfo=UTC))
    assert months(request) == ("2024-01", "2024-02")
    assert isinstance(request, dg.RunRequest)
    assert deployment.run("btc_basis_months", tags=dict(request.tags)).success
    assert deployment.workspace.results.months("btc_basis") == ["2024-01", "2024-02"]


def test_without_newer_data_the_night_is_skipped_with_the_reason(until_february: Path, deploy: Deploy) -> None:
    deployment = deploy(until_february)
    assert deployment.run_months("btc_basis", "2024-01", "2024-02").success
    told = tick(deployment, datetime(2024, 3, 2, 2, tzinfo=UTC))
    assert told == "btc_basis is published to 2024-02 and there are no newer data"


def test_changed_data_of_a_month_run_it_and_all_later_ones(validated: Path, deploy: Deploy, tmp_path: Path) -> None:
    changing = tmp_path / "changing"
    shutil.copytree(validated, changing)
    deployment = deploy(changing)
    assert deployment.run_months("btc_basis", "2024-01", "2024-04").success
    drop_the_last_btc_settlement(changing, "2024-02")
    assert months(tick(deployment, datetime(2024, 4, 15, 2, tzinfo=UTC))) == ("2024-02", "2024-04")


def test_changed_data_of_another_symbol_run_nothing(validated: Path, deploy: Deploy, tmp_path: Path) -> None:
    changing = tmp_path / "changing"
    shutil.copytree(validated, changing)
    deployment = deploy(changing)
    assert deployment.run_months("eth_basis", "2024-01", "2024-04").success
    drop_the_last_btc_settlement(changing, "2024-02")
    told = tick(deployment, datetime(2024, 4, 15, 2, tzinfo=UTC), "eth_basis")
    assert told == "eth_basis is published to 2024-04 and there are no newer data"


def test_without_any_data_the_night_is_skipped_with_the_reason(deploy: Deploy) -> None:
    told = tick(deploy(), datetime(2024, 3, 1, 2, tzinfo=UTC))
    assert isinstance(told, str)
    assert "no month is fully covered" in told


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (dg.DagsterRunStatus.STARTED, "the ingestion is not done yet"),
        (dg.DagsterRunStatus.FAILURE, "the last ingestion ended as FAILURE"),
    ],
)
def test_a_mode_waits_for_the_ingestion(
    status: dg.DagsterRunStatus, reason: str, validated: Path, deploy: Deploy
) -> None:
    deployment = deploy(validated)
    job = deployment.definitions.resolve_job_def("market_data")
    deployment.instance.create_run_for_job(job, status=status)
    assert tick(deployment, datetime.now(UTC)) == reason


def test_what_cannot_be_planned_is_requested_and_fails_as_a_run_with_the_reason(
    until_february: Path, deploy: Deploy, tmp_path: Path
) -> None:
    deployment = deploy(until_february)
    assert deployment.run_months("btc_basis", "2024-01", "2024-01").success
    configs = tmp_path / "configs"
    shutil.copytree(CONFIGS, configs)
    file = configs / "modes" / "btc_basis.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "inital_capital: 5\n", encoding="utf-8")
    deployment = deploy(until_february, configs)
    request = tick(deployment, datetime(2024, 2, 2, 2, tzinfo=UTC))
    assert isinstance(request, dg.RunRequest), request
    result = deployment.run("btc_basis_months", tags=dict(request.tags))
    assert not result.success
    assert "unknown key 'inital_capital'" in failure(result, "btc_basis")[0]


def test_months_newer_than_the_loaded_definitions_are_an_error_that_says_reload(
    until_february: Path, validated: Path, deploy: Deploy
) -> None:
    deployment = deploy(until_february)
    definitions = deployment.definitions
    shutil.rmtree(until_february)
    shutil.copytree(validated, until_february)
    schedule = definitions.resolve_schedule_def("btc_basis_nightly")
    with (
        dg.build_schedule_context(
            instance=deployment.instance,
            scheduled_execution_time=datetime(2024, 3, 2, 2, tzinfo=UTC),
            resources={"workspace": WorkspaceResource.of(deployment.workspace)},
            repository_def=definitions.get_repository_def(),
        ) as context,
        pytest.raises(ScheduleExecutionError) as told,
    ):
        schedule.evaluate_tick(context)
    assert "data for 2024-03" in str(told.value.__cause__)
    assert "reload the definitions" in str(told.value.__cause__)


def test_times_are_those_of_the_nightly_file(deploy: Deploy, tmp_path: Path) -> None:
    configs = tmp_path / "configs"
    shutil.copytree(CONFIGS, configs)
    (configs / "nightly.yaml").write_text("market_data_at: 0 6 * * *\n", encoding="utf-8")
    crons = {
        schedule.name: schedule.cron_schedule for schedule in deploy(config_dir=configs).definitions.schedules or []
    }
    assert crons["market_data_nightly"] == "0 6 * * *"
    assert crons["btc_basis_nightly"] == "0 2-5 * * *"
    (configs / "nightly.yaml").write_text("modes_at: midnight\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"nightly\.yaml: key 'modes_at'"):
        _ = deploy(config_dir=configs).definitions


def test_only_modes_that_follow_a_model_wait_for_its_training(validated: Path, deploy: Deploy) -> None:
    deployment = deploy(validated)
    training = deployment.definitions.resolve_job_def("signals")
    deployment.instance.create_run_for_job(training, status=dg.DagsterRunStatus.FAILURE)
    now = datetime.now(UTC)
    told = tick(deployment, now, "ml_btc_directional_usdt_margin")
    assert told == "the last training of signals ended as FAILURE"
    assert isinstance(tick(deployment, now), dg.RunRequest)
