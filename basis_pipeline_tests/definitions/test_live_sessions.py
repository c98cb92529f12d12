"""Live sessions in the real daemon: killed, silenced, refused, terminated, against a fake exchange in real time."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import msgspec
import pytest

from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.live_journal.journal import Action
from basis_pipeline.runs.live.lock import is_running
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.definitions.conftest import CONFIGS
from basis_pipeline_tests.definitions.test_nights import processes_of
from basis_pipeline_tests.definitions.ui_server import Server, eventually, serving
from basis_pipeline_tests.fakes.server import Fault
from basis_pipeline_tests.live.process import SECRET, Drill, completed_ticks, drill
from basis_pipeline_tests.live.test_process import holds_what_the_venue_holds
from basis_pipeline_tests.runs.post_offices import Webhook
from basis_pipeline_tests.runs.post_offices import serving as serving_posts

pytestmark = pytest.mark.slow(seconds=90)

JOB = "live_btc_basis"
ON_ONE_VENUE = ["reserve_fraction=0", "strategy.hedge_allocation={binance: 1.0}"]


@dataclass
class Desk:
    """A UI whose sessions trade on the drill's exchange, and who is told of their failures."""

    server: Server
    drill: Drill
    webhook: Webhook
    variables: Mapping[str, str]
    running: ExitStack

    def stop(self) -> None:
        """Ctrl-C in `make dev`."""
        self.running.close()

    def start(self) -> None:
        """`make dev` on the same data root."""
        self.server = self.running.enter_context(serving(self.drill.root, **self.variables))

    def lose_power(self) -> None:
        """End every process of the machine at once."""
        first = self.server.process.pid
        for process in (first, *descendants(first)):
            os.kill(process, signal.SIGKILL)
        self.running.close()

    def launch(self, **typed: object) -> None:
        config = {"overrides": ON_ONE_VENUE, "interval": 0.5, **typed}
        self.server.launch(JOB, self.server.tags_of(JOB), {"ops": {"btc_basis_session": {"config": config}}})

    @property
    def runs(self) -> list[dg.DagsterRun]:
        """Oldest first."""
        return [record.dagster_run for record in reversed(self.server.runs())]

    @property
    def statuses(self) -> list[str]:
        return [run.status.value for run in self.runs]

    def entries(self, kind: Kind) -> list[bytes]:
        if not self.drill.journal.is_file():
            return []
        with closing(JournalDatabase.read(self.drill.journal)) as database:
            return [entry.payload for entry in database.entries(kind)]

    def actions(self, what: str) -> list[Action]:
        read = (msgspec.json.decode(payload, type=Action) for payload in self.entries(Kind.ACTION))
        return [action for action in read if action.what == what]

    def ticks_on(self, what: str, count: int = 3) -> None:
        """Wait until the session has made `count` more ticks."""
        before = completed_ticks(self.drill.journal)
        eventually(what, lambda: completed_ticks(self.drill.journal) >= before + count)

    def events(self, run: dg.DagsterRun, kind: dg.DagsterEventType) -> list[dg.DagsterEvent]:
        with dg.DagsterInstance.from_config(str(self.server.root / "dagster")) as instance:
            return [entry.dagster_event for entry in instance.all_logs(run.run_id, of_type=kind) if entry.dagster_event]

    def told(self) -> list[tuple[str, str]]:
        """Subject, and error code, of every notice of a run."""
        return [(body["subject"], body["what"]) for _, body in self.webhook.taken if body["run_url"]]


@contextmanager
def desk(folder: Path, **variables: str) -> Iterator[Desk]:
    configs, root = folder / "configs", folder / "root"
    shutil.copytree(CONFIGS, configs)
    for mode in (configs / "modes").glob("*.yaml"):
        if mode.stem != "btc_basis":
            mode.unlink()
    (configs / "notifications.yaml").write_text("channels: [{kind: webhook}]\n")
    root.mkdir()
    webhook = Webhook()
    with serving_posts(webhook), drill(root) as made:
        given = made.environment() | variables
        live = {name: value for name, value in given.items() if name.startswith("BASIS_")}
        del live["BASIS_EXECUTION_MODE"], live["BASIS_DATA_DIR"]
        more = {"BASIS_CONFIG_DIR": str(configs), "BASIS_NOTIFY_WEBHOOK_URL": webhook.url("/")}
        with ExitStack() as running:
            variables = live | more
            yield Desk(running.enter_context(serving(root, **variables)), made, webhook, variables, running)


def descendants(process: int) -> list[int]:
    """Processes that `process` has started, and those that they have, as the kernel lists them."""
    threads = Path(f"/proc/{process}/task").glob("*/children")
    children = [int(child) for thread in threads for child in thread.read_text().split()]
    return [*children, *(found for child in children for found in descendants(child))]


def test_a_killed_worker_is_started_again_and_a_terminated_session_ends_between_orders(tmp_path: Path) -> None:
    with desk(tmp_path) as at:
        at.launch()
        eventually("the book is entered", lambda: len(at.drill.books.orders) == 2)
        at.ticks_on("the session ticks")
        [process] = processes_of(at.server.root, at.runs[0].run_id)
        os.kill(process, signal.SIGKILL)
        eventually("it is started again", lambda: at.statuses == ["FAILURE", "STARTED"])
        at.ticks_on("the second run ticks")
        assert at.actions("starting")[0].detail == "a new record"
        assert at.actions("starting")[1].detail.startswith("from the state of")
        assert len(at.drill.books.orders) == 2, "nothing was traded twice"
        assert at.runs[1].tags["basis/exclusive"] == "btc_basis@staging"
        eventually("its page tells", lambda: bool(at.events(at.runs[1], dg.DagsterEventType.ASSET_OBSERVATION)))

        at.server.terminate(at.runs[1].run_id)
        eventually("it is canceled", lambda: at.statuses == ["FAILURE", "CANCELED"])
        assert [action.detail for action in at.actions("stopped")] == ["asked to by SIGINT"]
        holds_what_the_venue_holds(at.drill)
        assert at.told() == []

        at.drill.books.spot["USDT"] -= 5_000.0
        at.launch()
        eventually("the difference is refused", lambda: at.statuses[2:] == ["FAILURE"])
        eventually("somebody is told", lambda: ("btc_basis@staging", "LIVE-001") in at.told())
        assert at.runs[2].tags["dagster/will_retry"] == "false"
        assert len(at.runs) == 3, "nobody tried again"

        at.launch(acknowledged=True)
        eventually("the venue's word is taken", lambda: len(at.actions("adjusted to the venues")) == 1)
        assert at.actions("adjusted to the venues")[0].detail.endswith("by an operator")
        at.ticks_on("it goes on")
        at.server.terminate(at.runs[3].run_id)
        eventually("it is canceled", lambda: at.statuses[3:] == ["CANCELED"])
        holds_what_the_venue_holds(at.drill)


def test_a_silent_venue_fails_the_run_which_is_started_again_until_it_answers(tmp_path: Path) -> None:
    with desk(tmp_path, BASIS_LIVE_TRADING__HEARTBEAT_TIMEOUT_SECONDS="3") as at:
        at.launch()
        eventually("the book is entered", lambda: len(at.drill.books.orders) == 2)
        at.ticks_on("the session ticks")
        silence = [Fault("/ticker/24hr", "reset", "before", "GET") for _ in range(10_000)]
        at.drill.server.faults.extend(silence)
        eventually("the first run fails", lambda: at.statuses[:1] == ["FAILURE"])
        eventually("and the second", lambda: at.statuses[:2] == ["FAILURE", "FAILURE"])
        at.drill.server.faults.clear()
        at.ticks_on("it ticks again")
        assert set(at.statuses[:-1]) == {"FAILURE"} and at.statuses[-1] == "STARTED"
        (failed,) = at.events(at.runs[0], dg.DagsterEventType.STEP_FAILURE)
        told = failed.step_failure_data.user_failure_data
        assert told and told.description and "no tick was completed for" in told.description
        assert told.metadata["code"].value == "EXEC-004"
        assert len(at.drill.books.orders) == 2, "nothing was traded twice"
        assert at.told() == [], "a run that is started again is not told"
        at.server.terminate(at.runs[-1].run_id)
        eventually("it is canceled", lambda: at.statuses[-1] == "CANCELED")
        holds_what_the_venue_holds(at.drill)
        logs = b"".join(path.read_bytes() for path in (at.server.root / "dagster").rglob("*") if path.is_file())
        assert b'"what": "tick"' in logs and SECRET.encode() not in logs


def test_a_session_ends_with_the_ui_and_goes_on_with_it_whether_it_was_stopped_or_lost(tmp_path: Path) -> None:
    with desk(tmp_path) as at:
        at.launch()
        eventually("the book is entered", lambda: len(at.drill.books.orders) == 2)
        at.ticks_on("the session ticks")
        workspace = Workspace(at.drill.root, tmp_path / "configs")
        assert is_running(workspace, "btc_basis", "staging")
        at.stop()
        assert not is_running(workspace, "btc_basis", "staging")
        assert [action.detail for action in at.actions("stopped")] == ["asked to by SIGTERM"]
        holds_what_the_venue_holds(at.drill)
        assert at.statuses == ["FAILURE"]

        at.start()
        at.ticks_on("it goes on by itself")
        assert at.statuses == ["FAILURE", "STARTED"]
        at.lose_power()
        assert at.statuses == ["FAILURE", "STARTED"], "nobody was left to write down how it ended"

        at.start()
        eventually("the lost run is noticed", lambda: at.statuses[:2] == ["FAILURE", "FAILURE"])
        at.ticks_on("it goes on by itself")
        assert at.statuses == ["FAILURE", "FAILURE", "STARTED"]
        assert len(at.drill.books.orders) == 2, "nothing was traded twice"
        at.stop()
        holds_what_the_venue_holds(at.drill)
        assert at.told() == []
