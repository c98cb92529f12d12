"""Gates on the chain of commits: nothing skipped, nothing repeated, nothing committed in part (R94)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from basis_pipeline.domain.orders import OrderState
from basis_pipeline.domain.records import Trigger
from basis_pipeline.domain.timeline import iso, month_end, month_start
from basis_pipeline.gates.columns import Bools, Ints, equal_to, integers
from basis_pipeline.gates.evidence import MonthEvidence
from basis_pipeline.gates.findings import Finding, from_problems


class _Commits(NamedTuple):
    """The committed chains in order, as the exposures table has them."""

    sequence: Ints
    timestamp: Ints
    refresh: Bools


def chain_integrity(evidence: MonthEvidence) -> Finding:
    """Commits are numbered without a gap, every timestep is refreshed first and closed once, the grid is complete."""
    commits = _commits(evidence)
    problems = [
        *_grid_problems(evidence),
        *_sequence_problems(evidence, commits),
        *_timestep_problems(evidence, commits),
        *_coverage_problems(evidence),
    ]
    return from_problems(problems, f"{len(commits.sequence)} commits in {len(evidence.timestamps)} timesteps")


def _commits(evidence: MonthEvidence) -> _Commits:
    exposures = evidence.tables["exposures"]
    sequence, rows = np.unique(integers(exposures, "sequence"), return_index=True)
    refresh = equal_to(exposures, "trigger", Trigger.POSITION_REFRESH)
    return _Commits(sequence, integers(exposures, "timestamp")[rows], refresh[rows])


def _grid_problems(evidence: MonthEvidence) -> list[str]:
    step, start = evidence.profile.step, month_start(evidence.month)
    end = month_end(evidence.month) if evidence.usage.complete else evidence.state.timestamp + step
    grid, found = np.arange(start, end, step), evidence.timestamps
    problems = [f"no closing record at {iso(int(stamp))}" for stamp in np.setdiff1d(grid, found)]
    problems += [f"closing record off the grid at {iso(int(stamp))}" for stamp in np.setdiff1d(found, grid)]
    disorder = np.flatnonzero(np.diff(found) <= 0)
    return problems + [f"closing record repeated or out of order at {iso(int(found[row + 1]))}" for row in disorder]


def _sequence_problems(evidence: MonthEvidence, commits: _Commits) -> list[str]:
    before = evidence.previous.sequence if evidence.previous else 0
    numbered = np.concatenate([[before], commits.sequence, [evidence.state.sequence + 1]])
    problems = [
        f"commit {numbered[row]} is followed by {numbered[row + 1]}" for row in np.flatnonzero(np.diff(numbered) != 1)
    ]
    back = np.flatnonzero(np.diff(commits.timestamp) < 0)
    problems += [f"commit {commits.sequence[row + 1]} is earlier than the one before it" for row in back]
    one_sided = np.setxor1d(commits.sequence, integers(evidence.tables["risk"], "sequence"))
    return problems + [f"commit {number} lacks its exposure or its risk" for number in one_sided]


def _timestep_problems(evidence: MonthEvidence, commits: _Commits) -> list[str]:
    stamps, first = np.unique(commits.timestamp, return_index=True)
    unrefreshed = stamps[~commits.refresh[first]]
    problems = [f"timestep {iso(int(stamp))} does not begin with a refresh" for stamp in unrefreshed]
    problems += [f"no commit at {iso(int(stamp))}" for stamp in np.setdiff1d(evidence.timestamps, stamps)]
    last = dict(zip(commits.timestamp.tolist(), commits.sequence.tolist(), strict=True))
    closings = zip(
        evidence.timestamps.tolist(), integers(evidence.tables["timesteps"], "sequence").tolist(), strict=True
    )
    return problems + [
        f"closing record at {iso(stamp)} is of commit {number}, the last one there is {last[stamp]}"
        for stamp, number in closings
        if last.get(stamp, number) != number
    ]


def _coverage_problems(evidence: MonthEvidence) -> list[str]:
    expected = {"positions": len(evidence.universe), "pnl_attribution": len(evidence.categories)}
    return [
        f"table {table} has {count} rows at {iso(stamp)} instead of {rows}"
        for table, rows in expected.items()
        for stamp, count in _rows_per_timestep(evidence, table)
        if count != rows
    ]


def _rows_per_timestep(evidence: MonthEvidence, table: str) -> list[tuple[int, int]]:
    """(timestamp, rows), including the timesteps the table leaves out."""
    stamps, counts = np.unique(integers(evidence.tables[table], "timestamp"), return_counts=True)
    missing = np.setdiff1d(evidence.timestamps, stamps)
    return [*zip(stamps.tolist(), counts.tolist(), strict=True), *((stamp, 0) for stamp in missing.tolist())]


def orders_reconciled(evidence: MonthEvidence) -> Finding:
    """Every successful order is followed by a commit of its own, and every such commit belongs to one order (R92)."""
    orders, exposures = evidence.tables["orders"], evidence.tables["exposures"]
    sequences = integers(orders, "sequence")
    done = sequences[equal_to(orders, "status", OrderState.SUCCESS)]
    commits = np.unique(integers(exposures, "sequence")[equal_to(exposures, "trigger", Trigger.EXECUTION_MANAGER)])
    unique, counts = np.unique(done, return_counts=True)
    problems = [
        f"commit {number} stands for {count} orders" for number, count in zip(unique, counts, strict=True) if count > 1
    ]
    problems += [f"an order of commit {number} was not followed by the chain" for number in np.setdiff1d(done, commits)]
    problems += [f"commit {number} follows no order" for number in np.setdiff1d(commits, sequences)]
    return from_problems(problems, f"{len(done)} orders, each followed by a commit of the chain")
