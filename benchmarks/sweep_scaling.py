"""How a sweep scales over cores: the same points with one process and with several, in turn, as ratios."""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from basis_pipeline.config.loading import ConfigFolder, typed_sweep
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.runs.sweeps.sweep import SweepPlan, plan_sweep, run_here, unfinished
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.data_root import DataRoot

CONFIGS = Path(__file__).parents[1] / "configs"


class Spent(NamedTuple):
    """Seconds: on the wall, and of processor over all processes, which holds when the machine is busy."""

    wall: float
    cpu: float


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sweep", default="btc_basis_sizing", help="file of configs/sweeps")
    arguments.add_argument("--points", type=int, default=64, help="use the first so many points of it")
    arguments.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments.add_argument("--runs", type=int, default=1)
    arguments.add_argument("--raw", type=Path, help="vendor files; default: the validated data of BASIS_DATA_DIR")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        validated = validated_data(Path(folder), options.raw)
        spent: dict[int, list[Spent]] = {1: [], options.workers: []}
        for run in range(options.runs):
            for workers, found in spent.items():
                root = Path(folder) / f"{workers}-{run}"
                found.append(timed(workspace_of(root, validated), options.sweep, options.points, workers))
    one, several = (Spent(*map(statistics.median, zip(*found, strict=True))) for found in spent.values())
    print(f"{options.points} points of {options.sweep}, medians of {options.runs} runs in turn")
    print(f"  1 process    {one.wall:7.1f} s wall {one.cpu:7.1f} s CPU  {one.cpu / options.points:6.3f} s CPU/point")
    print(f"  {options.workers} processes  {several.wall:7.1f} s wall {several.cpu:7.1f} s CPU")
    best = options.workers * one.cpu / several.cpu
    print(f"  {one.wall / several.wall:.2f} x as fast; {best:.2f} x where every process has a core to itself")


def validated_data(folder: Path, raw: Path | None) -> Path:
    if raw is None:
        return Workspace.from_environment().root.validated.resolve()
    report = ingest(DataRoot(folder / "ingested"), raw, config_dir=CONFIGS)
    assert not report.errors
    return folder / "ingested" / "validated"


def workspace_of(root: Path, validated: Path) -> Workspace:
    root.mkdir()
    (root / "validated").symlink_to(validated)
    return Workspace(root, CONFIGS)


def timed(workspace: Workspace, sweep: str, points: int, workers: int) -> Spent:
    """What running the points took; planning and ranking are the same for any number of workers and not counted."""
    file = ConfigFolder(CONFIGS).sweep(sweep)
    chosen = typed_sweep({"sweep": file.sweep, "modes": file.modes, "points": file.combinations()[:points]})
    plan: SweepPlan = plan_sweep(workspace, chosen)
    started, cpu = time.perf_counter(), cpu_seconds()
    run_here(workspace, plan, workers=workers)
    spent = Spent(time.perf_counter() - started, cpu_seconds() - cpu)
    assert not unfinished(workspace, plan)
    return spent


def cpu_seconds() -> float:
    """Of this process and of all its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(found.ru_utime + found.ru_stime for found in used)


if __name__ == "__main__":
    main()
