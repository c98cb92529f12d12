"""`basis run`, `backtest`, `modes`: what can be run, and running it."""

from __future__ import annotations

import os

import click

from basis_pipeline.cli import screens
from basis_pipeline.config.loading import parse_overrides
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.runs import records, reports
from basis_pipeline.runs.backtest import MonthRejectedError, plan_backtest
from basis_pipeline.runs.modes import describe_modes, readers
from basis_pipeline.runs.pipeline import run_pipeline
from basis_pipeline.runs.workspace import Workspace

pass_workspace = click.make_pass_decorator(Workspace)


@click.command()
@click.option("--reopen", is_flag=True, help="Replace all standing records.")
@click.option("--workers", type=click.IntRange(1), help="Modes at a time; default: one per core.")
@pass_workspace
def run(workspace: Workspace, reopen: bool, workers: int | None) -> None:
    """Everything: sample or vendor files, ingestion, all modes, gates, reports."""
    screens.say(f"data root {workspace.root.path}, raw files {workspace.raw}")
    with screens.progress("run") as progress:
        outcome = run_pipeline(workspace, progress, reopen=reopen, workers=workers or os.cpu_count() or 1)
    screens.ingestion(outcome.ingestion, lambda: readers(workspace.config), verbose=False)
    screens.summaries(outcome.summaries)
    for mode, error in outcome.failures.items():
        screens.complain(f"{mode}: {error}")
    screens.next_steps(str(workspace.root.path), str(outcome.overview))
    if outcome.failures or outcome.ingestion.errors:
        raise SystemExit(1)


@click.command()
@click.argument("mode")
@click.option("--from", "first", help="First month, YYYY-MM; default: where the mode's data begin.")
@click.option("--to", "last", help="Last month, included; default: where they end.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Override a key of the mode; repeatable.")
@click.option("--experiment", help="Name of the experiment; keeps the standing record untouched.")
@click.option("--replace", is_flag=True, help="Overwrite an experiment of that name, whatever it was.")
@click.option("--reopen", is_flag=True, help="Replace the standing record by one that opens in --from.")
@pass_workspace
def backtest(  # noqa: PLR0917 - one parameter per option of the command
    workspace: Workspace,
    mode: str,
    first: str | None,
    last: str | None,
    pairs: tuple[str, ...],
    experiment: str | None,
    replace: bool,
    reopen: bool,
) -> None:
    """Run MODE month by month, judge every month, publish what passes."""
    if reopen and (experiment or pairs):
        raise ConfigError("--reopen replaces the standing record; it does not go with --set or --experiment.")
    plan = plan_backtest(
        workspace,
        mode,
        first=first,
        last=last,
        overrides=parse_overrides(pairs),
        experiment=experiment,
        reopen=reopen,
        replace=replace,
        run_id="cli",
    )
    if plan.experiment:
        screens.say(f"experiment {plan.experiment} (the standing record stays as it is)")
    for series in plan.blocked:
        screens.warn(str(series))
    try:
        with screens.progress(mode) as progress:
            outcomes = list(plan.run(progress))
    except MonthRejectedError as error:
        page = reports.write_rejected_report(workspace, mode, plan.experiment)
        screens.gates(error.outcome.gates)
        screens.say(f"look at it: {page}")
        raise
    page = reports.write_reports(workspace, mode, plan.experiment)
    screens.months(outcomes)
    screens.summaries([records.summarise(workspace, mode, plan.experiment)])
    screens.say(f"report: {page}")


@click.command()
@pass_workspace
def modes(workspace: Workspace) -> None:
    """List the configured modes, what they need, and what is published."""
    described, broken = describe_modes(workspace)
    screens.modes(described)
    for mode, error in broken.items():
        screens.complain(f"{mode}: {error}")
    if broken:
        raise SystemExit(2)
