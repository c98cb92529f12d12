"""A record that is replaced is whole at any moment, and a record spliced of two is never taken for one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import StateError
from basis_pipeline.results.store import month_digest
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.months import stale_months
from basis_pipeline.runs.records import summarise
from basis_pipeline.runs.reports import write_reports
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.runs.conftest import CONFIGS
from basis_pipeline_tests.unending import unending

OpenWorkspace = Callable[..., Workspace]
MODE = "pure_lending_usdt"
COMMAND = [sys.executable, "-m", "basis_pipeline"]


def run(workspace: Workspace, first: str, last: str, **options: object) -> None:
    for _ in plan_backtest(workspace, MODE, first=first, last=last, **options).run():
        pass


def digests(workspace: Workspace, experiment: str | None = None) -> dict[str, str]:
    results = workspace.results
    return {month: month_digest(results.get(MODE, month, experiment)) for month in results.months(MODE, experiment)}


def in_the_third_month(what: str, done: int, total: int) -> None:
    if done == 2:
        raise KeyboardInterrupt


@pytest.mark.parametrize("options", [{"reopen": True}, {"experiment": "try"}], ids=["reopened", "experiment"])
def test_replacing_a_record_that_is_interrupted_leaves_it_as_it_was(
    options: dict[str, object], sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace, experiment = open_workspace(sample_validated), options.get("experiment")
    run(workspace, "2024-01", "2024-06", experiment=experiment)
    before, files = digests(workspace, experiment), sorted(workspace.results.base.rglob("*.parquet"))
    plan = plan_backtest(workspace, MODE, first="2024-03", last="2024-06", **options)
    with pytest.raises(KeyboardInterrupt):
        list(plan.run(in_the_third_month))
    assert digests(workspace, experiment) == before
    assert sorted(workspace.results.base.rglob("*.parquet")) == files
    assert stale_months(workspace.results, MODE, experiment) == []
    assert len(list(plan.run())) == 4
    assert workspace.results.months(MODE, experiment) == ["2024-03", "2024-04", "2024-05", "2024-06"]
    assert stale_months(workspace.results, MODE, experiment) == []
    assert workspace.results.replacement.months(MODE, experiment) == []


def test_a_killed_reopening_leaves_the_record_as_it_was(sample_validated: Path, open_workspace: OpenWorkspace) -> None:
    workspace = open_workspace(sample_validated)
    run(workspace, "2024-01", "2024-04")
    before = digests(workspace)
    environment = os.environ | {"BASIS_DATA_DIR": str(workspace.root.path), "BASIS_CONFIG_DIR": str(CONFIGS)}
    reopening = [
        sys.executable,
        *unending("2024-12"),
        "backtest",
        MODE,
        "--from",
        "2024-02",
        "--to",
        "2024-12",
        "--reopen",
    ]
    process = subprocess.Popen(reopening, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(workspace.results.replacement.months(MODE)) < 2:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert digests(workspace) == before
    assert stale_months(workspace.results, MODE) == []


@pytest.fixture
def spliced(sample_validated: Path, open_workspace: OpenWorkspace) -> Workspace:
    """A record of January to April whose March is the opening month of another record."""
    workspace, other = open_workspace(sample_validated), open_workspace(sample_validated, "other")
    run(workspace, "2024-01", "2024-04")
    run(other, "2024-03", "2024-03")
    march = other.results.get(MODE, "2024-03")
    tables = {
        file.table: other.results.publications.read(march.publication, file.table)
        for file in march.publication.files
        if file.path.endswith(".parquet")
    }
    workspace.results.publish_month(march.manifest, tables, other.results.checkpoint(MODE, "2024-03"))
    return workspace


def test_a_spliced_record_is_stale_from_where_it_breaks_and_says_so(spliced: Workspace) -> None:
    assert stale_months(spliced.results, MODE) == ["2024-03", "2024-04"]
    assert summarise(spliced, MODE).stale == ("2024-03", "2024-04")
    assert "2024-03 and later do not continue the months before" in write_reports(spliced, MODE).read_text()
    environment = os.environ | {"BASIS_DATA_DIR": str(spliced.root.path), "BASIS_CONFIG_DIR": str(CONFIGS)}
    checked = subprocess.run(
        [*COMMAND, "gates", MODE, "--check"], env=environment, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 1
    assert "2024-03 and later are stale" in checked.stderr


def test_a_spliced_record_is_continued_only_from_where_it_breaks(spliced: Workspace) -> None:
    with pytest.raises(StateError, match=r"2024-05 cannot start: 2024-03 does not continue.*from 2024-03"):
        plan_backtest(spliced, MODE, first="2024-05", last="2024-05")
    run(spliced, "2024-03", "2024-05")
    assert stale_months(spliced.results, MODE) == []


def test_a_record_without_its_opening_month_is_stale_altogether(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    run(workspace, "2024-01", "2024-03")
    workspace.results.withdraw(MODE, ["2024-01"])
    assert stale_months(workspace.results, MODE) == ["2024-02", "2024-03"]
