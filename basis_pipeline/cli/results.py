"""`basis report`, `export`, `gates`: what is published, in three forms."""

from __future__ import annotations

from pathlib import Path

import click

from basis_pipeline.cli import screens
from basis_pipeline.runs import records, reports
from basis_pipeline.runs.gate_page import gates_markdown
from basis_pipeline.runs.workspace import Workspace

pass_workspace = click.make_pass_decorator(Workspace)


@click.command()
@click.argument("mode")
@click.option("--from", "first", help="First month of a page about a range, YYYY-MM.")
@click.option("--to", "last", help="Last month of it, included.")
@click.option("--experiment", help="Report an experiment instead of the standing record.")
@pass_workspace
def report(workspace: Workspace, mode: str, first: str | None, last: str | None, experiment: str | None) -> None:
    """Write the HTML report of MODE, or of some of its months, and print where it is."""
    screens.result(str(reports.write_reports(workspace, mode, experiment, first=first, last=last)))


@click.command()
@click.argument("mode")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder; default <results>/exports.")
@click.option("--zip", "zipped", is_flag=True, help="One zip file instead of a folder.")
@click.option("--from", "first", help="First month, YYYY-MM; default: all that is published.")
@click.option("--to", "last", help="Last month, included.")
@click.option("--experiment", help="Export an experiment instead of the standing record.")
@pass_workspace
def export(  # noqa: PLR0917 - one parameter per option of the command
    workspace: Workspace,
    mode: str,
    out: Path | None,
    zipped: bool,
    first: str | None,
    last: str | None,
    experiment: str | None,
) -> None:
    """Write every table of MODE as CSV and print where it is."""
    records.check_names(workspace, mode, experiment)
    months = reports.published_range(workspace, mode, experiment, first=first, last=last)
    screens.result(str(records.export(workspace, mode, out=out, zipped=zipped, experiment=experiment, months=months)))


@click.command()
@click.argument("mode", required=False)
@click.option("--check", is_flag=True, help="Exit 1 if a month of MODE has a failed gate, is stale or was changed.")
@click.option("--markdown", is_flag=True, help="Describe all gates as a page (docs/gates.md).")
@pass_workspace
def gates(workspace: Workspace, mode: str | None, check: bool, markdown: bool) -> None:
    """Describe all gates, on months and on market data, or show the verdicts on the months of MODE."""
    if markdown:
        screens.result(gates_markdown().rstrip())
        return
    if mode is None:
        screens.gate_descriptions("months of backtests", records.gate_descriptions())
        screens.gate_descriptions("months of live records", records.live_gate_descriptions())
        screens.gate_descriptions("market data", records.data_gate_descriptions())
        return
    verdicts = records.gate_verdicts(workspace, mode)
    screens.gate_table(verdicts)
    stale = records.stale(workspace, mode)
    if stale:
        screens.stale_months(mode, stale)
    if check and (stale or any(verdict.failed for verdict in verdicts)):
        raise SystemExit(1)
