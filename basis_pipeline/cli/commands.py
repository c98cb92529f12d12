"""All commands by name, each imported when it is asked for: the overview and a mistyped name cost no imports."""

from __future__ import annotations

from collections.abc import Iterator
from pkgutil import resolve_name
from typing import NamedTuple

import click


class Entry(NamedTuple):
    """A command in the overview. `target` is `module:attribute` of this package."""

    name: str
    target: str
    summary: str


COMMANDS = {
    "Market data": (
        Entry("sample-data", "market_data:sample_data", "Write synthetic vendor files to <data root>/raw."),
        Entry("download", "downloads:download_command", "Fetch market data from exchanges, archives and the chain."),
        Entry("ingest", "market_data:ingest", "Validate vendor files and publish what changed as Parquet."),
        Entry("signals", "market_data:signals", "Train a model walk-forward and publish its signals."),
    ),
    "Backtests": (
        Entry("run", "backtests:run", "Everything: sample or vendor files, ingestion, all modes, gates, reports."),
        Entry("modes", "backtests:modes", "List the configured modes, what they need, and what is published."),
        Entry("backtest", "backtests:backtest", "Run a mode month by month, judge every month, publish what passes."),
        Entry("sweep", "experiments:sweep", "Run the points of a sweep side by side and rank them."),
    ),
    "Results": (
        Entry("query", "query:query", "Answer one SELECT over the published results."),
        Entry("report", "results:report", "Write the HTML report of a mode, or of some of its months."),
        Entry("compare", "experiments:compare", "Compare experiments with the standing record of their mode."),
        Entry("export", "results:export", "Write every table of a mode as CSV."),
        Entry("gates", "results:gates", "Describe all gates, or show the verdicts on the months of a mode."),
    ),
    "Services": (
        Entry("dev", "serving:dev", "Serve the Dagster UI of the data root on loopback."),
        Entry("serve", "serving:serve", "Serve reports, CSV and zip of the data root on loopback, read only."),
        Entry("notify", "serving:notify", "Send a test notice through every channel of notifications.yaml."),
    ),
    "Live": (
        Entry("live", "live:live_command", "Run a mode on real venues until stopped."),
        Entry("live-compare", "live_compare:live_compare_command", "Replay a live record through the backtest engine."),
        Entry("executor", "executor:executor_command", "Deploy the executor contract of the wallet."),
    ),
}


class Commands(click.Group):
    """The group of all commands, shown by section."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [entry.name for entry in _entries()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        targets = {entry.name: entry.target for entry in _entries()}
        if cmd_name not in targets:
            return None
        found: click.Command = resolve_name(f"{__package__}.{targets[cmd_name]}")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, entries in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(entry.name, entry.summary) for entry in entries])


def _entries() -> Iterator[Entry]:
    return (entry for entries in COMMANDS.values() for entry in entries)
