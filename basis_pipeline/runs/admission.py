"""Which modes may be run into which records."""

from __future__ import annotations

from collections.abc import Sequence

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.errors import ConfigError, StateError
from basis_pipeline.domain.evidence import Source
from basis_pipeline.domain.settings import ErrorPolicyName
from basis_pipeline.domain.timeline import iso, month_start
from basis_pipeline.results.record_paths import check_source
from basis_pipeline.results.store import MonthManifest
from basis_pipeline.runs.freshness import outdated_months
from basis_pipeline.runs.signals import outdated_signals
from basis_pipeline.runs.workspace import Workspace

_KEYS_LISTED = 8


def check_mode(workspace: Workspace, wired: WiredMode, experiment: str | None) -> None:
    """What holds for every run of a mode, whichever its months."""
    check_source(experiment, Source.BACKTEST)
    check_error_policy(wired, experiment)
    check_signals(workspace, wired)


def check_error_policy(wired: WiredMode, experiment: str | None) -> None:
    """A standing record stops at the first failed order; simulated venues have nothing to wait for."""
    policy = wired.settings.error_policy
    if policy is ErrorPolicyName.RETRY:
        raise ConfigError(
            f"{wired.name}: key `error_policy`: retry waits for real venues and is not for backtests.",
            remedy="use fail_fast, or replan in an experiment.",
        )
    if policy is not ErrorPolicyName.FAIL_FAST and not experiment:
        raise ConfigError(
            f"{wired.name}: key `error_policy`: {policy} goes on after failed orders and is not for a standing record.",
            remedy="use fail_fast, or --experiment NAME.",
        )


def check_flows(wired: WiredMode, opening_month: str) -> None:
    """A deposit or withdrawal before the book opens would be credited at its first step, in a month it is not of."""
    opens = month_start(opening_month)
    early = [flow for flow in wired.settings.flows if flow.timestamp < opens]
    if early:
        raise ConfigError(
            f"{wired.name}: key `flows`: {early[0].amount:+.10g} {wired.settings.share_class} at "
            f"{iso(early[0].timestamp)} is before the book opens in {opening_month}.",
            remedy="remove it, add it to `initial_capital`, or open earlier (`opening_month`, --from).",
        )


def check_configuration(workspace: Workspace, wired: WiredMode) -> None:
    """A record is of one configuration; another one needs --reopen, and the message says which keys differ."""
    published = workspace.results.months(wired.name)
    if not published:
        return
    manifest = workspace.results.manifest(wired.name, published[0])
    if manifest.config_digest == wired.settings.config_digest:
        return
    differing = _listed(_differing_keys(manifest, wired))
    raise StateError(
        f"{wired.name} was published with another configuration; these keys differ: {differing}.",
        code="STATE-003",
        remedy="restore them, use --reopen to replace the record, or --experiment NAME to keep both.",
    )


def check_signals(workspace: Workspace, wired: WiredMode) -> None:
    """Signals of a model trained here are of today's candles: others would be traded without anybody noticing."""
    series = wired.frame_spec.signals
    if series is None or series.venue not in workspace.config.signal_models():
        return
    if outdated := outdated_signals(workspace, series.venue):
        raise StateError(
            f"signals of {series.venue} were trained on other candles, or by another model file: {_listed(outdated)}.",
            code="STATE-004",
            remedy=f"train them again: basis signals {series.venue}.",
        )


def check_experiment(workspace: Workspace, wired: WiredMode, experiment: str, months: Sequence[str]) -> None:
    """An experiment keeps its name's promise: the same keys, and no month that would be dropped."""
    published = workspace.results.months(wired.name, experiment)
    if not published:
        return
    differing = _differing_keys(workspace.results.manifest(wired.name, published[0], experiment), wired)
    if list(months[: len(published)]) != published:
        differing.append(f"months (published are {published[0]} to {published[-1]})")
    if differing:
        raise ConfigError(
            f"experiment {experiment} of {wired.name} is there already; these differ: {_listed(differing)}.",
            remedy="choose another name, or replace it with --replace (in the Launchpad: replace: true).",
        )


def _differing_keys(manifest: MonthManifest, wired: WiredMode) -> list[str]:
    before, now = manifest.config.get("behaviour", {}), wired.settings.behaviour
    return sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - _KEYS_LISTED} more" if len(keys) > _KEYS_LISTED else ""
    return ", ".join(keys[:_KEYS_LISTED]) + more


def check_predecessors(workspace: Workspace, wired: WiredMode, first: str) -> None:
    """StateError where a run from `first` would build on months that would come out differently today."""
    outdated = outdated_months(workspace, wired)
    if outdated and first > outdated[0]:
        raise StateError(
            f"{wired.name} {first} cannot start: {outdated[0]} does not continue the published month before it, or its "
            "data, configuration, engine or gates changed since it was run.",
            remedy=f"run {wired.name} from {outdated[0]}, or all of it with --reopen.",
        )
