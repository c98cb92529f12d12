"""One point of a sweep. `run_point` is all that another engine has to call: plain values in, a published point out.

A point is simulated once, not twice as a month that is published: of all gates only `determinism_digest` is not judged.
Its figures are those of the same experiment run in full, bit for bit. Kept are figures, verdicts and daily equity; a
plan that keeps tables runs the whole experiment instead.
"""

from __future__ import annotations

import time
from functools import lru_cache

import pyarrow as pa
from msgspec.structs import replace

from basis_pipeline.config.wiring import WiredMode, wire_mode
from basis_pipeline.domain.errors import BasisError, ConfigError, DataError, EngineError, GateError
from basis_pipeline.domain.evidence import GateResult, GateStatus
from basis_pipeline.gates.registry import GATES_OF_ONE_PASS, evaluate, first_failure
from basis_pipeline.results.metrics import Metric
from basis_pipeline.results.ranges import RANGE_TABLES, range_metrics
from basis_pipeline.results.sweeps.parts import PointResult, PointStatus, SweepPoint
from basis_pipeline.results.sweeps.tables import daily_equity
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.simulation import month_evidence, rejection, simulate
from basis_pipeline.runs.sweeps.frames import FrameCache, RangeFrames
from basis_pipeline.runs.sweeps.plan import finished
from basis_pipeline.runs.workspace import Workspace, WorkspaceAddress

OF_THE_POINT = (ConfigError, DataError, EngineError, GateError)
"""Errors that lie in a point and would come again; any other, a full disk say, ends the sweep."""

Months = list[dict[str, pa.Table]]


def run_point(address: WorkspaceAddress, sweep: str, point: SweepPoint) -> PointResult:
    """Run a point, publish it, and return what came of it; a finished one is only returned.

    A process keeps the market data it has loaded for the next point it is given.

    Raises:
        ConfigError: the configuration here is not the one that was planned with.
        StateError: the market data are not those that were planned with.
        StorageError: the point cannot be written.
    """
    return _runner(address).run(sweep, point)


@lru_cache(maxsize=1)
def _runner(address: WorkspaceAddress) -> PointRunner:
    return PointRunner(address.open())


class PointRunner:
    """Runs points of one workspace, one after another, over market data that it loads once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._frames = FrameCache(workspace.validated)

    def run(self, sweep: str, point: SweepPoint) -> PointResult:
        """See `run_point`."""
        if found := finished(self._workspace, sweep, point):
            return found
        wired = self._wired(point)
        started = time.perf_counter()
        frames = self._frames.range(wired.frame_spec, point.first, point.last, point.data_digest)
        try:
            months, verdicts = self._in_full(sweep, point) if point.keep_tables else self._once(wired, frames)
        except OF_THE_POINT as error:
            result, equity = _not_done(point, error), daily_equity([])
        else:
            metrics = range_metrics(months, opening=True)
            result, equity = _done(point, wired, metrics, verdicts), daily_equity(months)
            if point.keep_tables:
                result = replace(result, experiment=experiment_name(sweep, point))
        result = replace(result, seconds=time.perf_counter() - started)
        self._workspace.sweeps.put(sweep, point, result, equity)
        return result

    def _wired(self, point: SweepPoint) -> WiredMode:
        wired = wire_mode(self._workspace.config, point.mode, point.overrides)
        if wired.settings.config_digest != point.config_digest:
            raise ConfigError(
                f"point {point.number} of {point.mode} was planned with another configuration than that of "
                f"{self._workspace.config.path}.",
                remedy="give all workers the same configuration folder, then start the sweep again.",
            )
        return wired

    def _once(self, wired: WiredMode, frames: RangeFrames) -> tuple[Months, list[GateResult]]:
        """Simulate and judge the months one after another; GateError with the verdict that ends them."""
        months: Months = []
        verdicts: list[GateResult] = []
        state, store = None, self._workspace.validated
        for month in frames.months:
            frame, last = frames.frame(month), month == frames.months[-1]
            run = simulate(wired, frame, state)
            evidence = month_evidence(
                store, wired, month, before=state, frame=frame, run=run, allow_open=last, experiment=True
            )
            verdicts += evaluate(evidence, GATES_OF_ONE_PASS)
            if failure := first_failure(verdicts):
                raise GateError(rejection(wired, month, failure))
            months.append({name: run.tables[name] for name in RANGE_TABLES})
            state = run.state
        return months, verdicts

    def _in_full(self, sweep: str, point: SweepPoint) -> tuple[Months, list[GateResult]]:
        plan = plan_backtest(
            self._workspace,
            point.mode,
            first=point.first,
            last=point.last,
            overrides=point.overrides,
            experiment=experiment_name(sweep, point),
            run_id=f"sweep {sweep}",
        )
        outcomes = list(plan.run())
        return [dict(outcome.tables) for outcome in outcomes], [gate for found in outcomes for gate in found.gates]


def experiment_name(sweep: str, point: SweepPoint) -> str:
    """The experiment that holds the tables of a point; the same wherever the point stands in its plan."""
    return f"{sweep}.{point.identity[:8]}"


def _done(point: SweepPoint, wired: WiredMode, metrics: list[Metric], verdicts: list[GateResult]) -> PointResult:
    statuses = [verdict.status for verdict in verdicts]
    warned = sorted({verdict.gate for verdict in verdicts if verdict.status is GateStatus.WARNED})
    return PointResult(
        identity=point.identity,
        status=PointStatus.DONE,
        share_class=wired.settings.share_class,
        metrics={metric.metric: metric.value for metric in metrics},
        gates_passed=statuses.count(GateStatus.PASSED),
        gates_warned=statuses.count(GateStatus.WARNED),
        warned=tuple(warned),
    )


def _not_done(point: SweepPoint, error: BasisError) -> PointResult:
    status = PointStatus.REJECTED if isinstance(error, GateError) else PointStatus.FAILED
    return PointResult(identity=point.identity, status=status, reason=str(error))
