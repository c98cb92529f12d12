"""`basis dev` started for a test on a data root, and what a browser asks it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from basis_pipeline_tests.definitions.conftest import REPOSITORY
from basis_pipeline_tests.ports import free_port

PATIENCE_SECONDS = 600.0
"""For anything: Dagster looks once a minute for runs whose process is lost, and a busy machine takes its time."""
LOCATION = {"repositoryName": "__repository__", "repositoryLocationName": "basis_pipeline"}
LAUNCH = "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename } }"
TERMINATE = "mutation($r: String!) { terminateRun(runId: $r) { __typename } }"
TAGS = "query($s: PipelineSelector!) { pipelineOrError(params: $s) { ... on Pipeline { tags { key value } } } }"
START = "mutation($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) { __typename } }"
TICKS = (
    "query($s: ScheduleSelector!) { scheduleOrError(scheduleSelector: $s) "
    "{ ... on Schedule { scheduleState { ticks { skipReason } } } } }"
)
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
        self.launch(f"{mode}_months", tags)

    def launch(self, job: str, tags: Mapping[str, str], config: Mapping[str, object] | None = None) -> None:
        parameters = {
            "selector": {**LOCATION, "jobName": job},
            "mode": "default",
            "runConfigData": config or {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        answer = self.ask(LAUNCH, p=parameters)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer

    def tags_of(self, job: str) -> dict[str, str]:
        """Tags that the Launchpad gives to a run of the job."""
        asked = {**LOCATION, "pipelineName": job}
        found = self.ask(TAGS, s=asked)["pipelineOrError"]["tags"]
        return {tag["key"]: tag["value"] for tag in found}

    def terminate(self, run_id: str) -> None:
        answer = self.ask(TERMINATE, r=run_id)["terminateRun"]
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def start_schedule(self, name: str) -> None:
        answer = self.ask(START, s={**LOCATION, "scheduleName": name})["startSchedule"]
        assert answer["__typename"] == "ScheduleStateResult", answer

    def ticks(self, schedule: str) -> list[str]:
        """Reasons of the ticks that launched nothing, newest first."""
        asked = {**LOCATION, "scheduleName": schedule}
        found = self.ask(TICKS, s=asked)["scheduleOrError"]["scheduleState"]["ticks"]
        return [tick["skipReason"] for tick in found if tick["skipReason"]]

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


def eventually(what: str, found: Callable[[], bool], *, every: float = 0.5) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not found():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_SECONDS:.0f} s"
        time.sleep(every)


def request(port: int, method: str, path: str, body: bytes | None = None) -> Any:
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)) as connection:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        return json.load(connection.getresponse())


def answers(port: int) -> bool:
    try:
        return bool(request(port, "GET", "/server_info"))
    except (ConnectionError, TimeoutError):
        return False


@contextmanager
def serving(root: Path, **environment: str) -> Iterator[Server]:
    """The server of the data root `root`, until the block ends."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "basis_pipeline", "dev", "--port", str(port)],
        cwd=REPOSITORY,
        env={**os.environ, "BASIS_DATA_DIR": str(root), **environment},
    ) as process:
        started = Server(process, port, root)
        try:
            eventually("the server answers", lambda: answers(port))
            yield started
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_SECONDS)
