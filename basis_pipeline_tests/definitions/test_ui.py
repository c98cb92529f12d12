"""`basis dev` as a person uses it: the server starts, runs what is launched in it, and stops when it is told to."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from basis_pipeline_tests.definitions.ui_server import PATIENCE_SECONDS, Server, answers, eventually, serving

pytestmark = pytest.mark.slow(seconds=20)


@pytest.fixture
def server(validated: Path, tmp_path: Path) -> Iterator[Server]:
    root = tmp_path / "root"
    root.mkdir()
    (root / "validated").symlink_to(validated)
    with serving(root) as started:
        yield started


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
    assert server.process.wait(PATIENCE_SECONDS) == 0
    assert not answers(server.port)
