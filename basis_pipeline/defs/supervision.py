"""When Dagster starts a live session again, by tags of its run: three tries after 5, 10 and 20 s, then stop.

Dagster decides by two tags: `dagster/retry_on_asset_or_op_failure`, and `dagster/max_retries` against the number of
runs that go back to the same first one. A session that lives for weeks would use those up by failures that have nothing
to do with each other, so the limit is moved along: whoever starts a session, and a session that still completes ticks
ten minutes after its start, has three tries ahead. A refusal that a person has to look at has none.
"""

from __future__ import annotations

import json
import time

import dagster as dg
from dagster._core.storage.tags import (
    AUTO_RETRY_RUN_ID_TAG,
    MAX_RETRIES_TAG,
    RETRY_ON_ASSET_OR_OP_FAILURE_TAG,
    RETRY_STRATEGY_TAG,
)

from basis_pipeline.defs.jobs import EXCLUSIVE
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.runs.live.lock import is_running
from basis_pipeline.runs.workspace import Workspace

LIVE = {"basis/kind": "live"}
"""Tag of every run of a live session."""

TRIES = 3
HEALTHY_SECONDS = 600.0
"""A session that completes a tick this long after its start has recovered."""

FIRST_PAUSE_SECONDS = 5.0
"""Between the end of a run and the start of the first try; doubled for each further one."""

SUPERVISED = {
    MAX_RETRIES_TAG: str(TRIES),
    RETRY_ON_ASSET_OR_OP_FAILURE_TAG: "true",
    RETRY_STRATEGY_TAG: "ALL_STEPS",
}
"""Tags of every run of a live session."""

LOOK_SECONDS = 30
_STARTING_SECONDS = 60.0


class Supervision:
    """The tries of one run.

    Attributes:
        again: whether Dagster launched it because its predecessor failed.
        tries: how many such runs there were, this one included, since the last that had recovered.
    """

    def __init__(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
        self._instance, self._run = instance, run
        self._parent = instance.get_run_record_by_id(run.parent_run_id) if run.parent_run_id else None
        self.again = self._parent is not None and (
            self._parent.dagster_run.tags.get(AUTO_RETRY_RUN_ID_TAG) == run.run_id
        )
        self.tries = self._runs_before() - (int(run.tags[MAX_RETRIES_TAG]) - TRIES) if self.again else 0

    def begin(self) -> None:
        """Undo what the run inherited from one that was refused; a person's start has all tries ahead."""
        self._instance.add_run_tags(self._run.run_id, {RETRY_ON_ASSET_OR_OP_FAILURE_TAG: "true"})
        if not self.again:
            self.recovered()

    def pause(self, now: float) -> float:
        """Seconds to wait from `now` (since 1970) before this try; some went by until Dagster noticed the last end."""
        if self._parent is None or self._parent.end_time is None or self.tries < 1:
            return 0.0
        return max(0.0, self._parent.end_time + FIRST_PAUSE_SECONDS * 2.0 ** (self.tries - 1) - now)

    def recovered(self) -> None:
        """From here it may fail three times again."""
        self._instance.add_run_tags(self._run.run_id, {MAX_RETRIES_TAG: str(self._runs_before() + TRIES)})

    def refused(self) -> None:
        """Trying again would be refused again: a person has to do something first."""
        self._instance.add_run_tags(self._run.run_id, {RETRY_ON_ASSET_OR_OP_FAILURE_TAG: "false"})

    def _runs_before(self) -> int:
        """Runs that go back to the same first one, without this one."""
        group = self._instance.get_run_group(self._run.run_id)
        return len(list(group[1])) - 1 if group else 0


def lost_sessions() -> dg.SensorDefinition:
    """The sensor that fails runs whose session is gone without a word, with the machine or with the code server.

    Dagster itself notices only processes that its code server has started; to it the others run for ever, and keep the
    mode from being started again. A session holds a lock while it lives; what is seen without it twice is lost.
    """

    @dg.sensor(
        name="lost_live_sessions",
        minimum_interval_seconds=LOOK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fails runs of live sessions that ended with their machine, so that they are started again.",
    )
    def looks(context: dg.SensorEvaluationContext, workspace: WorkspaceResource) -> dg.SkipReason:
        seen_before = json.loads(context.cursor or "[]")
        without = [run for run in _started(context.instance) if not _lives(workspace.open(), run)]
        lost = [run for run in without if run.run_id in seen_before]
        for run in lost:
            context.instance.report_run_failed(run, "The process of the session is gone.")
        context.update_cursor(json.dumps([run.run_id for run in without]))
        return dg.SkipReason(f"{len(lost)} lost" if lost else "no session is lost")

    return looks


def _started(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs of live sessions that have been running for long enough to hold their lock."""
    found = instance.get_run_records(dg.RunsFilter(tags=LIVE, statuses=[dg.DagsterRunStatus.STARTED]))
    since = time.time() - _STARTING_SECONDS
    return [record.dagster_run for record in found if record.start_time and record.start_time < since]


def _lives(workspace: Workspace, run: dg.DagsterRun) -> bool:
    mode, _, environment = run.tags[EXCLUSIVE].partition("@")
    return is_running(workspace, mode, environment)
