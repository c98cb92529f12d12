"""Killing a run at any moment loses nothing that was published, and running again ends with the same files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from basis_pipeline.results.store import month_digest
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.runs.conftest import CONFIGS
from basis_pipeline_tests.unending import unending

pytestmark = pytest.mark.slow
COMMAND = ["backtest", "btc_basis", "--from", "2024-01", "--to", "2024-12"]


def _start(workspace: Workspace, *how: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"BASIS_DATA_DIR": str(workspace.root.path), "BASIS_CONFIG_DIR": str(CONFIGS)}
    command = [sys.executable, *(how or ("-m", "basis_pipeline")), *COMMAND]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _content(workspace: Workspace) -> tuple[dict[str, str], list[str]]:
    """Digests of the months, and names of files without their bytes, in which equal Parquet may differ."""
    results = workspace.results
    digests = {month: month_digest(results.get("btc_basis", month)) for month in results.months("btc_basis")}
    names = (path.relative_to(results.base).as_posix() for path in results.base.rglob("*.parquet"))
    return digests, sorted(name.rpartition("-")[0] for name in names)


@pytest.mark.parametrize("kill_after", [1, 2, 5, 9])
def test_sigkill_in_the_middle_of_a_range_and_running_again_ends_with_the_same_files(
    kill_after: int, sample_validated: Path, open_workspace: Callable[..., Workspace]
) -> None:
    untouched = open_workspace(sample_validated, "untouched")
    assert _start(untouched).wait() == 0
    killed = open_workspace(sample_validated, "killed")
    process = _start(killed, *unending("2024-12"))
    while len(killed.results.months("btc_basis")) < kill_after:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for month in killed.results.months("btc_basis"):
        published = killed.results.get("btc_basis", month)
        killed.results.publications.verify(published.publication)
    assert _start(killed).wait() == 0
    assert _content(killed) == _content(untouched)
    leftovers = list(killed.results.base.rglob(".*.tmp"))
    assert leftovers == []
