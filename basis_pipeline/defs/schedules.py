"""Nightly schedules, UTC: market data at 01:30, signals at 01:45, then one per mode at 02:00. All stopped until
somebody starts them.

A mode's nightly is one run over all months that are due: at a month turn the month that ended and the new one, in
order, never two runs that race.
"""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from basis_pipeline.defs.jobs import MARKET_DATA, SIGNALS
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.domain.errors import BasisError
from basis_pipeline.runs.standing import due_months

INGESTION_AT, TRAINING_AT, MODES_AT = "30 1 * * *", "45 1 * * *", "0 2 * * *"
_NAMES = {MARKET_DATA: "ingestion", SIGNALS: "training of signals"}
_UNFINISHED = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)


def market_data_nightly(job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name="market_data_nightly",
        job=job,
        cron_schedule=INGESTION_AT,
        execution_timezone="UTC",
        description="Ingest what changed, before the modes run.",
    )


def signals_nightly(job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name="signals_nightly",
        job=job,
        cron_schedule=TRAINING_AT,
        execution_timezone="UTC",
        description="Train the models whose candles changed, before the modes run.",
    )


def mode_nightly(
    mode: str, job: UnresolvedAssetJobDefinition, after: Sequence[str] = (MARKET_DATA,)
) -> dg.ScheduleDefinition:
    """`after`: jobs that bring what the mode reads; it waits for them and is skipped where one failed."""

    @dg.schedule(
        name=f"{mode}_nightly",
        job=job,
        cron_schedule=MODES_AT,
        execution_timezone="UTC",
        description=f"Run the months of {mode} that are new or whose data changed, as one run.",
    )
    def nightly(context: dg.ScheduleEvaluationContext, workspace: WorkspaceResource) -> dg.RunRequest | dg.SkipReason:
        now = context.scheduled_execution_time
        for name in after:
            if waiting := _problem(context, name):
                return dg.SkipReason(waiting)
        try:
            due = due_months(workspace.open(), mode, until=f"{now:%Y-%m}")
        except BasisError as error:
            return dg.SkipReason(str(error))
        if not due.months:
            return dg.SkipReason(due.reason)
        tags = {ASSET_PARTITION_RANGE_START_TAG: due.months[0], ASSET_PARTITION_RANGE_END_TAG: due.months[-1]}
        return dg.RunRequest(run_key=f"{mode}:{now:%Y-%m-%d}", tags={**tags, "basis/reason": due.reason})

    return nightly


def _problem(context: dg.ScheduleEvaluationContext, job: str) -> str | None:
    """Why what `job` brings cannot be relied on tonight, if it ran and is not done or failed."""
    since = context.scheduled_execution_time - timedelta(days=1)
    runs = context.instance.get_runs(dg.RunsFilter(job_name=job, created_after=since), limit=1)
    if not runs or runs[0].status is dg.DagsterRunStatus.SUCCESS:
        return None
    if runs[0].status in _UNFINISHED:
        return f"the {_NAMES[job]} is not done yet"
    return f"the last {_NAMES[job]} ended as {runs[0].status.value}"
