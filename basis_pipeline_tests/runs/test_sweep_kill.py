"""Killing a sweep at any moment: no process stays behind, no finished point is run again, the end is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.runs.conftest import CONFIGS

pytestmark = pytest.mark.slow
COMMAND = [
    *("sweep", "--mode", "btc_basis", "--name", "killed", "--workers", "2"),
    *("--from", "2024-01", "--to", "2024-06", "--grid", "strategy.spot_fraction=0.5,0.52,0.54,0.56,0.58,0.6,0.62,0.64"),
]

NEVER_ENDS = """
import signal
from basis_pipeline.cli import main
from basis_pipeline.runs.sweeps.points import PointRunner

run = PointRunner.run

def run_or_wait(runner, sweep, point):
    if point.number == 8:
        signal.pause()
    return run(runner, sweep, point)

PointRunner.run = run_or_wait
if __name__ == "__main__":
    main()
"""
"""The command, but for the last point: however fast it is, it is there to be killed. Workers import it as well."""


def start(workspace: Workspace, *, ends: bool = True) -> subprocess.Popen[str]:
    environment = os.environ | {"BASIS_DATA_DIR": str(workspace.root.path), "BASIS_CONFIG_DIR": str(CONFIGS)}
    script = workspace.root.path / "never_ends.py"
    script.write_text(NEVER_ENDS, encoding="utf-8")
    command = [sys.executable, *(("-m", "basis_pipeline") if ends else (str(script),)), *COMMAND]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def done(process: subprocess.Popen[str]) -> int:
    """The exit code of a sweep that ends."""
    process.communicate()
    return process.returncode


def finished(workspace: Workspace) -> dict[str, int]:
    """Time of publication (ns) by point."""
    found = (workspace.results.base / "sweeps" / "_manifests" / "sweep=killed").rglob("mode=*.json")
    return {path.parent.name: path.stat().st_mtime_ns for path in found}


def tables(workspace: Workspace) -> list[dict[str, object]]:
    (published,) = workspace.sweeps.sweeps()
    return [
        file for name in ("points", "metrics", "equity") for file in workspace.sweeps.read(published, name).to_pylist()
    ]


def children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Fails at once if `process` ends before."""
    end = time.monotonic() + 600.0
    while not true():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def ended(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_sweep_that_is_killed_goes_on_where_it_was(
    sample_validated: Path, open_workspace: Callable[..., Workspace]
) -> None:
    untouched = open_workspace(sample_validated, "untouched")
    assert done(start(untouched)) == 0
    killed = open_workspace(sample_validated, "killed")
    process = start(killed, ends=False)
    wait_until(lambda: len(finished(killed)) >= 3, process)
    workers = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(workers) >= 2
    wait_until(lambda: all(map(ended, workers)))
    before = finished(killed)
    assert 3 <= len(before) < 8, "it was killed on its way"
    assert done(start(killed)) == 0
    after = finished(killed)
    assert {point: after[point] for point in before} == before, "no finished point was published again"
    assert tables(killed) == tables(untouched)
    assert list((killed.results.base / "sweeps").rglob(".*.tmp")) == []


def test_a_worker_that_is_killed_ends_the_sweep_with_one_message_and_it_can_go_on(
    sample_validated: Path, open_workspace: Callable[..., Workspace]
) -> None:
    workspace = open_workspace(sample_validated)
    process = start(workspace, ends=False)
    wait_until(lambda: len(finished(workspace)) >= 1, process)
    workers = [pid for pid in children(process.pid) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]
    os.kill(workers[-1], signal.SIGKILL)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "a worker process of sweep killed ended unexpectedly" in said
    assert "Traceback" not in said
    assert done(start(workspace)) == 0
    assert len(finished(workspace)) == 8
