"""Jobs of live sessions: what their pages say before anything is started, and how often Dagster tries again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.events import RunFailureReason
from dagster._core.execution.retries import auto_reexecution_should_retry_run
from dagster._core.storage.tags import (
    AUTO_RETRY_RUN_ID_TAG,
    PARENT_RUN_ID_TAG,
    ROOT_RUN_ID_TAG,
    TAGS_TO_MAYBE_OMIT_ON_RETRY,
)
from dagster._core.test_utils import create_run_for_test

from basis_pipeline.defs.live import live_job_name, session_op_name
from basis_pipeline.defs.supervision import SUPERVISED, TRIES, Supervision
from basis_pipeline.runs.live.record import journal_path
from basis_pipeline.runs.queries import query
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.definitions.conftest import REPOSITORY, Deployment, failure
from basis_pipeline_tests.live.stage import MINUTE, stage

Deploy = Callable[..., Deployment]
ENABLED = {
    "BASIS_ENVIRONMENT": "staging",
    "BASIS_LIVE_TRADING__ENABLED": "true",
    **{f"BASIS_STAGING__CEX__BINANCE_{wallet}_API_KEY": "a key" for wallet in ("SPOT", "FUTURES")},
    **{f"BASIS_STAGING__CEX__BINANCE_{wallet}_SECRET": "never shown" for wallet in ("SPOT", "FUTURES")},
}
ON_ONE_VENUE = ["reserve_fraction=0", "strategy.hedge_allocation={binance: 1.0}"]


def typed(**given: object) -> dict[str, object]:
    return {"ops": {session_op_name("btc_basis"): {"config": given}}}


def test_a_job_says_at_once_why_it_cannot_start(deploy: Deploy) -> None:
    said = deploy().definitions.resolve_job_def("live_btc_basis").description or ""
    assert "[CONFIG-004] live trading is not enabled" in said
    assert "BASIS_LIVE_TRADING__ENABLED=true" in said


def test_a_job_names_the_credentials_it_misses_and_no_secret(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (ENABLED | {"BASIS_STAGING__CEX__BINANCE_SPOT_SECRET": ""}).items():
        monkeypatch.setenv(name, value)
    result = deploy().run("live_btc_basis", run_config=typed(overrides=ON_ONE_VENUE))
    said, told = failure(result, "btc_basis_session")
    assert "BASIS_STAGING__CEX__BINANCE_SPOT_SECRET" in said
    assert told["code"] == "CONFIG-003"
    assert "never shown" not in said + str(told)


def test_one_session_of_a_mode_and_environment_at_a_time_supervised_and_ahead_of_backtests(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASIS_ENVIRONMENT", "staging")
    tags = deploy().definitions.resolve_job_def(live_job_name("eth_leveraged")).tags
    assert dict(tags) == {
        "basis/kind": "live",
        "basis/exclusive": "eth_leveraged@staging",
        "dagster/max_retries": "3",
        "dagster/retry_on_asset_or_op_failure": "true",
        "dagster/retry_strategy": "ALL_STEPS",
        "dagster/priority": "10",
    }


def test_live_sessions_leave_room_for_what_runs_at_night() -> None:
    """Two backtests, the ingestion and the training of signals, which exclude themselves."""
    runs = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"))["concurrency"]["runs"]
    kinds = [limit for limit in runs["tag_concurrency_limits"] if limit["key"] == "basis/kind"]
    limits = {limit["value"]: limit["limit"] for limit in kinds}
    assert limits["live"] + limits["backtest"] + 2 <= runs["max_concurrent_runs"]


@pytest.mark.parametrize("given", [{"interval": "often"}, {"acknowledged": "maybe"}, {"mode": "eth_basis"}])
def test_the_launchpad_refuses_what_does_not_fit_its_types(given: dict[str, object], deploy: Deploy) -> None:
    job = deploy().definitions.resolve_job_def("live_btc_basis")
    with pytest.raises(dg.DagsterInvalidConfigError):
        job.execute_in_process(run_config=typed(**given))


def test_a_refusal_is_not_tried_again(deploy: Deploy) -> None:
    deployment = deploy()
    result = deployment.run("live_btc_basis")
    assert not result.success
    run = deployment.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert not auto_reexecution_should_retry_run(deployment.instance, run, RunFailureReason.STEP_FAILURE)
    assert run.tags["dagster/retry_on_asset_or_op_failure"] == "false"


class Lineage:
    """Runs of one session, as Dagster's daemon makes them: each inherits the tags of the one before."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.run = create_run_for_test(instance, "live_btc_basis", tags=SUPERVISED)
        self.supervision = Supervision(instance, self.run)
        self.supervision.begin()

    def fails(self, reason: RunFailureReason = RunFailureReason.STEP_FAILURE) -> bool:
        """Whether Dagster would try again."""
        self.instance.report_run_failed(self.read())
        return auto_reexecution_should_retry_run(self.instance, self.read(), reason)

    def read(self) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(self.run.run_id)
        assert run is not None
        return run

    def again(self, *, by_a_person: bool = False) -> None:
        before = self.read()
        kept = {key: value for key, value in before.tags.items() if key not in TAGS_TO_MAYBE_OMIT_ON_RETRY}
        root = before.root_run_id or before.run_id
        tags = kept | {PARENT_RUN_ID_TAG: before.run_id, ROOT_RUN_ID_TAG: root}
        self.run = create_run_for_test(
            self.instance, "live_btc_basis", tags=tags, parent_run_id=before.run_id, root_run_id=root
        )
        if not by_a_person:
            self.instance.add_run_tags(before.run_id, {AUTO_RETRY_RUN_ID_TAG: self.run.run_id})
        self.supervision = Supervision(self.instance, self.read())
        self.supervision.begin()

    def tries(self) -> int:
        """How often Dagster tries again until it gives up."""
        count = 0
        while self.fails():
            self.again()
            count += 1
            assert self.supervision.tries == count
        return count


@pytest.fixture
def lineage() -> Iterator[Lineage]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Lineage(instance)


def test_a_session_that_never_recovers_is_tried_three_times(lineage: Lineage) -> None:
    assert lineage.tries() == TRIES == 3


def test_a_session_that_recovered_has_three_tries_again(lineage: Lineage) -> None:
    for _ in range(5):
        assert lineage.fails()
        lineage.again()
        assert lineage.supervision.tries == 1
        lineage.supervision.recovered()
    assert lineage.tries() == 3


def test_a_person_who_starts_a_refused_session_again_has_all_tries_ahead(lineage: Lineage) -> None:
    assert lineage.fails()
    lineage.again()
    lineage.supervision.refused()
    assert not lineage.fails()
    lineage.again(by_a_person=True)
    assert not lineage.supervision.again
    assert lineage.tries() == 3


def test_a_lost_process_is_tried_again_whatever_was_refused_before(lineage: Lineage) -> None:
    lineage.supervision.refused()
    assert lineage.fails(RunFailureReason.UNEXPECTED_TERMINATION)


def test_pauses_are_5_10_and_20_seconds_from_the_end_of_the_run_before(lineage: Lineage) -> None:
    pauses = []
    for _ in range(3):
        assert lineage.fails()
        failed = lineage.instance.get_run_record_by_id(lineage.run.run_id)
        lineage.again()
        assert failed and failed.end_time
        pauses.append(lineage.supervision.pause(failed.end_time))
        assert lineage.supervision.pause(failed.end_time + 60.0) == 0.0
    assert pauses == [pytest.approx(seconds, abs=1e-3) for seconds in (5.0, 10.0, 20.0)]


def test_loading_the_jobs_imports_no_client(tmp_path: Path) -> None:
    program = (
        "import sys; from basis_pipeline.definitions import defs; defs(); "
        "heavy = {'ccxt', 'web3', 'eth_account', 'sklearn', 'plotly', 'pandera'}; "
        "found = heavy & sys.modules.keys(); assert not found, found"
    )
    environment = {"BASIS_DATA_DIR": str(tmp_path), "PYTHONPATH": str(REPOSITORY), **ENABLED}
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_a_live_record_is_compared_with_its_replay(deploy: Deploy, tmp_path: Path) -> None:
    """A session on a fake exchange, then the job over its journal; the table's differences sum to that of equity."""
    deployed = deploy()
    with stage(tmp_path) as there:
        there.path = journal_path(deployed.workspace, "btc_basis", "dev")
        there.session().run(until=START + 3 * MINUTE)
    config = {"ops": {"replay_and_compare": {"config": {"mode": "btc_basis"}}}}
    result = deployed.run("live_compare", run_config=config)
    assert result.success
    [event] = result.get_asset_materialization_events()
    assert event.asset_key == dg.AssetKey(["live", "dev", "btc_basis", "differences"])
    told = {name: value.value for name, value in event.materialization.metadata.items()}
    [row] = query(deployed.workspace, "select sum(difference) as d from live_differences").to_pylist()
    assert told["difference (USDT)"] == pytest.approx(row["d"]) and told["difference (USDT)"] != 0.0
    *sources, equity = (record.data for record in event.materialization.metadata["differences"].records)
    assert equity["source"] == "equity" and {"trading_fees", "slippage"} <= {record["source"] for record in sources}
    assert "2 orders live, 2 in the replay, 0 without a counterpart" in told["summary"]
    assert Path(str(told["page"])).is_file()


def test_a_record_that_is_not_there_is_a_failure_with_its_remedy(deploy: Deploy) -> None:
    config = {"ops": {"replay_and_compare": {"config": {"mode": "eth_basis"}}}}
    said, told = failure(deploy().run("live_compare", run_config=config), "replay_and_compare")
    assert told["code"] == "JOURNAL-001" and "eth_basis" in said


def test_every_field_of_every_launchpad_is_described(deploy: Deploy) -> None:
    """In words of more than a label, with what an empty value or a zero means."""
    short = {}
    for job in deploy().definitions.resolve_all_job_defs():
        for node in job.all_node_defs:
            fields = (
                getattr(getattr(node.config_schema, "config_type", None), "fields", {}) if job.name[0] != "_" else {}
            )
            for name, field in fields.items():
                if len((field.description or "").split()) < 4:
                    short[f"{job.name}.{name}"] = field.description
    assert short == {}
