"""The points of a sweep on Ray: the cluster that RAY_ADDRESS names, or one that is started on this machine.

Plain `ray.remote` around `run_point`, not Dagster's executor for Ray: a point is one call that takes plain values and
publishes what it found, so a worker needs neither Dagster nor its instance, and a process of Ray that has loaded the
market data is given further points instead of being started anew for each.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from basis_pipeline import __version__
from basis_pipeline.domain.errors import ConfigError, StateError
from basis_pipeline.domain.progress import ProgressCallback
from basis_pipeline.results.sweeps.parts import SweepPlan, SweepPoint
from basis_pipeline.runs.sweeps.points import run_point
from basis_pipeline.runs.sweeps.sweep import run_with
from basis_pipeline.runs.workspace import Workspace, WorkspaceAddress
from basis_pipeline.storage.data_root import RootInfo

ADDRESS = "RAY_ADDRESS"
_OWN = "local"
_HERE = (_OWN, "127.")
_SECONDS = 10.0
_OF_THIS_MACHINE = {
    "RAY_USAGE_STATS_ENABLED": "0",  # it would report home
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # one machine: listen on loopback only, as on those systems
}


def run_on_ray(workspace: Workspace, plan: SweepPlan, *, progress: ProgressCallback | None = None) -> None:
    """Run the points that are not finished on Ray; the same numbers as `run_here`, bit for bit.

    Workers read market data from the data root and publish to it, so that of several machines all must see the same
    one. A point that was at work on a machine that is lost is run on another.

    Raises:
        ConfigError: Ray is not installed or not reachable, or a worker has another configuration.
        StateError: a worker sees another data root or runs another version, workers are lost again and again, or data
            changed since the plan was made.
        StorageError: a point cannot be written, or the sweep is already running.
    """
    info = workspace.root.info

    def engine(todo: Sequence[SweepPoint]) -> Iterator[SweepPoint]:
        if not todo:
            return
        with _connected() as module:
            remote = module.remote(_run_remotely)
            address = WorkspaceAddress.of(workspace)
            running = {remote.remote(address, info, __version__, plan.name, point): point for point in todo}
            yield from _as_published(module, running)

    run_with(engine, workspace, plan, progress)


def _run_remotely(
    address: WorkspaceAddress, info: RootInfo | None, version: str, sweep: str, point: SweepPoint
) -> None:
    """What a worker does; first of all it sees to it that it would compute and publish the same as its driver."""
    here = address.open().root.info
    if here != info:
        raise StateError(
            f"a worker on {os.uname().nodename} finds {'another' if here else 'no'} data root at {address.data_dir}.",
            remedy="keep the root where all machines see it: s3://bucket/prefix, or a shared folder.",
        )
    if version != __version__:
        raise StateError(
            f"a worker on {os.uname().nodename} has version {__version__} of basis-pipeline, not {version}.",
            remedy="install the same version everywhere.",
        )
    run_point(address, sweep, point)


def _as_published(module: Any, running: dict[Any, SweepPoint]) -> Iterator[SweepPoint]:
    waiting = list(running)
    while waiting:
        done, waiting = module.wait(waiting, num_returns=1)
        for reference in done:
            try:
                module.get(reference)
            except module.exceptions.RayTaskError as error:
                raise error.cause from None
            except module.exceptions.RayError as error:
                raise StateError(
                    f"point {running[reference].number} was lost with its worker: {type(error).__name__}.",
                    remedy="start the sweep again, finished points are not repeated; see Ray's logs for the cause.",
                ) from error
            yield running[reference]


@contextmanager
def _connected() -> Iterator[Any]:
    """Ray, connected until the end of the block; points that are not done then are given up."""
    address = os.environ.get(ADDRESS) or _OWN
    if address.startswith(_HERE):
        os.environ.update({name: value for name, value in _OF_THIS_MACHINE.items() if name not in os.environ})
    try:
        import ray  # noqa: PLC0415 - an optional package
    except ImportError as error:
        remedy = "install it: pip install -c constraints.txt -e '.[cluster]'"
        raise ConfigError("this needs the package ray.", remedy=remedy) from error
    dashboard = False if address == _OWN else None
    try:
        _reach(address)
        ray.init(address, include_dashboard=dashboard, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, ValueError, ray.exceptions.RayError) as error:
        raise ConfigError(
            f"no Ray cluster can be used at {ADDRESS}={address}: {type(error).__name__}.",
            remedy="start it (`ray start --head`), correct the variable and RAY_AUTH_TOKEN, or unset it.",
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """OSError if nothing listens there: Ray itself would wait for more than a minute and then end the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), timeout=_SECONDS).close()
