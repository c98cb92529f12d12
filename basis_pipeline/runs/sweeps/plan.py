"""The plan of a sweep: its points, what each is a function of, and which of them are finished. Runs nothing."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from basis_pipeline.config.sweeps import Keep, Overrides, SweepFile
from basis_pipeline.config.wiring import WiredMode, wire_mode
from basis_pipeline.domain.behaviour import BEHAVIOUR
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.gates.registry import describe
from basis_pipeline.market_data.frames.requirements import FrameSpec
from basis_pipeline.results.sweeps.parts import PointResult, PointStatus, SweepPlan, SweepPoint
from basis_pipeline.runs.admission import check_error_policy
from basis_pipeline.runs.months import MonthRange, experiment_range
from basis_pipeline.runs.sweeps.frames import range_digest
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.digests import text_digest


def plan_sweep(workspace: Workspace, sweep: SweepFile) -> SweepPlan:
    """Wire every point and find its months and its data.

    All points of a mode run over the same months. What is wrong with a single point is no error: it is refused with
    its reason and the others run.

    Raises:
        ConfigError: a mode is not configured, a month or a range is not possible, or two points are the same.
        DataError: the data of a mode cover no month.
    """
    ranges = {mode: _range(workspace, sweep, mode) for mode in sweep.modes}
    combined = [(mode, overrides) for mode in sweep.modes for overrides in sweep.combinations()]
    planner = _Planner(workspace, keep_tables=sweep.keep is Keep.TABLES)
    points: list[SweepPoint] = []
    refused: dict[int, PointResult] = {}
    for number, (mode, overrides) in enumerate(combined, start=1):
        try:
            points.append(planner.point(number, mode, overrides, ranges[mode]))
        except ConfigError as error:
            points.append(planner.unwired(number, mode, overrides, ranges[mode]))
            refused[number] = PointResult(identity="", status=PointStatus.FAILED, reason=str(error))
    _check_distinct(points)
    return SweepPlan(sweep.sweep, sweep.description, sweep.rank_by, tuple(points), refused)


def unfinished(workspace: Workspace, plan: SweepPlan) -> tuple[SweepPoint, ...]:
    """The points that are still to be run, in order; points without tables do not serve a plan that keeps them."""
    return tuple(point for point in plan.runnable if finished(workspace, plan.name, point) is None)


def finished(workspace: Workspace, sweep: str, point: SweepPoint) -> PointResult | None:
    """The result of a point if it serves its plan, else None."""
    found = workspace.sweeps.find(sweep, point)
    lacks_tables = found is not None and found.status is PointStatus.DONE and not found.experiment
    return None if point.keep_tables and lacks_tables else found


class _Planner:
    """Turns combinations into points; the digest of the market data is taken once per specification and range."""

    def __init__(self, workspace: Workspace, *, keep_tables: bool) -> None:
        self._workspace = workspace
        self._keep_tables = keep_tables
        self._data: list[tuple[FrameSpec, MonthRange, str]] = []

    def point(self, number: int, mode: str, overrides: Overrides, months: MonthRange) -> SweepPoint:
        wired = wire_mode(self._workspace.config, mode, overrides)
        check_error_policy(wired, "sweep")
        data, digest = self._data_digest(wired, months), wired.settings.config_digest
        unwired = self.unwired(number, mode, overrides, months)
        gates = (f"{gate.name} {gate.threshold}" for gate in describe(wired.profile.thresholds))
        identity = text_digest(digest, data, BEHAVIOUR, unwired.first, unwired.last, *gates)
        return msgspec.structs.replace(unwired, config_digest=digest, data_digest=data, identity=identity)

    def unwired(self, number: int, mode: str, overrides: Overrides, months: MonthRange) -> SweepPoint:
        """A point of which no more is known than what was typed."""
        return SweepPoint(
            number=number,
            mode=mode,
            overrides=overrides,
            first=months.months[0],
            last=months.months[-1],
            config_digest="",
            data_digest="",
            identity="",
            keep_tables=self._keep_tables,
        )

    def _data_digest(self, wired: WiredMode, months: MonthRange) -> str:
        for spec, known, digest in self._data:
            if spec == wired.frame_spec and known == months:
                return digest
        first, last = months.months[0], months.months[-1]
        digest = range_digest(self._workspace.validated, wired.frame_spec, first, last)
        self._data.append((wired.frame_spec, months, digest))
        return digest


def _range(workspace: Workspace, sweep: SweepFile, mode: str) -> MonthRange:
    wired = wire_mode(workspace.config, mode)
    return experiment_range(wired, workspace.validated, first=sweep.first, last=sweep.last)


def _check_distinct(points: list[SweepPoint]) -> None:
    """Two equal points would count as two trials."""
    seen: dict[str, int] = {}
    for point in points:
        if point.identity and (other := seen.setdefault(point.identity, point.number)) != point.number:
            raise ConfigError(
                f"points {other} and {point.number} of the sweep are the same configuration ({_typed(point)}).",
                remedy="leave one of them out.",
            )


def _typed(point: SweepPoint) -> str:
    return ", ".join(_pairs(point)) or "no overrides"


def _pairs(point: SweepPoint) -> Iterator[str]:
    return (f"{key}={value}" for key, value in point.overrides.items())
