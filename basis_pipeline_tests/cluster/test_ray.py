"""A sweep on Ray gives the numbers of the same sweep on this machine, goes on after a kill, and fails plainly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from msgspec.structs import replace

from basis_pipeline.domain.errors import StateError
from basis_pipeline.runs.sweeps.on_ray import _run_remotely
from basis_pipeline.runs.workspace import Workspace, WorkspaceAddress
from basis_pipeline.storage.data_root import RootInfo
from basis_pipeline.storage.locations import location_of
from basis_pipeline_tests.cluster.conftest import REPOSITORY, Shell
from basis_pipeline_tests.cluster.services import BUCKET, PATIENCE_SECONDS, ObjectStore, eventually
from basis_pipeline_tests.ports import free_port

GRID = "strategy.spot_fraction=0.50,0.55,0.60,0.65,0.70,0.72"
POINTS = 6
ASKED = ("sweep", "--mode", "btc_basis", "--grid", GRID)


def tables(shell: Shell, sweep: str) -> dict[str, pa.Table]:
    """Everything a sweep found."""
    sweeps = Workspace(location_of(shell.root), REPOSITORY / "configs").sweeps
    (published,) = (found for found in sweeps.sweeps() if found.partition == f"sweep={sweep}")
    return {name: sweeps.read(published, name) for name in ("points", "parameters", "metrics", "equity")}


def points(store: ObjectStore, sweep: str) -> list[str]:
    return store.keys(f"shared/root/results/sweeps/_manifests/sweep={sweep}/")


def working() -> set[int]:
    """Processes of our Ray that are at a point; Ray names a process after what it does."""
    listed = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return {int(line.split()[0]) for line in listed.splitlines() if "ray::_run_remotely" in line} & below(os.getpid())


@contextmanager
def stopped_at_a_point(driver: subprocess.Popen[str]) -> Iterator[int]:
    """The first process that is at a point, which goes no further: however fast the others are, the sweep lasts."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := working()):
        assert driver.poll() is None, driver.communicate()
        assert time.monotonic() < end, "nobody works"
        time.sleep(0.01)
    process = min(found)
    os.kill(process, signal.SIGSTOP)
    try:
        yield process
    finally:
        os.kill(process, signal.SIGCONT)


@pytest.fixture(scope="module")
def here(local: Shell) -> dict[str, pa.Table]:
    """The same sweep with the processes of this machine."""
    local(*ASKED, "--name", "here", "--workers", "2")
    return tables(local, "here")


def test_several_workers_give_exactly_the_numbers_of_this_machine(
    local: Shell, ray: dict[str, str], here: dict[str, pa.Table]
) -> None:
    with local.popen(*ASKED, "--name", "there", "--ray", **ray) as driver:
        with stopped_at_a_point(driver) as first:
            eventually("another works meanwhile", lambda: bool(working() - {first}))
            assert len(working()) <= 2, "one process per core of the cluster, which has two"
        out, err = driver.communicate(timeout=PATIENCE_SECONDS)
    assert driver.returncode == 0, out + err
    assert here["points"].num_rows == POINTS
    assert here["equity"].num_rows > 300
    assert tables(local, "there") == here


def test_over_a_bucket_a_killed_sweep_goes_on_where_it_was(
    remote: Shell, store: ObjectStore, ray: dict[str, str], here: dict[str, pa.Table], connected: None
) -> None:
    command = (*ASKED, "--name", "resumed", "--ray")
    with remote.popen(*command, **ray) as driver, stopped_at_a_point(driver):
        eventually("two points are finished", lambda: len(points(store, "resumed")) >= 2)
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
    finished = {name: store.written(name) for name in points(store, "resumed")}
    assert 2 <= len(finished) < POINTS
    store.client.delete_object(Bucket=BUCKET, Key="shared/root/locks/sweep.resumed.lock")
    told = remote(*command, **ray).stderr
    assert f"{POINTS} points, " in told
    after = {name: store.written(name) for name in points(store, "resumed")}
    assert len(after) == POINTS
    assert {name: after[name] for name in finished} == finished, "finished points were run again"
    assert tables(remote, "resumed") == here


def test_a_worker_that_sees_another_data_root_or_another_version_computes_nothing(local: Shell) -> None:
    workspace = Workspace(Path(local.root), REPOSITORY / "configs")
    address, info = WorkspaceAddress.of(workspace), workspace.root.info
    assert info is not None
    other: list[tuple[RootInfo | None, str, str]] = [
        (replace(info, created="2020-01-01T00:00:00+00:00"), "0.1.0", "finds another data root"),
        (info, "0.0.1", "not 0.0.1"),
    ]
    for expected, version, said in other:
        with pytest.raises(StateError, match=f"a worker on {socket.gethostname()} .*{said}"):
            _run_remotely(address, expected, version, "sweep", None)  # type: ignore[arg-type] - it does not come to it
    with pytest.raises(StateError, match="finds no data root"):
        _run_remotely(address._replace(data_dir=str(Path(local.root) / "no")), info, "0.1.0", "sweep", None)  # type: ignore[arg-type]


def test_a_cluster_that_is_not_there_and_a_wrong_token_are_one_message(local: Shell, ray: dict[str, str]) -> None:
    port = free_port()
    for change in ({"RAY_ADDRESS": f"127.0.0.1:{port}"}, {"RAY_AUTH_TOKEN": "f" * 64}):
        asked = (
            ray | change | {"RAY_gcs_rpc_server_connect_timeout_s": "2", "RAY_gcs_server_request_timeout_seconds": "2"}
        )
        failed = local(*ASKED, "--name", "nowhere", "--ray", code=2, **asked)
        assert "no Ray cluster can be used at RAY_ADDRESS=127.0.0.1" in failed.stderr
        assert asked["RAY_AUTH_TOKEN"] not in failed.stderr


def test_without_a_cluster_ray_is_started_on_this_machine_and_listens_on_loopback_only(
    local: Shell, here: dict[str, pa.Table]
) -> None:
    addresses: set[str] = set()
    with local.popen(*ASKED, "--name", "alone", "--ray") as driver:
        while driver.poll() is None:
            addresses |= listening(driver.pid)
            time.sleep(0.1)
        out, err = driver.communicate()
    assert driver.returncode == 0, out + err
    assert addresses <= {"127.0.0.1", "[::ffff:127.0.0.1]", "[::1]"}
    assert addresses
    assert tables(local, "alone") == here


def below(parent: int) -> set[int]:
    """`parent`, the processes that it started, and those that they did."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[int]] = {}
    for line in listed.splitlines():
        pid, ppid = map(int, line.split())
        children.setdefault(ppid, []).append(pid)
    found, todo = set(), [parent]
    while todo:
        found.add(todo[-1])
        todo += children.get(todo.pop(), [])
    return found


def listening(parent: int) -> set[str]:
    """Addresses at which the processes below `parent` listen."""
    processes = below(parent)
    sockets = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    owned = [line.split() for line in sockets.splitlines() if any(f"pid={pid}," in line for pid in processes)]
    return {fields[3].rpartition(":")[0] for fields in owned}
