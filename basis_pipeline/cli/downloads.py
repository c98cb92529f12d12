"""`basis download`: its options, and what it shows."""

from __future__ import annotations

import click
from rich.markup import escape
from rich.table import Column, Table

from basis_pipeline.cli import screens
from basis_pipeline.cli.terminal import ERR
from basis_pipeline.runs.download import DownloadReport, Outcome, Selection, download, plan_download
from basis_pipeline.runs.workspace import Workspace

_STATUSES = ("kept", "due", "fetched", "extended", "missing", "failed")


@click.command("download")
@click.option("--from", "first", help="First month, YYYY-MM; default: first_month of configs/downloads.yaml.")
@click.option("--to", "last", help="Last month, included; default: the current one.")
@click.option("--dataset", "datasets", multiple=True, help="Only this dataset; repeatable.")
@click.option("--venue", "venues", multiple=True, help="Only this exchange, protocol or chain; repeatable.")
@click.option("--symbol", "symbols", multiple=True, help="Only this symbol; repeatable.")
@click.option("--dry-run", is_flag=True, help="List what would be fetched; nobody is asked, nothing is written.")
@click.make_pass_decorator(Workspace)
def download_command(  # noqa: PLR0917 - one parameter per option of the command
    workspace: Workspace,
    first: str | None,
    last: str | None,
    datasets: tuple[str, ...],
    venues: tuple[str, ...],
    symbols: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Fetch market data from exchanges, archives and the chain into <raw>/downloads.

    What is complete is kept, the open month goes on where it ended. `basis ingest` reads the files.
    """
    selection = Selection(frozenset(datasets), frozenset(venues), frozenset(symbols))
    if dry_run:
        plan = plan_download(workspace, selection, first=first, last=last)
        for outcome in plan.outcomes:
            if outcome.status == "due":
                screens.result(f"{outcome.target.source}\t{outcome.target}\t{outcome.target.path}")
        _show(plan)
        return
    screens.say(f"data root {workspace.root.path}, raw files {workspace.raw}")
    with screens.progress("download") as progress:
        report = download(workspace, selection, first=first, last=last, progress=progress, note=_note)
    _show(report)
    if report.failed:
        raise SystemExit(1)


def _note(outcome: Outcome) -> None:
    """Problems as they come; the rest is in the table."""
    if outcome.error:
        screens.complain(f"{outcome.target}: {outcome.error}")
    elif outcome.status == "missing":
        screens.warn(f"{outcome.target}: {outcome.target.source} has nothing of this month.")
    elif outcome.revised:
        screens.warn(f"{outcome.target}: {outcome.revised} rows differ from what {outcome.target.source} said before.")


def _show(report: DownloadReport) -> None:
    """One line per series: months by status, rows on disk, steps that the vendor lacks."""
    counts = [Column(name, justify="right") for name in ("rows", "steps missing")]
    table = Table("source", "series", "months", *(Column(name, justify="right") for name in _STATUSES), *counts)
    series: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in report.outcomes:
        series.setdefault((outcome.target.source, str(outcome.target.key)), []).append(outcome)
    for (source, key), outcomes in series.items():
        states = [sum(outcome.status == status for outcome in outcomes) for status in _STATUSES]
        table.add_row(
            source,
            escape(key),
            f"{outcomes[0].target.month} … {outcomes[-1].target.month}",
            *(str(count or "·") for count in states),
            f"{sum(outcome.rows for outcome in outcomes):,}",
            f"{sum(outcome.missing for outcome in outcomes):,}",
        )
    ERR.print(table)
