"""The `sweep` jobs: points planned in one step, run side by side in one step per core, ranked in a last one.

A step runs its share of the points in one process, so that market data are loaded once per step. Points are published
one by one: a run that was killed is launched again and goes on with what is not finished.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from basis_pipeline.config.loading import ConfigFolder, typed_sweep
from basis_pipeline.config.models import ModeFile
from basis_pipeline.config.sweeps import SweepFile
from basis_pipeline.defs.failures import failure, refusals
from basis_pipeline.defs.jobs import EXCLUSIVE
from basis_pipeline.defs.metadata import Metadata, page_link, picture
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.domain.errors import StateError
from basis_pipeline.results.sweeps.heat_map import heat_svg
from basis_pipeline.results.sweeps.parts import SweepPlan, SweepPoint
from basis_pipeline.runs.sweeps.sweep import SweepReport, collect, plan_sweep, run_point, unfinished
from basis_pipeline.runs.workspace import Workspace, WorkspaceAddress

SWEEP = "sweep"
_PLAN, _RUN, _RANK = "plan", "run_points", "rank"
_TAGS = {"basis/kind": "backtest", EXCLUSIVE: SWEEP}
_TOP = 25


class SweepConfig(dg.Config):
    """What is typed in the Launchpad: the keys of a file of `configs/sweeps`; `grid` or `points`, not both."""

    sweep: str = Field(
        description="Name that the points are kept under. Launched again, it runs only those that are not finished."
    )
    description: str = Field(default="", description="What is tried and why, for whoever reads the page.")
    modes: list[str] = Field(description="The modes that are varied: files of configs/modes.")
    first_month: str = Field(default="", description="First month, YYYY-MM. Empty: where the data of each mode begin.")
    last_month: str = Field(default="", description="Last month, YYYY-MM, included. Empty: where the data end.")
    grid: dict[str, list[Any]] = Field(
        default={},
        description="Keys of the mode's file with the values to try, all combinations of them: "
        "`strategy.spot_fraction: [0.5, 0.6]`. Instead of `points`.",
    )
    points: list[dict[str, Any]] = Field(
        default=[],
        description="Single points instead of a grid, each a set of keys and values: `{strategy.spot_fraction: 0.5}`.",
    )
    rank_by: str = Field(default="sharpe", description="Metric that points are ranked by, the best first.")
    keep: Literal["metrics", "tables"] = Field(
        default="metrics", description="metrics: figures alone. tables: every point is an experiment to look into."
    )
    steps: int = Field(
        default=os.cpu_count() or 1, description="Processes that share the points; this machine's cores by default."
    )

    def file(self) -> SweepFile:
        """The same as a sweep file, held to its rules."""
        typed = self.model_dump(exclude={"first_month", "last_month", "steps"})
        months = {"from": self.first_month, "to": self.last_month}
        return typed_sweep({key: value for key, value in (typed | months).items() if value})


def sweep_jobs(config: ConfigFolder, modes: Sequence[ModeFile]) -> list[dg.JobDefinition]:
    """`sweep`, typed in the Launchpad, and the same with a preset per file of `configs/sweeps` to pick there.

    A file is read when it is picked: what is wrong with it is told then and stops nothing else.
    """
    by_tenfold = [mode.initial_capital * 10.0**power for mode in modes[:1] for power in (0, 1, 2)]
    example = SweepConfig(
        sweep="launchpad", modes=[mode.mode for mode in modes[:1]], grid={"initial_capital": by_tenfold}
    )
    jobs = [_sweep.to_job(config=_ops(example), tags=_TAGS, executor_def=dg.multiprocess_executor)]
    if names := config.sweeps():
        presets = dg.static_partitioned_config(partition_keys=names)(lambda name: _ops(_typed(config.sweep(name))))
        jobs.append(
            _sweep.to_job(
                name=f"{SWEEP}_presets",
                config=presets,
                tags=_TAGS,
                executor_def=dg.multiprocess_executor,
                description="The same with a preset per file of configs/sweeps: pick it as a partition, edit, run.",
            )
        )
    return jobs


@dg.op(
    name=_PLAN,
    out={"plan": dg.Out(description="All points."), "share": dg.DynamicOut(description="Points of one step.")},
    description="Find the points, refuse those that are not possible, and deal out what is not finished.",
)
def _plan(
    context: dg.OpExecutionContext, config: SweepConfig, workspace: WorkspaceResource
) -> Iterator[dg.Output[SweepPlan] | dg.DynamicOutput[list[SweepPoint]]]:
    with refusals():
        opened = workspace.open()
        plan = plan_sweep(opened, config.file())
        todo = unfinished(opened, plan)
    context.log.info(f"{len(plan.points)} points, {len(plan.refused)} refused, {len(todo)} to run")
    yield dg.Output(plan, "plan")
    for number in range(min(config.steps, len(todo))):
        yield dg.DynamicOutput(list(todo[number :: config.steps]), output_name="share", mapping_key=str(number + 1))


@dg.op(name=_RUN, description="Run a share of the points, one after another, each published when it is done.")
def _run_points(
    context: dg.OpExecutionContext, workspace: WorkspaceResource, plan: SweepPlan, share: list[SweepPoint]
) -> int:
    address = WorkspaceAddress(workspace.data_dir, workspace.config_dir)
    for done, point in enumerate(share, start=1):
        with refusals():
            result = run_point(address, plan.name, point)
        context.log.info(f"{done}/{len(share)}: point {point.number} is {result.status} {result.reason}".rstrip())
    return len(share)


@dg.op(name=_RANK, description="Rank the points, publish the tables of the sweep and its page.")
def _rank(context: dg.OpExecutionContext, workspace: WorkspaceResource, plan: SweepPlan, shares: list[int]) -> None:
    context.log.info(f"{sum(shares)} points were run now")
    with refusals():
        opened = workspace.open()
        report = collect(opened, plan)
    context.log_event(dg.AssetMaterialization([SWEEP, plan.name], metadata=_metadata(opened, report)))
    if not report.done:
        reason = report.lost[0][1].reason if report.lost else "nothing was run"
        raise failure(StateError(f"no point of sweep {plan.name} is done; the first: {reason}"))


@dg.graph(name=SWEEP, description="A grid or a list of overrides, run side by side; standing records stay as they are.")
def _sweep() -> None:
    plan, shares = _plan()
    _rank(plan, shares.map(lambda share: _run_points(plan, share)).collect())


def _typed(file: SweepFile) -> SweepConfig:
    return SweepConfig(
        sweep=file.sweep,
        description=file.description,
        modes=file.modes,
        first_month=file.first or "",
        last_month=file.last or "",
        grid=file.grid or {},
        points=file.points or [],
        rank_by=file.rank_by,
        keep=file.keep.value,
    )


def _ops(config: SweepConfig) -> dict[str, Any]:
    """Run configuration as Dagster wants it."""
    return {"ops": {_PLAN: {"config": config.model_dump()}}}


def _metadata(workspace: Workspace, report: SweepReport) -> Metadata:
    plan, done = report.plan, report.done
    found = report.table(_TOP)
    titles = [column.title or "rank" for column in found.columns]
    rows = [dg.TableRecord(dict(zip(titles, row, strict=True))) for row in found.rows]
    best = done[0][0] if done else None
    metadata: Metadata = {
        "page": page_link(workspace, report.page),
        "heat map": picture(heat_svg(plan.points, report.outcomes, plan.rank_by, best), "heat map"),
        "points": dg.MetadataValue.int(len(plan.points)),
        "done": dg.MetadataValue.int(len(done)),
        "best points": dg.MetadataValue.table(rows, dg.TableSchema([dg.TableColumn(title) for title in titles])),
        "not done": dg.MetadataValue.md(
            "\n".join(f"* {point.number}: {result.status}, {result.reason}" for point, result in report.lost) or "none"
        ),
    }
    if judged := report.luck:
        metadata["best Sharpe"] = dg.MetadataValue.float(judged.best_sharpe)
        metadata["Sharpe expected of so many points without skill"] = dg.MetadataValue.float(judged.expected_maximum)
        metadata["deflated Sharpe (probability)"] = dg.MetadataValue.float(judged.deflated)
    return metadata
