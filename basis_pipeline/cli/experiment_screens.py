"""What the commands of experiments show: answers on standard output, remarks on standard error."""

from __future__ import annotations

import json
import shlex

from rich.markup import escape
from rich.table import Column, Table

from basis_pipeline.cli.screens import complain, out, say, warn
from basis_pipeline.results.sweeps.parts import Outcome
from basis_pipeline.runs.compare import ComparisonReport, written
from basis_pipeline.runs.sweeps.sweep import SweepReport

_MOST_REASONS = 5


def sweep(report: SweepReport, top: int) -> None:
    """The best points, what was not done and why, how far the best is luck, and how to look at it in full."""
    found = report.table(top)
    if found.rows:
        out(_table([Column(c.title, justify="right" if c.numeric else "left") for c in found.columns], found.rows))
    lost = report.lost
    for point, result in lost[:_MOST_REASONS]:
        complain(f"point {point.number} of {point.mode} is {result.status}: {result.reason}")
    if len(lost) > _MOST_REASONS:
        say(f"{len(lost) - _MOST_REASONS} more points are not done; the page has all reasons")
    if judged := report.luck:
        overfitted = "" if judged.probability is None else f", probability of overfitting {judged.probability:.0%}"
        say(
            f"best Sharpe {judged.best_sharpe:.2f} of {judged.trials} different points; without skill so many would be "
            f"expected to show {judged.expected_maximum:.2f} (deflated Sharpe {judged.deflated:.1%}{overfitted})"
        )
    if report.done:
        say(f"in full: {_in_full(report.plan.name, report.done[0])}")


def comparison(report: ComparisonReport) -> None:
    """Figures by record, then the keys on which their configurations differ."""
    found = report.comparison
    names = found.names
    rows = [
        [
            row.title + (f", {found.currency}" if row.form == "money" else ""),
            *(written(row.form, value, found.currency) for value in row.values),
        ]
        for row in report.figures
    ]
    say(f"{found.mode}, {found.months[0]} to {found.months[-1]}")
    out(_table([Column(""), *(Column(name, justify="right") for name in names)], rows))
    if report.differences:
        differing = [[one.key, *(value or "–" for value in one.values)] for one in report.differences]
        out(_table([Column("configured differently"), *map(Column, names)], differing))
    for note in found.notes:
        say(note)
    for warning in found.warnings:
        warn(warning)


def _table(columns: list[Column], rows: list[list[str]]) -> Table:
    table = Table(*columns)
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _in_full(sweep: str, best: Outcome) -> str:
    point, _ = best
    pairs = [f"--set {shlex.quote(f'{key}={json.dumps(value)}')}" for key, value in point.overrides.items()]
    months = f"--from {point.first} --to {point.last}"
    return " ".join(["basis backtest", point.mode, months, *pairs, f"--experiment {sweep}-best"])
