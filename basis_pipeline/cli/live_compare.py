"""`basis live-compare`: what a live record and a backtest of the same ticks differ by."""

from __future__ import annotations

import click
from rich.table import Column, Table

from basis_pipeline.cli import screens
from basis_pipeline.config.environment import read_environment
from basis_pipeline.results.live_differences import LiveDifferences
from basis_pipeline.results.report_text import money
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
    screens.say(_summary(made.differences))
    screens.result(str(made.page))


def _table(found: LiveDifferences) -> Table:
    numbers = (Column(name, justify="right") for name in ("live", "replay", "difference", "bp"))
    shown = Table(f"{found.record}, {found.currency}", *numbers)
    for item in found.items:
        if item.live or item.backtest:
            share = item.difference / float(found.backtest[-1]) * 1e4
            amounts = (money(amount, found.currency) for amount in (item.live, item.backtest, item.difference))
            shown.add_row(item.name, *amounts, f"{share:+.3f}")
    ours, theirs = float(found.live[-1]), float(found.backtest[-1])
    shown.add_section()
    amounts = (money(amount, found.currency) for amount in (ours, theirs, ours - theirs))
    shown.add_row("equity", *amounts, f"{found.gaps_bp[-1]:+.3f}")
    return shown


def _summary(found: LiveDifferences) -> str:
    orders, again = found.counts()
    alone = sum(pair.live is None or pair.backtest is None for pair in found.pairs)
    return (
        f"{len(found.stamps):,} ticks; {orders} orders live, {again} in the replay, {alone} without a counterpart; "
        f"never further apart than {found.widest_bp:.2f} bp; {found.unnamed:+.1e} {found.currency} not named"
    )
