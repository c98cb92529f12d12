"""`basis live-compare`: what a live record and a backtest of the same ticks differ by."""

from __future__ import annotations

import click
from rich.table import Column, Table

from basis_pipeline.cli import screens
from basis_pipeline.config.environment import read_environment
from basis_pipeline.results.live_differences.differences import LiveDifferences
from basis_pipeline.results.live_differences.text import COLUMNS, rows, summary
from basis_pipeline.runs.live.compare import compare_live
from basis_pipeline.runs.workspace import Workspace


@click.command("live-compare")
@click.argument("mode")
@click.pass_obj
def live_compare_command(workspace: Workspace, mode: str) -> None:
    """Replay the live record of MODE through the backtest engine: same start, same ticks, the market it saw.

    BASIS_ENVIRONMENT says whose record. Tables: live_differences, live_order_differences, live_equity_differences.
    """
    made = compare_live(workspace, mode, read_environment().environment)
    screens.out(_table(made.differences))
    screens.say(summary(made.differences))
    screens.result(str(made.page))


def _table(found: LiveDifferences) -> Table:
    numbers = (Column(name, justify="right") for name in COLUMNS[1:])
    shown = Table(f"{found.record}, {found.currency}", *numbers)
    *sources, equity = rows(found)
    for row in sources:
        shown.add_row(*row)
    shown.add_section()
    shown.add_row(*equity)
    return shown
