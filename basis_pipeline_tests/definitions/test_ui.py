"""`basis dev` as a person uses it: the server starts, runs what is launched in it, and stops when it is told to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from basis_pipeline_tests.definitions.conftest import REPOSITORY

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 180.0
LOCATION = {"repositoryName": "__repository__", "repositoryLocationName": "basis_pipeline"}
LAUNCH = "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename } }"
BACKFILL = "mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) { __typename } }"


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[bytes]
    port: int
    root: Path

    def ask(self, query: str, **variables: object) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        return request(self.port, "POST", "/graphql", body)["data"]

    def launch_range(self, mode: str, first: str, last: str) -> None:
        tags = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
        parameters = {
            "selector": {**LOCATION, "jobName": f"{mode}_months"},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        assert self.ask(LAUNCH, p=parameters)["launchRun"]["__typename"] == "LaunchRunSuccess"

    def launch_backfill(self, asset: str, months: list[str]) -> None:
        parameters = {"assetSelection": [{"path": [asset]}], "partitionNames": months}
        answer = self.ask(BACKFILL, p=parameters)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess"

    def runs(self) -> list[dg.RunRecord]:
        with dg.DagsterInstance.from_config(str(self.root / "dagster")) as instance:
            return list(instance.get_run_records())

    def materialized(self, asset: str) -> list[str | None]:
        with dg.DagsterInstance.from_config(str(self.root / "dagster")) as instance:
            records = instance.fetch_materializations(dg.AssetKey(asset), limit=100, ascending=True).records
            return [record.partition_key for record in records]


def eventually(what: str, found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not found():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_SECONDS:.0f} s"
        time.sleep(0.5)


def request(port: int, method: str, path: str, body: bytes | None = None) -> Any:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        return json.load(connection.getresponse())


def answers(port: int) -> bool:
    try:
        return bool(request(port, "GET", "/server_info"))
    except (ConnectionError, TimeoutError):
        return False


@pytest.fixture
def server(validated: Path, tmp_path: Path) -> Iterator[Server]:
    root = tmp_path / "root"
    root.mkdir()
    (root / "validated").symlink_to(validated)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-m", "basis_pipeline", "dev", "--port", str(port)],
        cwd=REPOSITORY,
        env={**os.environ, "BASIS_DATA_DIR": str(root)},
    ) as process:
        started = Server(process, port, root)
        try:
            eventually("the server answers", lambda: answers(port))
            yield started
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def test_ranges_launched_in_the_ui_run_in_order_and_never_two_of_one_mode_at_once(server: Server) -> None:
    months = [f"2024-{number:02d}" for number in range(1, 7)]
    server.launch_range("btc_basis", months[0], months[-1])
    server.launch_range("btc_basis", months[0], months[-1])
    server.launch_backfill("eth_basis", months)
    eventually("three runs end", lambda: sum(record.end_time is not None for record in server.runs()) == 3)
    runs = server.runs()
    assert {record.dagster_run.status for record in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert server.materialized("eth_basis") == months
    assert server.materialized("btc_basis") == months * 2
    first, second = sorted(
        (record for record in runs if record.dagster_run.job_name == "btc_basis_months"),
        key=lambda record: record.start_time or 0.0,
    )
    assert first.end_time is not None
    assert second.start_time is not None
    assert first.end_time <= second.start_time


def test_it_stops_when_it_is_told_to_and_leaves_nothing_behind(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
    assert not answers(server.port)
