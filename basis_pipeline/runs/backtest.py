"""The use case `backtest`: a mode over months, each judged by its gates and published at once.

Per month: frame -> engine from the previous checkpoint, twice -> tables -> gates -> publish (or keep rejected, stop).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from basis_pipeline.config.wiring import WiredMode, wire_mode
from basis_pipeline.domain.behaviour import BEHAVIOUR
from basis_pipeline.domain.errors import GateError
from basis_pipeline.domain.evidence import GateResult
from basis_pipeline.domain.progress import ProgressCallback
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import month_end, month_start
from basis_pipeline.domain.timings import BACKTEST_BUDGETS, Timings
from basis_pipeline.gates.registry import evaluate, first_failure
from basis_pipeline.market_data.blocked import BlockedSeries, load_blocked
from basis_pipeline.market_data.frames.frame import Frame, build_frame
from basis_pipeline.market_data.frames.requirements import SeriesRef, requirements
from basis_pipeline.results.metrics import Metric, compute_metrics, metrics_table
from basis_pipeline.results.store import MonthManifest, PublishedMonth, ResultsStore
from basis_pipeline.runs import admission
from basis_pipeline.runs.freshness import data_version
from basis_pipeline.runs.months import MonthRange, experiment_range, predecessor, standing_range
from basis_pipeline.runs.simulation import Simulation, month_evidence, rejection, simulate
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.digests import text_digest
from basis_pipeline.storage.files import exclusive_lock


@dataclass(frozen=True)
class MonthOutcome:
    """A month as it was published: manifest, figures, tables."""

    published: PublishedMonth
    metrics: tuple[Metric, ...]
    tables: Mapping[str, pa.Table]

    @property
    def month(self) -> str:
        return self.published.manifest.month

    @property
    def gates(self) -> tuple[GateResult, ...]:
        return self.published.manifest.gates


class MonthRejectedError(GateError):
    """A gate of severity ERROR failed. The month is kept under rejected/ and nothing was published.

    Attributes:
        outcome: the month as it was kept there.
        gate: the first gate that failed.
    """

    outcome: MonthOutcome
    gate: str


@dataclass(frozen=True)
class Backtest:
    """A planned run of one mode: what is wired, which months, which record they belong to.

    Attributes:
        replaces: the range becomes the whole record. What is published stays until all of the range has been run.
    """

    workspace: Workspace
    wired: WiredMode
    range: MonthRange
    experiment: str | None
    run_id: str
    replaces: bool

    @property
    def blocked(self) -> tuple[BlockedSeries, ...]:
        """Series the mode reads whose last ingestion was blocked: what is published of them is older than the files."""
        read = {required.series for required in requirements(self.wired.frame_spec)}
        blocked = load_blocked(self.workspace.root.validated)
        return tuple(one for one in blocked if SeriesRef(one.key.dataset, one.key.venue, one.key.symbol) in read)

    def lock(self) -> AbstractContextManager[None]:
        """Held while the record is written: two runs of one mode never overlap."""
        name = f"{self.experiment}.{self.wired.name}" if self.experiment else self.wired.name
        path = self.workspace.root.path / "locks" / f"{name}.lock"
        return exclusive_lock(path, purpose=f"a backtest of {name}")

    def run(self, progress: ProgressCallback | None = None) -> Iterator[MonthOutcome]:
        """Run the months in order and yield each one after it is published.

        Months that replace a published record are run aside first, so that a run that fails leaves that record whole.

        Raises:
            MonthRejectedError: a gate failed; later months are not run. Earlier ones stay published, or are dropped
                where they would have replaced a record.
            StateError: the month before is missing, incomplete, or of another configuration.
            DataError, DataGapError: market data are missing.
        """
        results, name = self.workspace.results, self.wired.name
        with self.lock():
            results.settle(name, self.experiment)
            if self.replaces and results.months(name, self.experiment):
                yield from self._replace(progress)
            else:
                yield from self._run_months(results, progress)
        if progress:
            progress(name, len(self.range.months), len(self.range.months))

    def _run_months(self, target: ResultsStore, progress: ProgressCallback | None) -> Iterator[MonthOutcome]:
        for done, month in enumerate(self.range.months):
            if progress:
                progress(f"{self.wired.name} {month}", done, len(self.range.months))
            yield self._run_month(month, target)

    def _replace(self, progress: ProgressCallback | None) -> Iterator[MonthOutcome]:
        """Run the whole range aside, then put it in the place of the record by one atomic put."""
        results, name, experiment = self.workspace.results, self.wired.name, self.experiment
        results.discard_replacement(name, experiment)
        try:
            outcomes = list(self._run_months(results.replacement, progress))
            results.exchange(name, experiment)
        finally:
            results.discard_replacement(name, experiment)
        for outcome in outcomes:
            yield replace(outcome, published=results.get(name, outcome.month, experiment))

    def _run_month(self, month: str, target: ResultsStore) -> MonthOutcome:
        before, state = predecessor(target, self.wired.name, month, self.range.opening_month, self.experiment)
        last = month == self.range.months[-1]
        start, end = month_start(month), month_end(month)
        frame = build_frame(self.workspace.validated, self.wired.frame_spec, start, end, allow_open=last)
        (run, metrics), second = self._simulate(frame, state), self._simulate(frame, state)[0].digest
        evidence = month_evidence(
            self.workspace.validated,
            self.wired,
            month,
            before=state,
            frame=frame,
            run=run,
            allow_open=last,
            experiment=self.experiment is not None,
        )
        verdicts = evaluate(replace(evidence, second_digest=second))
        manifest = self._manifest(month, frame, verdicts, before, run.moments.timings(BACKTEST_BUDGETS))
        return self._publish(target, manifest, run, metrics)

    def _simulate(self, frame: Frame, state: EngineState | None) -> tuple[Simulation, tuple[Metric, ...]]:
        """One pass, its figures among the tables."""
        run = simulate(self.wired, frame, state)
        metrics = tuple(compute_metrics(run.tables, opening=state is None))
        return run._replace(tables=run.tables | {"metrics": metrics_table(metrics)}), metrics

    def _manifest(
        self,
        month: str,
        frame: Frame,
        gates: tuple[GateResult, ...],
        before: PublishedMonth | None,
        timings: Timings,
    ) -> MonthManifest:
        settings = self.wired.settings
        return MonthManifest(
            mode=self.wired.name,
            month=month,
            experiment=self.experiment,
            opening_month=self.range.opening_month,
            complete=frame.usage.complete,
            share_class=settings.share_class,
            initial_capital=settings.initial_capital,
            config_digest=settings.config_digest,
            config=self.wired.resolved,
            engine_version=BEHAVIOUR,
            data_version=data_version(
                settings.config_digest, frame.usage, predecessor=before.generation if before else None
            ),
            predecessor=before.generation if before else None,
            data_usage=frame.usage,
            gates=gates,
            timings=timings,
            run_id=self.run_id,
        )

    def _publish(
        self, target: ResultsStore, manifest: MonthManifest, run: Simulation, metrics: tuple[Metric, ...]
    ) -> MonthOutcome:
        failure = first_failure(manifest.gates)
        if failure is None:
            return MonthOutcome(target.publish_month(manifest, run.tables, run.state), metrics, run.tables)
        results = self.workspace.results
        rejected = results.publish_rejected(manifest, run.tables, run.state)
        error = MonthRejectedError(
            rejection(self.wired, manifest.month, failure),
            remedy=f"the month is kept under {results.rejected.base} to be looked at; nothing was published.",
        )
        error.outcome, error.gate = MonthOutcome(rejected, metrics, run.tables), failure.gate
        raise error


def plan_backtest(
    workspace: Workspace,
    mode: str,
    *,
    first: str | None = None,
    last: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    experiment: str | None = None,
    reopen: bool = False,
    replace: bool = True,
    run_id: str = "",
) -> Backtest:
    """Wire a mode and find its months. Overrides never touch the standing record: they make an experiment.

    `first` and `last` are months, included. Without `experiment` an overridden run is named by its digest. Without
    `replace` an experiment that is there already may only be run again or go on.

    Raises:
        ConfigError: a key, a value, a month, or the range does not fit, or another experiment would be replaced.
        StateError: the record was made with another configuration and is not reopened.
    """
    wired = wire_mode(workspace.config, mode, overrides)
    if overrides and not experiment:
        experiment = f"{mode}-{text_digest(wired.settings.config_digest, first or '', last or '')[:8]}"
    admission.check_mode(workspace, wired, experiment)
    if experiment:
        months = experiment_range(wired, workspace.validated, first=first, last=last)
        admission.check_flows(wired, months.opening_month)
        if not replace:
            admission.check_experiment(workspace, wired, experiment, months.months)
        return Backtest(workspace, wired, months, experiment, run_id, replaces=True)
    months = standing_range(wired, workspace.validated, workspace.results, first=first, last=last, reopen=reopen)
    admission.check_flows(wired, months.opening_month)
    if not reopen:
        admission.check_configuration(workspace, wired)
        admission.check_predecessors(workspace, wired, months.months[0])
    return Backtest(workspace, wired, months, None, run_id, replaces=reopen)
