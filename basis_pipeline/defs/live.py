"""Live sessions as Dagster runs: one job per mode, around the same plan as `basis live MODE`.

A run is one session. It fails when the session does, and Dagster starts it again (`supervision`): the session goes on
from its journal. What a person has to look at first is a failure that is not tried again. Terminating the run stops the
session between orders.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import Field

from basis_pipeline.config.environment import read_environment
from basis_pipeline.config.loading import parse_overrides
from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.defs.failures import CODE, REMEDY, failure
from basis_pipeline.defs.jobs import EXCLUSIVE
from basis_pipeline.defs.live_watch import Watch, observation, watched
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.defs.supervision import HEALTHY_SECONDS, LIVE, SUPERVISED, TRIES, Supervision
from basis_pipeline.domain.errors import BasisError, SystemFailure
from basis_pipeline.domain.timeline import parse_moment
from basis_pipeline.runs.live.page import status_server
from basis_pipeline.runs.live.plan import plan_live
from basis_pipeline.runs.live.status import LiveStatus
from basis_pipeline.runs.live.stop import stopping_between_orders
from basis_pipeline.runs.workspace import Workspace

_ANY_PORT = 0
_REMEDY = (
    f"it is started again by itself, {TRIES} times; if this is the last word, nothing trades: look at the venues, then "
    "launch the job again, it goes on from its journal."
)
_AHEAD_OF_BACKTESTS = {"dagster/priority": "10"}


class LiveConfig(dg.Config):
    """What is typed in the Launchpad. Credentials and what may be traded come from the environment only."""

    overrides: list[str] = Field(
        default=[],
        description="Keys of the mode's file that this record has otherwise, each as key=value: `reserve_fraction=0`, "
        "`strategy.spot_venue=bybit`. Empty: as the file says. They belong to the record: go on with the same ones.",
    )
    seed: str = Field(
        default="",
        description="Name of an experiment whose last checkpoint a new record goes on from. Empty: it begins with what "
        "the venues hold, or goes on from its journal.",
    )
    acknowledged: bool = Field(
        default=False,
        description="Set it after a start was refused with LIVE-001 and somebody found out why: takes the venues' word "
        "for the difference, at this start and no later one.",
    )
    interval: float = Field(
        default=0.0,
        ge=0.0,
        description="Seconds between two ticks, such as 60. 0: `interval_seconds` of configs/live.yaml.",
    )
    until: str = Field(
        default="",
        description="Moment at which the session stops by itself, such as 2026-01-31T18:00:00Z. Empty: when the run is "
        "terminated.",
    )


def live_jobs(workspace: Workspace, modes: Sequence[WiredMode]) -> list[dg.JobDefinition]:
    """One job per mode; the description says what it would do now, or why it cannot start."""
    return [_live_job(workspace, mode.name) for mode in modes]


def live_job_name(mode: str) -> str:
    return f"live_{mode}"


def session_op_name(mode: str) -> str:
    return f"{mode}_session"


def _live_job(workspace: Workspace, mode: str) -> dg.JobDefinition:
    environment = read_environment().environment

    @dg.op(name=session_op_name(mode), description="Start from the journal, then tick until the run is terminated.")
    def run_session(context: dg.OpExecutionContext, config: LiveConfig, workspace: WorkspaceResource) -> None:
        _run(context, mode, config, workspace.open())

    @dg.graph(name=live_job_name(mode))
    def session() -> None:
        run_session()

    return session.to_job(
        config=_preset(mode),
        tags={
            **LIVE,
            EXCLUSIVE: f"{mode}@{environment}",
            **SUPERVISED,
            **_AHEAD_OF_BACKTESTS,
        },
        description=_description(workspace, mode),
    )


def _preset(mode: str) -> dict[str, Any]:
    """What the Launchpad opens with."""
    return {"ops": {session_op_name(mode): {"config": LiveConfig().model_dump()}}}


def _description(workspace: Workspace, mode: str) -> str:
    try:
        plan = plan_live(workspace, mode)
    except BasisError as error:
        return (
            f"**{mode} cannot start as things are.** {error}\n\nVariables are read where `basis dev` is started; "
            "restart it after a change. Keys of the mode can be overridden in the Launchpad."
        )
    return f"{mode} on its venues in real time: {plan.terms}. Terminate the run to stop it between orders."


def _run(context: dg.OpExecutionContext, mode: str, config: LiveConfig, workspace: Workspace) -> None:
    supervision = Supervision(context.instance, context.run)
    supervision.begin()
    _wait(context, supervision)
    with _failures(supervision):
        plan = plan_live(workspace, mode, overrides=parse_overrides(config.overrides), seed_from=config.seed or None)
        until = parse_moment(config.until, name="until") if config.until else None
        with stopping_between_orders() as stop, status_server(plan.journal_path, _ANY_PORT) as page:
            context.log.info(f"{mode} in {plan.terms}, status page {page}")
            if plan.transfers.notice:
                context.log.warning(plan.transfers.notice)

            def tell(status: LiveStatus) -> None:
                skipped = stop.session.skipped_ticks if stop.session else 0
                metadata = observation(status, skipped, page)
                context.log_event(dg.AssetObservation(["live", plan.environment, mode], metadata=metadata))

            with watched(Watch(plan.journal_path, tell=tell, recovered=supervision.recovered, healthy=HEALTHY_SECONDS)):
                plan.run(
                    acknowledged=config.acknowledged and context.run.parent_run_id is None,
                    interval=config.interval or None,
                    until=until,
                    begun=stop.begun,
                )
    if stop.asked:
        raise dg.DagsterExecutionInterruptedError(f"the session was stopped by {stop.asked}")


def _wait(context: dg.OpExecutionContext, supervision: Supervision) -> None:
    if supervision.again:
        pause = supervision.pause(time.time())
        context.log.info(f"try {supervision.tries} of {TRIES} since the session last recovered, in {pause:.0f} s")
        time.sleep(pause)


@contextmanager
def _failures(supervision: Supervision) -> Iterator[None]:
    """What ended the session, as Dagster shows it: refused, and left to a person; or failed, and tried again."""
    try:
        yield
    except BasisError as error:
        supervision.refused()
        raise failure(error) from error
    except SystemFailure as error:
        told = {
            CODE: dg.MetadataValue.text("EXEC-004"),
            REMEDY: dg.MetadataValue.text(_REMEDY),
            "orders completed in its last tick": dg.MetadataValue.int(len(error.completed)),
        }
        raise dg.Failure(str(error), told) from error
