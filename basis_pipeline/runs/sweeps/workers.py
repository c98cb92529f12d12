"""Points of a sweep in processes of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from basis_pipeline.results.sweeps.parts import SweepPoint
from basis_pipeline.runs import processes
from basis_pipeline.runs.sweeps.points import PointRunner, run_point
from basis_pipeline.runs.workspace import Workspace, WorkspaceAddress


def one_after_another(workspace: Workspace, sweep: str, todo: Sequence[SweepPoint]) -> Iterator[SweepPoint]:
    """Run points in this process; each is given back when it is published."""
    runner = PointRunner(workspace)
    for point in todo:
        runner.run(sweep, point)
        yield point


def side_by_side(workspace: Workspace, sweep: str, todo: Sequence[SweepPoint], workers: int) -> Iterator[SweepPoint]:
    """Run points in `workers` processes; each is given back when it is published, in whatever order that is.

    Raises:
        StateError: a worker ended unexpectedly.
    """
    run = partial(run_point, WorkspaceAddress.of(workspace), sweep)
    done = processes.side_by_side(run, todo, workers, purpose=f"sweep {sweep}")
    return (point for point, _result in done)
