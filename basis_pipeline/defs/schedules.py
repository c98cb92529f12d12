"""Nightly schedules (`configs/nightly.yaml`, UTC): market data, signals, then one per mode; stopped until somebody
starts them.

A mode's nightly is one run over all months that are due: at a month turn the month that ended and the new one, in
order, never two runs that race. It asks every hour of the night until market data are ready, and runs at most once.
What cannot even be planned is requested all the same: it then fails as a run, which is seen and told like any other.
"""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from basis_pipeline.config.operations import NightlyFile
from basis_pipeline.defs.jobs import MARKET_DATA, SIGNALS
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.domain.errors import BasisError, DataError, StateError
from basis_pipeline.runs.standing import due_months

_NIGHT = "basis/night"
"""Run tag: mode and date; one run of each a night."""

_NAMES = {MARKET_DATA: "ingestion", SIGNALS: "training of signals"}
_UNFINISHED = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)


def market_data_nightly(job: UnresolvedAssetJobDefinition, times: NightlyFile) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name="market_data_nightly",
        job=job,
        cron_schedule=times.market_data_at,
        execution_timezone="UTC",
        description="Download where configured, ingest what changed, before the modes run.",
    )


def signals_nightly(job: UnresolvedAssetJobDefinition, times: NightlyFile) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name="signals_nightly",
        job=job,
        cron_schedule=times.signals_at,
        execution_timezone="UTC",
        description="Train the models whose candles changed, before the modes run.",
    )


def mode_nightly(
    mode: str,
    job: UnresolvedAssetJobDefinition,
    times: NightlyFile,
    months: dg.MonthlyPartitionsDefinition,
    after: Sequence[str] = (MARKET_DATA,),
) -> dg.ScheduleDefinition:
    """`after`: jobs that bring what the mode reads; it waits for them and is skipped where one failed."""

    @dg.schedule(
        name=f"{mode}_nightly",
        job=job,
        cron_schedule=times.modes_at,
        execution_timezone="UTC",
        description=f"Run the months of {mode} that are new or whose data changed, as one run.",
    )
    def nightly(context: dg.ScheduleEvaluationContext, workspace: WorkspaceResource) -> dg.RunRequest | dg.SkipReason:
        now, opened = context.scheduled_execution_time, workspace.open()
        night, last = f"{mode}:{now:%Y-%m-%d}", months.get_last_partition_key() or ""
        if waiting := _ran_tonight(context, night) or _unready(context, after):
            return dg.SkipReason(waiting)
        try:
            due = due_months(opened, mode, until=f"{now:%Y-%m}")
        except BasisError as error:
            if isinstance(error, DataError) and not opened.results.months(mode):
                return dg.SkipReason(str(error))
            return _request(night, [last], error.message)
        if not due.months:
            return dg.SkipReason(due.reason)
        _check_known(mode, due.months[-1], last)
        return _request(night, due.months, due.reason)

    return nightly


def _request(night: str, months: Sequence[str], reason: str) -> dg.RunRequest:
    tags = {ASSET_PARTITION_RANGE_START_TAG: months[0], ASSET_PARTITION_RANGE_END_TAG: months[-1]}
    return dg.RunRequest(run_key=night, tags={**tags, _NIGHT: night, "basis/reason": reason})


def _ran_tonight(context: dg.ScheduleEvaluationContext, night: str) -> str | None:
    """Why an earlier tick of the night was enough; Dagster itself compares run keys within one tick only."""
    runs = context.instance.get_runs(dg.RunsFilter(tags={_NIGHT: night}), limit=1)
    return f"tonight's run was requested already; it is {runs[0].status.value}" if runs else None


def _check_known(mode: str, due: str, last: str) -> None:
    """Partitions of a history end where its data ended when the definitions were loaded."""
    if due > last:
        raise StateError(
            f"{mode} has data for {due}, and this code location was loaded when they ended in {last}.",
            remedy="reload the definitions in the UI (Deployment), or start `basis dev` again.",
        )


def _unready(context: dg.ScheduleEvaluationContext, jobs: Sequence[str]) -> str | None:
    """Why what `jobs` bring cannot be relied on tonight, if one ran and is not done or failed."""
    since = context.scheduled_execution_time - timedelta(days=1)
    for job in jobs:
        runs = context.instance.get_runs(dg.RunsFilter(job_name=job, created_after=since), limit=1)
        if runs and runs[0].status in _UNFINISHED:
            return f"the {_NAMES[job]} is not done yet"
        if runs and runs[0].status is not dg.DagsterRunStatus.SUCCESS:
            return f"the last {_NAMES[job]} ended as {runs[0].status.value}"
    return None
