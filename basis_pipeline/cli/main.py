"""Commands. Results go to standard output, everything else to standard error.

Exit code 0: it did what was asked and no ERROR gate failed. 1: a gate or a run failed. 2: bad arguments, configuration
or environment.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from basis_pipeline import __version__
from basis_pipeline.cli import screens
from basis_pipeline.cli.downloads import download_command
from basis_pipeline.cli.executor import executor_command
from basis_pipeline.cli.experiments import compare, sweep
from basis_pipeline.cli.live import live_command
from basis_pipeline.cli.live_compare import live_compare_command
from basis_pipeline.cli.results import export, gates, query, report
from basis_pipeline.cli.serving import dev, notify, serve
from basis_pipeline.domain.errors import BasisError, ConfigError
from basis_pipeline.runs import records, reports
from basis_pipeline.runs.backtest import MonthRejectedError, parse_overrides, plan_backtest
from basis_pipeline.runs.ingest import ingest as run_ingest
from basis_pipeline.runs.modes import describe_modes, readers
from basis_pipeline.runs.pipeline import run_pipeline
from basis_pipeline.runs.sample_data import make_sample_data
from basis_pipeline.runs.signals import train_signals, warm_up
from basis_pipeline.runs.workspace import VARIABLES, Workspace

_EPILOG = "\b\nEnvironment:\n" + "\n".join(f"  {name:22}{what}" for name, what in VARIABLES.items())

pass_workspace = click.make_pass_decorator(Workspace)


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="basis-pipeline")
@click.pass_context
def cli(context: click.Context) -> None:
    """Backtests of crypto basis, lending and staking strategies: ingest, run, gate, ask."""
    if context.invoked_subcommand and "--help" not in sys.argv and "-h" not in sys.argv:
        context.obj = Workspace.from_environment(
            live=context.invoked_subcommand in {"live", "live-compare", "executor"}
        )


@cli.command("sample-data")
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


@cli.command()
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


@cli.command()
@click.argument("model")
@pass_workspace
def signals(workspace: Workspace, model: str) -> None:
    """Train MODEL walk-forward, month by month, and publish its signals; says what they are worth."""
    with screens.progress("signals") as progress:
        months = train_signals(workspace, model, progress)
    learnt = warm_up(workspace, model)
    screens.say(f"warm-up: {learnt[0]} to {learnt[-1]}, without a prediction")
    screens.signal_months(months)


@cli.command()
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


@cli.command()
@pass_workspace
def modes(workspace: Workspace) -> None:
    """List the configured modes, what they need, and what is published."""
    described, broken = describe_modes(workspace)
    screens.modes(described)
    for mode, error in broken.items():
        screens.complain(f"{mode}: {error}")
    if broken:
        raise SystemExit(2)


@cli.command()
@click.option("--reopen", is_flag=True, help="Replace all standing records.")
@pass_workspace
def run(workspace: Workspace, reopen: bool) -> None:
    """Everything: sample or vendor files, ingestion, all modes, gates, reports."""
    screens.say(f"data root {workspace.root.path}, raw files {workspace.raw}")
    with screens.progress("run") as progress:
        outcome = run_pipeline(workspace, progress, reopen=reopen)
    screens.ingestion(outcome.ingestion, lambda: readers(workspace.config), verbose=False)
    screens.summaries(outcome.summaries)
    for mode, error in outcome.failures.items():
        screens.complain(f"{mode}: {error}")
    screens.next_steps(str(workspace.root.path), str(outcome.overview))
    if outcome.failures or outcome.ingestion.errors:
        raise SystemExit(1)


_DATA = (compare, sweep, query, report, export, gates, download_command, dev, serve, notify)
for command in (*_DATA, live_command, live_compare_command, executor_command):
    cli.add_command(command)


def main() -> None:
    """Entry point: expected failures become one message and an exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = 2
    except click.Abort:
        screens.complain("interrupted; what was published stays")
        code = 1
    except ConfigError as error:
        screens.complain(str(error))
        code = 2
    except BasisError as error:
        screens.complain(str(error))
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
