"""`basis live`: start a session, stop it, ask how it is."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from basis_pipeline.cli import screens
from basis_pipeline.config.environment import read_environment
from basis_pipeline.config.loading import parse_overrides
from basis_pipeline.domain.errors import BasisError, ConfigError, SystemFailure
from basis_pipeline.domain.timeline import iso, parse_moment
from basis_pipeline.live_journal.halts import EmergencyPolicy
from basis_pipeline.runs.live import operator
from basis_pipeline.runs.live.alerts import tell_failure
from basis_pipeline.runs.live.clock import WallClock
from basis_pipeline.runs.live.lock import is_running
from basis_pipeline.runs.live.page import status_server
from basis_pipeline.runs.live.plan import LivePlan, plan_live
from basis_pipeline.runs.live.record import existing_journal
from basis_pipeline.runs.live.status import status_json
from basis_pipeline.runs.live.stop import stopping_between_orders
from basis_pipeline.runs.loopback import free_port
from basis_pipeline.runs.workspace import Workspace

SYSTEM_FAILURE = 3
_AGAIN = "start it again: it goes on from its journal."


@click.command("live")
@click.argument("mode")
@click.option("--until", help="Stop at this moment, ISO with zone; default: when asked to (Ctrl-C, SIGTERM).")
@click.option(
    "--interval", type=click.FloatRange(0.1, 3_600.0), help="Seconds between ticks; default configs/live.yaml."
)
@click.option(
    "--acknowledge", is_flag=True, help="A large difference was looked at: take the venues' word, now or at the start."
)
@click.option(
    "--emergency-stop",
    "emergency",
    type=click.Choice(["configured", *(policy.value for policy in EmergencyPolicy)]),
    is_flag=False,
    flag_value="configured",
    help="Stop trading before the next order, also that of a running session, and exit.",
)
@click.option("--lift-emergency-stop", "lift", is_flag=True, help="Let the mode trade again, and exit.")
@click.option(
    "--transfer-ended",
    metavar="ID=TOKENS",
    help="Say what has arrived of a transfer that no venue tells of (0: nothing will), and exit.",
)
@click.option(
    "--seed-from-backtest", "seed", metavar="EXPERIMENT", help="A new record goes on from its last checkpoint."
)
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Override a key of the mode; repeatable.")
@click.option("--status", is_flag=True, help="Print where the session stands as JSON, from its journal, and exit.")
@click.option("--publish", is_flag=True, help="Publish the session's results beside the backtests, and exit.")
@click.option("--status-port", type=click.IntRange(1, 65535), help="Serve a status page and JSON here, on loopback.")
@click.pass_obj
def live_command(  # noqa: PLR0917 - one parameter per option of the command
    workspace: Workspace,
    mode: str,
    until: str | None,
    interval: float | None,
    acknowledge: bool,
    emergency: str | None,
    lift: bool,
    transfer_ended: str | None,
    seed: str | None,
    pairs: tuple[str, ...],
    status: bool,
    publish: bool,
    status_port: int | None,
) -> None:
    """Run MODE on real venues until stopped. Log lines (JSON) go to standard error.

    Starts only where BASIS_LIVE_TRADING__ENABLED=true, sends orders only where READ_ONLY=false (docs/guides/live.md).
    Exit code 0: stopped as asked. 1: refused, an operator has to look. 2: configuration. 3: failed, start it again.
    """
    environment = read_environment().environment
    running = is_running(workspace, mode, environment)
    if status:
        screens.result(status_json(existing_journal(workspace, mode, environment)).decode())
        return
    if emergency or lift or (acknowledge and running):
        said = _told(existing_journal(workspace, mode, environment), emergency, lift=lift)
        heard = "the running session obeys before its next order" if running else "no session runs, the next obeys"
        screens.say(f"{mode}@{environment}: {said}; {heard}.")
        return
    if transfer_ended:
        screens.say(operator.transfer_ended(existing_journal(workspace, mode, environment), transfer_ended))
        return
    if publish:
        _publish(workspace, mode, environment)
        return
    plan = plan_live(workspace, mode, overrides=parse_overrides(pairs), seed_from=seed)
    end = parse_moment(until, name="--until") if until else None
    if end is not None and end <= WallClock.wall():
        raise ConfigError(f"--until {until} has passed.", remedy="name a moment to come, or leave it out.")
    screens.say(f"{mode} in {plan.terms}" + (f", until {iso(end)}" if end else ""))
    if plan.transfers.notice:
        screens.say(plan.transfers.notice)
    _run(plan, acknowledge=acknowledge, interval=interval, until=end, status_port=status_port)


def _run(
    plan: LivePlan, *, acknowledge: bool, interval: float | None, until: int | None, status_port: int | None
) -> None:
    """Until stopped, with a status page beside it if one is wanted."""
    with stopping_between_orders() as stop, ExitStack() as served:
        if status_port:
            port = free_port(status_port, status_port)
            screens.say(f"status {served.enter_context(status_server(plan.journal_path, port))}")
        try:
            plan.run(acknowledged=acknowledge, interval=interval, until=until, begun=stop.begun)
        except SystemFailure as failure:
            screens.complain(f"{failure} Remedy: {_AGAIN}")
            _tell_people(plan, failure, _AGAIN)
            raise SystemExit(SYSTEM_FAILURE) from failure
        except KeyboardInterrupt:
            screens.say("stopped before it began.")
        except BasisError as refusal:
            _tell_people(plan, refusal, "somebody has to look before it is started again.")
            raise


def _tell_people(plan: LivePlan, failure: SystemFailure | BasisError, remedy: str) -> None:
    if untold := tell_failure(plan.workspace, plan.subject, failure, remedy=remedy):
        screens.complain(untold)


def _told(journal: Path, emergency: str | None, *, lift: bool) -> str:
    """What was said to a session that runs, or will."""
    if emergency:
        operator.emergency_stop(journal, None if emergency == "configured" else EmergencyPolicy(emergency))
        return "emergency stop, until --lift-emergency-stop"
    if lift:
        return f"lifted: {operator.lift_emergency_stop(journal)}"
    return f"acknowledged: {operator.acknowledge(journal)}"


def _publish(workspace: Workspace, mode: str, environment: str) -> None:
    """Ends with one line that says it all: a session keeps the last line of what publishes for it."""
    from basis_pipeline.runs.live.results import publish_results  # noqa: PLC0415 - no session needs DuckDB and gates

    results = publish_results(workspace, mode, environment)
    for failed in results.failed:
        screens.warn(f"{results.record} fails gate {failed}")
    months = ", ".join(month.manifest.month for month in results.months) or "nothing new"
    verdict = f"FAILED {', '.join(results.failed)}" if results.failed else "no gate failed"
    screens.result(f"{results.record}: {months}; {verdict}; {results.page}")
