"""Points of a sweep in processes of this machine. A worker imports no more than a point needs."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from basis_pipeline.domain.errors import StateError
from basis_pipeline.results.sweeps.parts import SweepPoint
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

    Workers are given one point at a time, so that none waits for another's slow ones.

    Raises:
        StateError: a worker ended unexpectedly.
    """
    context, address = multiprocessing.get_context("spawn"), WorkspaceAddress.of(workspace)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)
    try:
        running = {pool.submit(run_point, address, sweep, point): point for point in todo}
        for future in as_completed(running):
            future.result()
            yield running[future]
    except BrokenProcessPool as error:
        raise StateError(
            f"a worker process of sweep {sweep} ended unexpectedly.",
            remedy="run the sweep again, finished points are not repeated; with fewer workers if memory is short.",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """A worker whose parent is killed would wait for its next point for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
