"""`basis sample-data`, `ingest`, `signals`: what backtests read."""

from __future__ import annotations

from pathlib import Path

import click

from basis_pipeline.cli import screens
from basis_pipeline.runs.ingest import ingest as run_ingest
from basis_pipeline.runs.modes import readers
from basis_pipeline.runs.sample_data import make_sample_data
from basis_pipeline.runs.signals import train_signals, warm_up
from basis_pipeline.runs.workspace import Workspace

pass_workspace = click.make_pass_decorator(Workspace)


@click.command("sample-data")
@click.option("--from", "first", default="2024-01", show_default=True, help="First month, YYYY-MM.")
@click.option("--months", default=12, show_default=True, type=click.IntRange(1, 120))
@click.option("--seed", default=7, show_default=True)
@click.option("--asset", "assets", multiple=True, default=("BTC", "ETH"), show_default=True, help="Repeatable.")
@click.option("--stress", multiple=True, metavar="MONTH=EPISODE", help="E.g. 2024-05=crash; repeatable.")
@click.option("--replace", is_flag=True, help="Discard a sample that was made with other arguments.")
@pass_workspace
def sample_data(  # noqa: PLR0917 - one parameter per option of the command
    workspace: Workspace,
    first: str,
    months: int,
    seed: int,
    assets: tuple[str, ...],
    stress: tuple[str, ...],
    replace: bool,
) -> None:
    """Write synthetic vendor files to <data root>/raw."""
    with screens.progress("sample data") as progress:
        summary = make_sample_data(
            workspace.root,
            first_month=first,
            months=months,
            seed=seed,
            assets=assets,
            stress=stress,
            replace=replace,
            progress=progress,
        )
    screens.say(f"{'wrote' if summary.written else 'found'} sample data in {summary.raw}")


@click.command()
@click.option("--raw", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of vendor files.")
@click.option("--verbose", is_flag=True, help="List every finding, not only errors and counts.")
@pass_workspace
def ingest(workspace: Workspace, raw: Path | None, verbose: bool) -> None:
    """Validate vendor files and publish what changed as Parquet."""
    with screens.progress("ingest") as progress:
        report = run_ingest(workspace.root, raw or workspace.raw, config_dir=workspace.config.path, progress=progress)
    screens.ingestion(report, lambda: readers(workspace.config), verbose=verbose)
    if report.errors:
        raise SystemExit(1)


@click.command()
@click.argument("model")
@pass_workspace
def signals(workspace: Workspace, model: str) -> None:
    """Train MODEL walk-forward, month by month, and publish its signals; says what they are worth."""
    with screens.progress("signals") as progress:
        months = train_signals(workspace, model, progress)
    learnt = warm_up(workspace, model)
    screens.say(f"warm-up: {learnt[0]} to {learnt[-1]}, without a prediction")
    screens.signal_months(months)
