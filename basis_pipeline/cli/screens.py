"""What the command shows: answers on standard output, progress, tables and messages on standard error."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from basis_pipeline.cli.terminal import ERR as _ERR
from basis_pipeline.cli.terminal import OUT as _OUT
from basis_pipeline.domain.evidence import GateDescription, GateResult, GateStatus
from basis_pipeline.market_data.dataset_types import SeriesKey

if TYPE_CHECKING:  # a command imports the use case it shows, and waits for no other
    from basis_pipeline.domain.progress import ProgressCallback
    from basis_pipeline.runs.backtest import MonthOutcome
    from basis_pipeline.runs.ingest import IngestReport
    from basis_pipeline.runs.modes import ModeDescription
    from basis_pipeline.runs.records import GateVerdict, RecordSummary
    from basis_pipeline.runs.signals import SignalMonth

Readers = Callable[[], Mapping[SeriesKey, tuple[str, ...]]]
"""Modes by series; asked only where a check failed, so that a wrong mode file does not stop an ingestion."""

_COLOURS = {GateStatus.PASSED: "green", GateStatus.WARNED: "yellow", GateStatus.FAILED: "red"}
_WORST_FIRST = ("ERROR", "WARN", "INFO")
_EXAMPLE = "select mode, month, total_return, gates_failed from months"


def say(message: str) -> None:
    """A note for the person at the terminal."""
    _ERR.print(escape(message), soft_wrap=True)


def complain(message: str) -> None:
    _ERR.print(f"[bold red]error[/] {escape(message)}", soft_wrap=True)


def warn(message: str) -> None:
    _ERR.print(f"[bold yellow]warning[/] {escape(message)}", soft_wrap=True)


def out(table: Table) -> None:
    """An answer as a table."""
    _OUT.print(table)


def result(text: str) -> None:
    """The answer itself, for scripts to read."""
    sys.stdout.write(f"{text}\n")


@contextmanager
def progress(title: str) -> Iterator[ProgressCallback]:
    """A bar that follows (what, done, total) calls; one line per call where standard error is no terminal."""
    if not _ERR.is_terminal:
        yield _plain_progress
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_ERR, transient=True) as bar:
        task = bar.add_task(title)

        def update(what: str, done: int, total: int) -> None:
            bar.update(task, description=escape(what), completed=done, total=total)

        yield update


def _plain_progress(what: str, done: int, total: int) -> None:
    if done == total or done % max(1, total // 4) == 0:
        _ERR.print(f"  {escape(what)} {done}/{total}", soft_wrap=True, highlight=False)


def ingestion(report: IngestReport, readers: Readers, *, verbose: bool) -> None:
    """Datasets with what rules did to them; what is no longer published; every error; with `verbose` all else found."""
    table = Table(_name("dataset"), *_right("series", "rows", "dropped", "quarantined", "filled", "proxied", "blocked"))
    for row in report.summary():
        counts = (row.series, row.rows, row.dropped, row.quarantined, row.filled, row.proxied, row.blocked)
        table.add_row(row.dataset, *(f"{count:,}" if count else "·" for count in counts))
    _ERR.print(table)
    errors = set(report.errors)
    states = Counter(file.status for file in report.files)
    say("files: " + ", ".join(f"{count} {status}" for status, count in states.items()))
    for series in report.series:
        if gone := series.withdrawn:
            months = f"{gone[0]} to {gone[-1]} ({len(gone)} months)"
            say(f"withdrawn: {series.key} {months}: their files are gone. {_read_by(series.key, readers)}")
    # A broken file and the series it breaks tell of the same finding.
    found = dict.fromkeys(report.findings())
    for key, finding in sorted(found, key=lambda pair: _WORST_FIRST.index(pair[1].severity)):
        text = f"{key}: {finding}" if key else str(finding)
        if finding.severity == "ERROR":
            complain(text) if finding in errors else say(f"check failed: {text} {_read_by(key, readers)}")
        elif verbose:
            say(text)
    warnings = sum(finding.severity == "WARN" for _key, finding in found)
    if warnings and not verbose:
        say(f"{warnings} warnings (`basis ingest --verbose` lists them)")


def _read_by(key: SeriesKey | None, readers: Readers) -> str:
    modes = readers().get(key, ()) if key else ()
    return f"Read by {', '.join(modes)}." if modes else "No configured mode reads it."


def months(outcomes: Sequence[MonthOutcome]) -> None:
    """One line per month of a run."""
    table = Table("month", *_right("return", "profit", "end equity", "max drawdown", "orders"), "gates", "data")
    for outcome in outcomes:
        figures = {metric.metric: metric.value for metric in outcome.metrics}
        table.add_row(
            outcome.month,
            _percent(figures["total_return"]),
            _money(figures["profit"]),
            _money(figures["end_equity"]),
            _percent(figures["max_drawdown"]),
            f"{figures['orders']:.0f}",
            _verdicts(outcome.gates),
            "complete" if outcome.published.manifest.complete else "[yellow]open[/]",
        )
    _ERR.print(table)


def signal_months(trained: Iterable[SignalMonth]) -> None:
    """One line per month of signals: what its model has seen and what its predictions were worth."""
    table = Table(
        "month", "trained on", *_right("rows", "hit rate", "AUC", "95% interval", "IC", "edge"), "skill", "published"
    )
    for month in trained:
        seen, skill = month.evidence, month.evidence.skill
        figures = ("–", "–", "–", "–", "–", "too few outcomes")
        if skill is not None:
            interval = f"{skill.auc.low:.3f} … {skill.auc.high:.3f}"
            figures = (
                f"{skill.hit_rate.value:.1%}",
                f"{skill.auc.value:.3f}",
                interval,
                f"{skill.ic.value:+.3f}",
                f"{skill.edge.value * 1e4:+.1f} bp",
                "[green]shown[/]" if skill.shown else "[yellow]none[/]",
            )
        months = f"{seen.training_months[0]} … {seen.training_months[1]}"
        table.add_row(month.month, months, f"{seen.rows:,}", *figures, "now" if month.trained else "before")
    _OUT.print(table)


def summaries(records: Iterable[RecordSummary]) -> None:
    """The table that `make run` ends with."""
    figures = _right("return", "CAGR", "funding/yield", "costs", "max drawdown", "passed", "warned", "failed")
    table = Table(_name("mode"), _name("months"), *figures)
    for record in records:
        gates = record.gates
        table.add_row(
            record.experiment or record.mode,
            f"{record.first}…{record.last}",
            _returns(record.metrics),
            _percent(record.metrics["cagr"]),
            f"{_money(record.income)} {record.share_class}",
            f"{_money(record.costs)} {record.share_class}",
            _percent(record.metrics["max_drawdown"]),
            f"[green]{gates.passed}[/]",
            f"[yellow]{gates.warned}[/]" if gates.warned else "0",
            f"[red]{gates.failed}[/]" if gates.failed else "0",
        )
        if record.stale:
            stale_months(record.mode, record.stale)
    _OUT.print(table)


def _returns(metrics: Mapping[str, float | None]) -> str:
    """The time-weighted return, and the money-weighted one where money came or went."""
    shown = _percent(metrics["time_weighted_return"])
    if not metrics["flows_since_start"]:
        return shown
    return f"{shown} ({_percent(metrics['money_weighted_return'])} money-weighted)"


def stale_months(mode: str, months: Sequence[str]) -> None:
    complain(f"{mode}: {months[0]} and later are stale (state, data or configuration changed); run them again")


def gates(results: Iterable[GateResult]) -> None:
    """Verdicts on one month, worst first."""
    table = Table("gate", "severity", "status", "threshold", "found")
    for verdict in sorted(results, key=lambda verdict: -list(GateStatus).index(verdict.status)):
        table.add_row(verdict.gate, verdict.severity, _status(verdict), verdict.threshold, escape(verdict.message))
    _ERR.print(table)


def gate_table(verdicts: Sequence[GateVerdict]) -> None:
    """Counts by gate over all months, and every verdict that is not `passed`."""
    table = Table("gate", "severity", *_right("passed", "warned", "failed"))
    counts: dict[str, Counter[GateStatus]] = {}
    severity = {}
    for verdict in verdicts:
        counts.setdefault(verdict.result.gate, Counter())[verdict.result.status] += 1
        severity[verdict.result.gate] = verdict.result.severity
    for gate, count in counts.items():
        table.add_row(gate, severity[gate], *(str(count[status] or "·") for status in GateStatus))
    _OUT.print(table)
    for verdict in verdicts:
        if verdict.result.status is not GateStatus.PASSED:
            found = verdict.result
            _OUT.print(f"{verdict.month} {verdict.kept}: {found.gate} {_status(found)}: {escape(found.message)}")


def gate_descriptions(title: str, descriptions: Iterable[GateDescription]) -> None:
    table = Table("gate", "severity", "protects from", "computed", "threshold", "set by", title=f"Gates on {title}")
    for gate in descriptions:
        where = ", ".join(gate.configured)
        table.add_row(gate.name, gate.severity, gate.protects_from, gate.computed, gate.threshold, where)
    _OUT.print(table)


def modes(described: Iterable[ModeDescription]) -> None:
    table = Table("mode", "share class", "step", "capital", "data", "published", "what it does")
    for mode in described:
        covered, published = mode.covered, mode.published
        table.add_row(
            mode.name,
            mode.share_class,
            mode.step,
            f"{mode.initial_capital:,.10g}",
            f"{covered.first_full} … {covered.last_any}" if covered.first_full else "[yellow]not ingested[/]",
            (f"{published[0]} … {published[-1]}" if published else "–")
            + (f" [yellow]stale from {mode.stale[0]}[/]" if mode.stale else ""),
            mode.description,
        )
    _OUT.print(table)


def next_steps(root: str, overview: str) -> None:
    """What to open after `make run`."""
    say(f"\noverview  {overview}")
    say(f'SQL       BASIS_DATA_DIR={root} .venv/bin/basis query "{_EXAMPLE}"')
    say(f"UI        make dev DATA={root}")


def _right(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]


def _name(title: str) -> Column:
    return Column(title, no_wrap=True)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _money(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.2f}" if abs(value) >= 100.0 or value == 0.0 else f"{value:.6g}"


def _status(verdict: GateResult) -> str:
    return f"[{_COLOURS[verdict.status]}]{verdict.status}[/]"


def _verdicts(results: Iterable[GateResult]) -> str:
    counts = Counter(verdict.status for verdict in results)
    shown = (f"[{_COLOURS[status]}]{counts[status]} {status}[/]" for status in GateStatus if counts[status])
    return ", ".join(shown)
