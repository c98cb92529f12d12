"""Commands that try things out: sweeps, and experiments beside the standing record."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from basis_pipeline.cli import experiment_screens as screens
from basis_pipeline.cli.screens import progress, say
from basis_pipeline.config.loading import read_sweep, typed_sweep
from basis_pipeline.config.sweeps import Keep, SweepFile, parse_grid
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.runs.compare import compare as run_compare
from basis_pipeline.runs.sweeps.on_ray import run_on_ray
from basis_pipeline.runs.sweeps.sweep import collect, plan_sweep, run_here, unfinished
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.digests import text_digest

_OPTIONS = {"modes": "--mode", "grid": "--grid", "from": "--from", "to": "--to", "keep": "--keep", "sweep": "--name"}

pass_workspace = click.make_pass_decorator(Workspace)


@click.command()
@click.argument("experiments", nargs=-1, required=True)
@click.option("--mode", help="Needed where the experiments hold several modes.")
@pass_workspace
def compare(workspace: Workspace, experiments: Sequence[str], mode: str | None) -> None:
    """Compare EXPERIMENTS with the standing record of their mode, in a table and on a page."""
    report = run_compare(workspace, experiments, mode)
    screens.comparison(report)
    say(f"page: {report.page}")


@click.command()
@click.argument("file", required=False)
@click.option("--mode", "modes", multiple=True, help="Without FILE: the mode to vary; repeatable.")
@click.option("--grid", "pairs", multiple=True, metavar="KEY=V,V,...", help="Without FILE: values to try; repeatable.")
@click.option("--from", "first", help="Without FILE: first month, YYYY-MM; default: where the mode's data begin.")
@click.option("--to", "last", help="Without FILE: last month, included; default: where they end.")
@click.option("--name", help="Without FILE: name of the sweep; default: made from what is asked.")
@click.option("--keep", type=click.Choice(list(Keep)), help="Without FILE: `tables` makes every point an experiment.")
@click.option("--rank-by", default=None, help="Metric that orders the table; default: the file's, else sharpe.")
@click.option("--top", default=10, show_default=True, type=click.IntRange(1), help="Rows of the table.")
@click.option("--workers", type=click.IntRange(1), help="Processes; default: one per core.")
@click.option("--ray", "on_ray", is_flag=True, help="Run the points on Ray: the cluster of RAY_ADDRESS, or here.")
@pass_workspace
def sweep(  # noqa: PLR0917 - one parameter per option of the command
    workspace: Workspace,
    file: str | None,
    modes: tuple[str, ...],
    pairs: tuple[str, ...],
    first: str | None,
    last: str | None,
    name: str | None,
    keep: str | None,
    rank_by: str | None,
    top: int,
    workers: int | None,
    on_ray: bool,
) -> None:
    """Run the points of a sweep side by side and rank them.

    FILE is a sweep of the configuration folder by its name, or the path of a YAML file. Points that are finished are
    not run again: stop it as you like, and start it again to go on.
    """
    typed: dict[str, object] = {
        "modes": list(modes), "grid": dict(parse_grid(pairs)), "from": first, "to": last, "keep": keep, "sweep": name
    }  # fmt: skip
    if on_ray and workers:
        raise ConfigError("--workers is of this machine; Ray runs as many points at a time as its cluster has cores.")
    asked = {key: value for key, value in typed.items() if value}
    wanted = _of_file(workspace, file, asked) if file else _typed(asked)
    if rank_by:
        wanted = wanted.model_copy(update={"rank_by": rank_by})
    plan = plan_sweep(workspace, wanted)
    waiting = len(unfinished(workspace, plan))
    say(f"sweep {plan.name}: {len(plan.points)} points, {waiting} to run (standing records stay as they are)")
    with progress(plan.name) as bar:
        if on_ray:
            run_on_ray(workspace, plan, progress=bar)
        else:
            run_here(workspace, plan, workers=workers or os.cpu_count() or 1, progress=bar)
    report = collect(workspace, plan)
    screens.sweep(report, top)
    say(f"page: {report.page}")
    if not report.done:
        raise SystemExit(1)


def _of_file(workspace: Workspace, file: str, asked: dict[str, object]) -> SweepFile:
    if asked:
        given = ", ".join(_OPTIONS[key] for key in asked)
        raise ConfigError(f"{given} and a file do not go together.", remedy="write it into the file, or name no file.")
    path = Path(file)
    return read_sweep(path) if path.suffix in (".yaml", ".yml") else workspace.config.sweep(file)


def _typed(asked: dict[str, object]) -> SweepFile:
    if "modes" not in asked or "grid" not in asked:
        raise ConfigError("say what to run.", remedy="name a FILE, or give --mode and --grid.")
    return typed_sweep({"sweep": f"sweep-{text_digest(str(sorted(asked.items())))[:8]}"} | asked)
