"""Standing records as a scheduler drives them: which months are due, how a range is planned, what changed.

Unlike the command line a scheduler names months that may lie anywhere. A record therefore opens only in its opening
month, never just where somebody clicked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from basis_pipeline.config.wiring import WiredMode, wire_mode
from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.evidence import GateResult, GateStatus
from basis_pipeline.domain.timeline import months_between, shift_month
from basis_pipeline.runs.backtest import Backtest, plan_backtest
from basis_pipeline.runs.freshness import outdated_months
from basis_pipeline.runs.months import last_month, opening_month
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.digests import text_digest

_NONE = frozenset[str]()


@dataclass(frozen=True)
class DueMonths:
    """Months to run now, in order, and why; no months: nothing is to be done, and why not."""

    months: tuple[str, ...]
    reason: str


def plan_months(workspace: Workspace, mode: str, months: Sequence[str], *, run_id: str) -> Backtest:
    """Plan consecutive months of the standing record of `mode`.

    A range that holds the opening month and every published month replaces the record, under whatever configuration it
    was made: nothing of the old record would be left.

    Raises:
        StateError: nothing is published and the range does not start in the opening month, or the month before it is
            missing or was made with another configuration.
        ConfigError: the range starts before the record opened.
        DataError: the opening month is not configured and the data cover no month fully.
    """
    first, last = months[0], months[-1]
    published = workspace.results.months(mode)
    opening = _opening(workspace, mode, published)
    if not published and first != opening:
        raise StateError(
            f"{mode} {first} cannot start: nothing is published and {mode} opens in {opening}.",
            remedy=f"run {mode} from {opening}, or set `opening_month: {first}` in its file.",
        )
    if published and first > shift_month(published[-1], 1):
        raise StateError(
            f"{mode} {first} cannot start: {shift_month(first, -1)} is not published; {mode} ends in {published[-1]}.",
            remedy=f"run {mode} from {shift_month(published[-1], 1)}.",
        )
    reopen = first == opening and set(published) <= set(months)
    return plan_backtest(workspace, mode, first=first, last=last, reopen=reopen, run_id=run_id)


def due_months(workspace: Workspace, mode: str, until: str) -> DueMonths:
    """Months from the first one that is new, or would come out differently today, up to `until` or the end of data.

    What cannot be run (a month is over and lacks data, data of a published month are gone) is due all the same: the
    run fails and says why, where an empty answer would leave the record behind for ever without anybody knowing.

    Raises:
        DataError: there are no data to open with.
    """
    wired = wire_mode(workspace.config, mode)
    last = min(last_month(wired, workspace.validated), until)
    published = workspace.results.months(mode)
    if not published:
        opening = opening_month(wired, workspace.validated)
        due = tuple(months_between(opening, last))
        return DueMonths(
            due, f"{mode} has not been run yet" if due else f"{mode} opens in {opening}, data end in {last}"
        )
    if outdated := outdated_months(workspace, wired):
        changed = outdated[0]
        return DueMonths(
            tuple(months_between(changed, max(changed, last))),
            f"data, configuration, engine or predecessor of {changed} changed",
        )
    due = tuple(months_between(shift_month(published[-1], 1), last))
    if not due:
        return DueMonths((), f"{mode} is published to {published[-1]} and there are no newer data")
    if not workspace.results.manifest(mode, published[-1]).complete:
        return DueMonths((published[-1], *due), f"{published[-1]} is over, and its data were not complete")
    return DueMonths(due, f"{due[0]} is new")


def warned_gates(workspace: Workspace, mode: str) -> dict[str, frozenset[str]]:
    """Gates that warn, by published month."""
    results = workspace.results
    return {month: _warned(results.manifest(mode, month).gates) for month in results.months(mode)}


def new_warnings(before: Mapping[str, frozenset[str]], gates: Mapping[str, Sequence[GateResult]]) -> str:
    """What warns in the `gates` of months just run, in order, and did not `before`, as text.

    A month that was published before is compared with that; a new one with the month before it.
    """
    known, new = dict(before), list[str]()
    for month, results in gates.items():
        warned = _warned(results)
        new += [
            f"{month} {gate}" for gate in sorted(warned - known.get(month, known.get(shift_month(month, -1), _NONE)))
        ]
        known[month] = warned
    return "; ".join(new)


def parse_warnings(text: str) -> list[tuple[str, str]]:
    """Month and gate of what `new_warnings` wrote."""
    pairs = (entry.split(" ", 1) for entry in text.split("; ") if entry)
    return [(month, gate) for month, gate in pairs]


def _warned(results: Sequence[GateResult]) -> frozenset[str]:
    return frozenset(result.gate for result in results if result.status is GateStatus.WARNED)


def dataset_version(workspace: Workspace, dataset: str) -> str:
    """Digest of every published month of every series of a dataset: equal for equal content."""
    publications = workspace.validated.publications(dataset).publications()
    return text_digest(*(f"{found.partition}={found.generation}" for found in publications))


def _opening(workspace: Workspace, mode: str, published: Sequence[str]) -> str:
    if published:
        return workspace.results.manifest(mode, published[0]).opening_month
    wired: WiredMode = wire_mode(workspace.config, mode)
    return opening_month(wired, workspace.validated)
