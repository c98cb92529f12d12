"""Nights as they happen: the real daemon ticks the schedules, a gate fails, somebody is told, a process is lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from basis_pipeline.market_data.validated import ValidatedStore
from basis_pipeline.results.store import month_digest
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.definitions.conftest import CONFIGS
from basis_pipeline_tests.definitions.test_backtests import spike_the_mark
from basis_pipeline_tests.definitions.ui_server import Server, eventually, serving
from basis_pipeline_tests.runs.post_offices import Webhook
from basis_pipeline_tests.runs.post_offices import serving as serving_posts

pytestmark = pytest.mark.slow(seconds=60)
MODES = ("btc_basis", "eth_basis")
SECRET = "/hidden-path"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    with serving_posts(server):
        yield server


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """Two modes whose schedules tick every minute, and a webhook."""
    folder = tmp_path / "configs"
    shutil.copytree(CONFIGS, folder)
    for mode in (folder / "modes").glob("*.yaml"):
        if mode.stem not in MODES:
            mode.unlink()
    (folder / "nightly.yaml").write_text("modes_at: '* * * * *'\n")
    (folder / "notifications.yaml").write_text("channels: [{kind: log}, {kind: webhook}]\n")
    return folder


@pytest.fixture
def root(validated: Path, tmp_path: Path) -> Path:
    """Market data to the end of March 2024, in which any ETH short is liquidated."""
    root = tmp_path / "root"
    shutil.copytree(validated, root / "validated")
    store = ValidatedStore(root / "validated")
    for dataset in store.datasets():
        publications = store.publications(dataset)
        for found in list(publications.publications()):
            if found.partition.rpartition("month=")[2] > "2024-03":
                publications.withdraw(found.partition)
    spike_the_mark(root / "validated", "2024-03")
    return root


def before_no_midnight() -> None:
    """A night is a date in UTC and has one run: a test of one night does not begin shortly before the next."""
    now = datetime.now(UTC)
    left = timedelta(days=1) - timedelta(hours=now.hour, minutes=now.minute, seconds=now.second)
    if left < timedelta(minutes=15):
        time.sleep(left.total_seconds())


def digests(workspace: Workspace, mode: str) -> dict[str, str]:
    return {month: month_digest(workspace.results.get(mode, month)) for month in workspace.results.months(mode)}


def ended(server: Server, mode: str) -> list[dg.DagsterRunStatus]:
    """Runs of the mode's job that are over, oldest first."""
    records = [record for record in server.runs() if record.dagster_run.job_name == f"{mode}_months"]
    return [record.dagster_run.status for record in reversed(records) if record.dagster_run.is_finished]


def test_schedules_tick_run_what_is_due_once_and_tell_what_failed(root: Path, configs: Path, webhook: Webhook) -> None:
    workspace = Workspace(root, configs)
    for _ in plan_backtest(workspace, "btc_basis", first="2024-01", last="2024-01").run():
        pass
    environment = {
        "BASIS_CONFIG_DIR": str(configs),
        "BASIS_NOTIFY_WEBHOOK_URL": webhook.url(SECRET),
    }
    with serving(root, **environment) as server:
        eventually("the month of the command line shows", lambda: server.materialized("btc_basis") == ["2024-01"])
        before_no_midnight()
        for mode in MODES:
            server.start_schedule(f"{mode}_nightly")
        eventually("both modes ran", lambda: all(ended(server, mode) for mode in MODES))
        eventually("somebody is told", lambda: bool(webhook.taken))
        for mode, status in zip(MODES, ("SUCCESS", "FAILURE"), strict=True):
            reason = f"tonight's run was requested already; it is {status}"
            eventually(f"later ticks launch no {mode}", lambda m=mode, r=reason: r in server.ticks(f"{m}_nightly"))
        assert ended(server, "btc_basis") == [dg.DagsterRunStatus.SUCCESS]
        assert ended(server, "eth_basis") == [dg.DagsterRunStatus.FAILURE]
        assert server.materialized("btc_basis") == ["2024-01", "2024-02", "2024-03"]
        (failed,) = [run.dagster_run for run in server.runs() if run.dagster_run.job_name == "eth_basis_months"]
        ((path, body),) = webhook.taken
        assert path == SECRET
        assert (body["kind"], body["subject"], body["month"], body["what"]) == (
            "failed",
            "eth_basis",
            "2024-03",
            "gate liquidation",
        )
        assert body["run_url"] == f"http://127.0.0.1:{server.port}/runs/{failed.run_id}"
        assert body["remedy"]
    assert workspace.results.months("eth_basis") == ["2024-01", "2024-02"]
    assert (workspace.results.base / "reports" / "btc_basis.html").is_file()


def test_a_run_whose_process_is_killed_is_retried_and_ends_with_the_same_files(
    validated: Path, tmp_path: Path, webhook: Webhook, configs: Path
) -> None:
    months = [f"2024-{number:02d}" for number in range(1, 13)]
    root = tmp_path / "killed"
    root.mkdir()
    (root / "validated").symlink_to(validated)
    workspace = Workspace(root, configs)
    environment = {
        "BASIS_CONFIG_DIR": str(configs),
        "BASIS_NOTIFY_WEBHOOK_URL": webhook.url(SECRET),
    }
    with serving(root, **environment) as server:
        server.launch_range("btc_basis", months[0], months[-1])
        eventually("it has a process", lambda: bool(processes_of(root, server.runs()[0].dagster_run.run_id)))
        [process] = processes_of(root, server.runs()[0].dagster_run.run_id)
        eventually("two months are published", lambda: len(workspace.results.months("btc_basis")) >= 2, every=0.001)
        os.kill(process, signal.SIGKILL)
        eventually("the retry ends", lambda: len(ended(server, "btc_basis")) == 2)
        assert ended(server, "btc_basis") == [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS]
        assert set(server.materialized("btc_basis")) == set(months)
    assert webhook.taken == []
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "validated").symlink_to(validated)
    untouched = Workspace(plain, configs)
    for _ in plan_backtest(untouched, "btc_basis").run():
        pass
    assert digests(workspace, "btc_basis") == digests(untouched, "btc_basis")
    assert not list(workspace.results.base.rglob(".*.tmp"))


def processes_of(root: Path, run_id: str) -> set[int]:
    """The process that executes a run, as its events say; empty while they do not."""
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        told = "\n".join(entry.message for entry in instance.all_logs(run_id))
    return {int(process) for process in re.findall(r"pid: (\d+)", told)}
