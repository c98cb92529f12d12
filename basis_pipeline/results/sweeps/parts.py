"""What a sweep is made of: points to run, what came of each, and the plan that holds them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class PointStatus(StrEnum):
    DONE = "done"
    REJECTED = "rejected"
    FAILED = "failed"


class SweepPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to run: plain values, so that any process anywhere can be given one.

    Attributes:
        number: place in its plan, from 1.
        mode: the mode it varies.
        overrides: dotted key of the mode file -> value.
        first, last: months, included.
        config_digest: of the behavioural configuration, overrides included.
        data_digest: of the published market data it reads.
        identity: of all that its figures are a function of; equal points have equal figures.
        keep_tables: it leaves all its tables behind, as an experiment.
    """

    number: int
    mode: str
    overrides: dict[str, Any]
    first: str
    last: str
    config_digest: str
    data_digest: str
    identity: str
    keep_tables: bool = False


class PointResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a point.

    Attributes:
        identity: the point; empty for one whose configuration was refused before it had any.
        status: `rejected` by a gate; `failed` for every other reason that lies in the point itself.
        reason: why it is not done, naming gate and month, or file and key.
        share_class: currency of its figures.
        metrics: all figures of the range by name (see results.metrics); empty unless done.
        gates_passed, gates_warned: verdicts over all months.
        warned: names of the gates that warned.
        experiment: name of the experiment that holds its tables, if they were kept.
        seconds: wall clock; never in a table.
    """

    identity: str
    status: PointStatus
    reason: str = ""
    share_class: str = ""
    metrics: dict[str, float | None] = {}
    gates_passed: int = 0
    gates_warned: int = 0
    warned: tuple[str, ...] = ()
    experiment: str | None = None
    seconds: float = 0.0


class SweepPlan(msgspec.Struct, frozen=True):
    """A sweep as it is run.

    Attributes:
        name, description: of the sweep.
        rank_by: the metric that orders the result.
        points: in the order of the file.
        refused: by number, the points whose configuration is not possible, with the reason.
    """

    name: str
    description: str
    rank_by: str
    points: tuple[SweepPoint, ...]
    refused: dict[int, PointResult]

    @property
    def runnable(self) -> tuple[SweepPoint, ...]:
        return tuple(point for point in self.points if point.number not in self.refused)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are varied, in the order of the file."""
        return tuple(dict.fromkeys(key for point in self.points for key in point.overrides))


Outcome = tuple[SweepPoint, PointResult]
"""A finished or refused point with what came of it."""
