"""The use case `backtest`: a mode over months, each judged by its gates and published at once.

Per month: frame -> engine from the previous checkpoint -> tables -> gates -> publish (or keep as rejected and stop).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from basis_pipeline import __version__
from basis_pipeline.config.loading import parse_overrides
from basis_pipeline.config.wiring import WiredMode, wire_mode
from basis_pipeline.domain.errors import GateError, StateError
from basis_pipeline.domain.evidence import GateResult, SignalEvidence
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import month_end, month_start
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.gates.evidence import MonthEvidence
from basis_pipeline.gates.registry import evaluate, first_failure
from basis_pipeline.market_data.frame import Frame, build_frame
from basis_pipeline.results.build import build_tables
from basis_pipeline.results.metrics import Metric, compute_metrics, metrics_table
from basis_pipeline.results.store import MonthManifest, PublishedMonth
from basis_pipeline.runs.months import MonthRange, experiment_range, predecessor, standing_range
from basis_pipeline.runs.signals import signal_evidence
from basis_pipeline.runs.workspace import SystemClock, Workspace
from basis_pipeline.storage.digests import text_digest
from basis_pipeline.storage.files import exclusive_lock

__all__ = ["Backtest", "MonthOutcome", "MonthRejectedError", "ProgressCallback", "parse_overrides", "plan_backtest"]

ProgressCallback = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and the total."""


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
    """

    outcome: MonthOutcome


@dataclass(frozen=True)
class Backtest:
    """A planned run of one mode: what is wired, which months, which record they belong to.

    Attributes:
        replaces: months of the record outside the range are dropped once all of the range is published.
    """

    workspace: Workspace
    wired: WiredMode
    range: MonthRange
    experiment: str | None
    run_id: str
    replaces: bool

    def lock(self) -> AbstractContextManager[None]:
        """Held while the record is written: two runs of one mode never overlap."""
        name = f"{self.experiment}.{self.wired.name}" if self.experiment else self.wired.name
        path = self.workspace.root.path / "locks" / f"{name}.lock"
        return exclusive_lock(path, purpose=f"a backtest of {name}")

    def run(self, progress: ProgressCallback | None = None) -> Iterator[MonthOutcome]:
        """Run the months in order and yield each one after it is published.

        Raises:
            MonthRejectedError: a gate failed; earlier months stay published, later ones are not run.
            StateError: the month before is missing, incomplete, or of another configuration.
            DataError, DataGapError: market data are missing.
        """
        with self.lock():
            for done, month in enumerate(self.range.months):
                if progress:
                    progress(f"{self.wired.name} {month}", done, len(self.range.months))
                yield self._run_month(month)
            if self.replaces:
                self._drop_months_outside()
        if progress:
            progress(self.wired.name, len(self.range.months), len(self.range.months))

    def _run_month(self, month: str) -> MonthOutcome:
        before, state = predecessor(
            self.workspace.results, self.wired.name, month, self.range.opening_month, self.experiment
        )
        last = month == self.range.months[-1]
        start, end = month_start(month), month_end(month)
        frame = build_frame(self.workspace.validated, self.wired.frame_spec, start, end, allow_open=last)
        engine = self._engine(frame, state)
        log = engine.run(frame.timestamps)
        tables = self._tables(engine)
        metrics = tuple(compute_metrics(tables, opening=state is None))
        tables["metrics"] = metrics_table(metrics)
        after = engine.state()
        gates = evaluate(
            MonthEvidence(
                month=month,
                opening=state is None,
                profile=self.wired.profile,
                universe=self.wired.settings.universe,
                tables=tables,
                usage=frame.usage,
                state=after,
                previous=state,
                allow_open=last,
                experiment=self.experiment is not None,
                signals=self._signals(month),
            )
        )
        manifest = self._manifest(month, frame, gates, before, log.phase_seconds)
        return self._publish(manifest, tables, after, metrics)

    def _signals(self, month: str) -> SignalEvidence | None:
        series = self.wired.frame_spec.signals
        return signal_evidence(self.workspace.validated, series.venue, series.symbol, month) if series else None

    def _engine(self, frame: Frame, state: EngineState | None) -> EventDrivenStrategyEngine:
        settings = self.wired.settings
        return EventDrivenStrategyEngine(
            self.wired.engine_config(),
            settings.execution_mode,
            frame,
            settings.initial_capital,
            settings.share_class,
            state=state,
            clock=SystemClock(),
        )

    def _tables(self, engine: EventDrivenStrategyEngine) -> dict[str, pa.Table]:
        settings = self.wired.settings
        venues = [account.venue for account in settings.margin_accounts]
        tables = build_tables(engine.log, settings.universe, venues)
        if self.wired.tracked_assets != settings.universe.assets:
            exposures = tables["exposures"]
            tracked = pc.is_in(exposures["asset"].cast(pa.string()), pa.array(self.wired.tracked_assets))
            tables["exposures"] = exposures.filter(tracked)
        return tables

    def _manifest(
        self,
        month: str,
        frame: Frame,
        gates: tuple[GateResult, ...],
        before: PublishedMonth | None,
        phase_seconds: dict[str, float],
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
            engine_version=__version__,
            data_version=_data_version(settings.config_digest, frame, before),
            predecessor=before.generation if before else None,
            data_usage=frame.usage,
            gates=gates,
            phase_seconds=phase_seconds,
            run_id=self.run_id,
        )

    def _publish(
        self,
        manifest: MonthManifest,
        tables: dict[str, pa.Table],
        state: EngineState,
        metrics: tuple[Metric, ...],
    ) -> MonthOutcome:
        results = self.workspace.results
        failure = first_failure(manifest.gates)
        if failure is None:
            return MonthOutcome(results.publish_month(manifest, tables, state), metrics, tables)
        rejected = results.publish_rejected(manifest, tables, state)
        error = MonthRejectedError(
            f"{manifest.mode} {manifest.month}: gate {failure.gate} failed: {failure.message} ({failure.threshold}).",
            remedy=f"the month is kept under {results.rejected.base} to be looked at; nothing was published.",
        )
        error.outcome = MonthOutcome(rejected, metrics, tables)
        raise error

    def _drop_months_outside(self) -> None:
        """A reopened record, or an experiment run again, loses its other months once the new ones are there."""
        results = self.workspace.results
        for month in results.months(self.wired.name, self.experiment):
            if month not in self.range.months:
                partition = results.get(self.wired.name, month, self.experiment).publication.partition
                results.publications.withdraw(partition)


def plan_backtest(
    workspace: Workspace,
    mode: str,
    *,
    first: str | None = None,
    last: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    experiment: str | None = None,
    reopen: bool = False,
    run_id: str = "",
) -> Backtest:
    """Wire a mode and find its months. Overrides never touch the standing record: they make an experiment.

    `first` and `last` are months, included. Without `experiment` an overridden run is named by its digest.

    Raises:
        ConfigError: a key, a value, a month, or the range does not fit.
        StateError: the record was made with another configuration and is not reopened.
    """
    wired = wire_mode(workspace.config, mode, overrides)
    if overrides and not experiment:
        experiment = f"{mode}-{text_digest(wired.settings.config_digest, first or '', last or '')[:8]}"
    if experiment:
        months = experiment_range(wired, workspace.validated, first=first, last=last)
        return Backtest(workspace, wired, months, experiment, run_id, replaces=True)
    months = standing_range(wired, workspace.validated, workspace.results, first=first, last=last, reopen=reopen)
    if not reopen:
        _check_configuration(workspace, wired)
    return Backtest(workspace, wired, months, None, run_id, replaces=reopen)


def _check_configuration(workspace: Workspace, wired: WiredMode) -> None:
    """A record is of one configuration; another one needs --reopen, and the message says which keys differ."""
    published = workspace.results.months(wired.name)
    if not published:
        return
    manifest = workspace.results.manifest(wired.name, published[0])
    if manifest.config_digest == wired.settings.config_digest:
        return
    before, now = manifest.config.get("behaviour", {}), wired.settings.behaviour
    keys = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    raise StateError(
        f"{wired.name} was published with another configuration; these keys differ: {', '.join(keys)}.",
        code="STATE-003",
        remedy="restore them, use --reopen to replace the record, or --experiment NAME to keep both.",
    )


def _data_version(config_digest: str, frame: Frame, before: PublishedMonth | None) -> str:
    """Digest of everything a month is a function of: configuration, data slices, engine, predecessor."""
    slices = [
        f"{series.name}@{month}={generation}"
        for series in frame.usage.series
        for month, generation in sorted(series.generations.items())
    ]
    return text_digest(config_digest, __version__, before.generation if before else "", *slices)
