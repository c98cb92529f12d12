"""The points of a sweep on its axes: the keys that are varied, and where each point stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from basis_pipeline.results.sweeps.parts import SweepPoint
from basis_pipeline.results.sweeps.tables import written

UNTOUCHED = "as configured"
"""Where a point does not override a key that others do."""

MODE = "mode"


class Axis(NamedTuple):
    """A key that is varied, and its values as written, in the order of the plan."""

    key: str
    values: tuple[str, ...]


def axes_of(points: Sequence[SweepPoint]) -> list[Axis]:
    """The keys that take more than one value; of a sweep that varies nothing, its mode."""
    keys = [MODE, *dict.fromkeys(key for point in points for key in point.overrides)]
    axes = [Axis(key, tuple(dict.fromkeys(value_on(point, key) for point in points))) for key in keys]
    return [axis for axis in axes if len(axis.values) > 1] or axes[:1]


def value_on(point: SweepPoint, key: str) -> str:
    """Where a point stands on an axis."""
    if key == MODE:
        return point.mode
    return written(point.overrides[key]) if key in point.overrides else UNTOUCHED


def short(key: str) -> str:
    """A key without what comes before its last dot."""
    return key.rpartition(".")[2].replace("_", " ")
