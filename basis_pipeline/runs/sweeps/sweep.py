"""The use case `sweep`: plan, run what is not finished, rank what is.

::

    plan = plan_sweep(workspace, workspace.config.sweep("btc_basis_sizing"))
    run_here(workspace, plan, workers=2)            or any other engine that calls `run_point` for `unfinished(...)`
    report = collect(workspace, plan)

Nothing but published points passes from the first half to the second, so the points may have been run anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from basis_pipeline.domain.progress import ProgressCallback
from basis_pipeline.results.sql.catalog import rebuild_catalogue
from basis_pipeline.results.sweeps.overfitting import Overfitting
from basis_pipeline.results.sweeps.page import write_sweep_page
from basis_pipeline.results.sweeps.parts import Outcome, PointStatus, SweepPlan, SweepPoint
from basis_pipeline.results.sweeps.ranking import Ranking, luck, ranked, ranking
from basis_pipeline.results.sweeps.tables import equity_table, metrics_table, parameters_table, points_table
from basis_pipeline.runs.sweeps.plan import finished, plan_sweep, unfinished
from basis_pipeline.runs.sweeps.points import run_point
from basis_pipeline.runs.sweeps.workers import one_after_another, side_by_side
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.files import exclusive_lock
from basis_pipeline.storage.locations import Location

__all__ = ["SweepPlan", "SweepReport", "collect", "plan_sweep", "run_here", "run_point", "run_with", "unfinished"]


Engine = Callable[[Sequence[SweepPoint]], Iterator[SweepPoint]]
"""Runs points wherever it likes and yields each one when it is published."""


@dataclass(frozen=True)
class SweepReport:
    """What came of a sweep.

    Attributes:
        plan: as it was run.
        outcomes: the points that are finished, in the order of the plan, with their results.
        luck: what of the best Sharpe ratio is to be expected from so many points; None for fewer than two.
        page: the HTML page.
    """

    plan: SweepPlan
    outcomes: tuple[Outcome, ...]
    luck: Overfitting | None
    page: Location

    @property
    def done(self) -> list[Outcome]:
        """The points that are done, best first."""
        return ranked(self.outcomes, self.plan.rank_by)

    @property
    def lost(self) -> list[Outcome]:
        """The points that were rejected or failed, in the order of the plan."""
        return [outcome for outcome in self.outcomes if outcome[1].status is not PointStatus.DONE]

    def table(self, top: int) -> Ranking:
        """The best `top` points as a table."""
        return ranking(self.plan, self.done[:top])


def run_here(workspace: Workspace, plan: SweepPlan, *, workers: int, progress: ProgressCallback | None = None) -> None:
    """Run the points that are not finished in `workers` processes of this machine; with one, in this process.

    A sweep that is killed, workers and all, loses no more than the points it was at.

    Raises:
        StateError: a worker ended unexpectedly, or data changed since the plan was made.
        StorageError: a point cannot be written, or the sweep is already running.
    """

    def engine(todo: Sequence[SweepPoint]) -> Iterator[SweepPoint]:
        count = min(workers, len(todo))
        if count <= 1:
            return one_after_another(workspace, plan.name, todo)
        return side_by_side(workspace, plan.name, todo, count)

    run_with(engine, workspace, plan, progress)


def run_with(engine: Engine, workspace: Workspace, plan: SweepPlan, progress: ProgressCallback | None = None) -> None:
    """Have `engine` run the points that are not finished.

    Raises:
        StorageError: the sweep is already running.
    """
    lock = workspace.root.path / "locks" / f"sweep.{plan.name}.lock"
    with exclusive_lock(lock, purpose=f"sweep {plan.name}"):
        todo, total = unfinished(workspace, plan), len(plan.runnable)
        for done, point in enumerate(engine(todo), start=total - len(todo) + 1):
            if progress:
                progress(f"{plan.name}: point {point.number} of {point.mode}", done, total)


def collect(workspace: Workspace, plan: SweepPlan) -> SweepReport:
    """Gather what is finished of a plan, publish its tables, write its page, and bring the catalogue up to date."""
    outcomes: list[Outcome] = []
    for point in plan.points:
        result = plan.refused.get(point.number) or finished(workspace, plan.name, point)
        if result is not None:
            outcomes.append((point, result))
    done = [point for point, result in outcomes if result.status is PointStatus.DONE]
    equity = {point.number: workspace.sweeps.equity(plan.name, point) for point in done}
    tables = {
        "points": points_table(outcomes),
        "parameters": parameters_table(plan.points),
        "metrics": metrics_table(outcomes),
        "equity": equity_table(equity.items()),
    }
    workspace.sweeps.put_tables(plan.name, tables, {"plan": msgspec.to_builtins(plan, str_keys=True)})
    page = write_sweep_page(workspace.results, plan, outcomes, equity)
    rebuild_catalogue(workspace.results)
    return SweepReport(plan, tuple(outcomes), luck(outcomes, equity), page)
