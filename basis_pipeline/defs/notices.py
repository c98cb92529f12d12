"""Sensors that tell people about nightly and live runs: which failed, and which gates newly warn.

A run that is retried (its process was lost) is told about only if the retry fails as well. Nothing is told twice: a
warning that the month before, or the night before, had already is not news.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    WILL_RETRY_TAG,
)

from basis_pipeline.defs.failures import CODE, GATE, MONTH, REMEDY
from basis_pipeline.defs.jobs import EXCLUSIVE, MARKET_DATA, NEW_WARNINGS
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.runs.notifications import Notice, notify, run_url
from basis_pipeline.runs.standing import parse_warnings
from basis_pipeline.runs.workspace import Workspace

Nightly = Sequence[UnresolvedAssetJobDefinition]

_RUNNING = dg.DefaultSensorStatus.RUNNING


def notices(nightly: Nightly, live: Sequence[dg.JobDefinition]) -> list[dg.SensorDefinition]:
    """Both sensors, over the given jobs; live sessions have no gates that could warn."""
    return [notify_failures(nightly, live), notify_warnings(nightly)]


def notify_failures(nightly: Nightly, live: Sequence[dg.JobDefinition]) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="notify_failures",
        monitored_jobs=[*nightly, *live],
        default_status=_RUNNING,
        description="Tells the channels of `configs/notifications.yaml` which run failed, why, and what to do.",
    )
    def failures(context: dg.RunFailureSensorContext, workspace: WorkspaceResource) -> dg.SkipReason | None:
        if context.dagster_run.tags.get(WILL_RETRY_TAG) == "true":
            return dg.SkipReason("the run is retried")
        notify(workspace.open(), _failed(context))
        return None

    return failures


def notify_warnings(nightly: Nightly) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name="notify_warnings",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=list(nightly),
        default_status=_RUNNING,
        description="Tells the channels of `configs/notifications.yaml` which gates and checks of data newly warn.",
    )
    def warned(context: dg.RunStatusSensorContext, workspace: WorkspaceResource) -> None:
        opened, run = workspace.open(), context.dagster_run
        for notice in (*_newly_warned(opened, run), *_newly_unreliable(context.instance, run)):
            notify(opened, notice)

    return warned


def _failed(context: dg.RunFailureSensorContext) -> Notice:
    """The first step that failed by its own words; the run's where none did, its process being lost."""
    run = context.dagster_run
    for event in context.get_step_failure_events():
        told = event.step_failure_data.user_failure_data
        if told is None:
            continue
        metadata = {label: str(value.value) for label, value in told.metadata.items()}
        return Notice(
            kind="failed",
            subject=_subject(run),
            month=metadata.get(MONTH) or _months(run),
            what=f"gate {metadata[GATE]}" if GATE in metadata else metadata.get(CODE, ""),
            message=told.description or "",
            remedy=metadata.get(REMEDY, ""),
            run_url=run_url(run.run_id),
        )
    return Notice(
        kind="failed",
        subject=_subject(run),
        month=_months(run),
        what="run",
        message=context.failure_event.message or "the run failed without saying why",
        remedy="look at the run's log; running it again is safe.",
        run_url=run_url(run.run_id),
    )


def _newly_warned(workspace: Workspace, run: dg.DagsterRun) -> Iterator[Notice]:
    mode = _subject(run)
    for month, name in parse_warnings(run.tags.get(NEW_WARNINGS, "")):
        found = {gate.gate: gate for gate in workspace.results.manifest(mode, month).gates}[name]
        message = f"{found.message} (threshold {found.threshold}). The month is published."
        yield Notice("warned", mode, month, f"gate {name}", message, run_url=run_url(run.run_id))


def _newly_unreliable(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[Notice]:
    """Checks of datasets that fail in this run and did not in the one before."""
    if run.job_name != MARKET_DATA:
        return
    failed = [check for check in _evaluations(instance, run.run_id) if not check.passed]
    for check in failed:
        history = instance.event_log_storage.get_asset_check_execution_history(check.asset_check_key, limit=2)
        before = history[1].event if len(history) > 1 else None
        known = before and before.dagster_event and before.dagster_event.asset_check_evaluation_data
        if known and not known.passed:
            continue
        subject = check.asset_key.to_user_string()
        remedy = "look at the findings of the check; modes that read the series go on with what was published before."
        yield Notice("warned", subject, "", check.check_name, check.description or "", remedy, run_url(run.run_id))


def _evaluations(instance: dg.DagsterInstance, run_id: str) -> Iterable[dg.AssetCheckEvaluation]:
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        if entry.dagster_event:
            yield entry.dagster_event.asset_check_evaluation_data


def _subject(run: dg.DagsterRun) -> str:
    return run.tags.get(EXCLUSIVE, run.job_name)


def _months(run: dg.DagsterRun) -> str:
    ends = [run.tags.get(ASSET_PARTITION_RANGE_START_TAG, ""), run.tags.get(ASSET_PARTITION_RANGE_END_TAG, "")]
    return "..".join(dict.fromkeys(end for end in ends if end)) or run.tags.get("dagster/partition", "")
