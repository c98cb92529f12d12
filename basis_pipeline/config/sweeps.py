"""Sweep files: which overrides of which modes are run against each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any

import yaml
from pydantic import Field, model_validator

from basis_pipeline.config.fields import Model, Month
from basis_pipeline.domain.errors import ConfigError

LARGEST_SWEEP = 10_000
"""Points; beyond it a grid is far more likely a slip than a plan."""

Overrides = dict[str, Any]
"""Dotted key of a mode file -> value, as `basis backtest --set` takes them."""

AxisValues = Annotated[list[Any], Field(min_length=1)]


class Keep(StrEnum):
    """What is kept of a point besides its figures and its daily equity."""

    METRICS = "metrics"
    TABLES = "tables"


class SweepFile(Model):
    """One sweep. `grid` is every combination of its values; `points` is an explicit list; one of the two is given.

    Attributes:
        sweep: its name: letters, digits, `_`, `-` and `.`.
        modes: the modes each point is run on.
        first, last: months, included (keys `from` and `to`); default: all that the data of each mode cover.
        grid: by dotted key of the mode file, the values to try.
        points: sets of overrides to try.
        rank_by: the metric that orders the result, best first.
        keep: `tables` makes every point an experiment with all its tables; slower, see the guide.
    """

    sweep: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    description: str = ""
    modes: Annotated[list[str], Field(min_length=1)]
    first: Month | None = Field(default=None, alias="from")
    last: Month | None = Field(default=None, alias="to")
    grid: Annotated[dict[str, AxisValues], Field(min_length=1)] | None = None
    points: Annotated[list[Overrides], Field(min_length=1)] | None = None
    rank_by: str = "sharpe"
    keep: Keep = Keep.METRICS

    @model_validator(mode="after")
    def _one_of_grid_and_points(self) -> SweepFile:
        if (self.grid is None) == (self.points is None):
            raise ValueError("give either grid or points")
        if repeated := sorted({mode for mode in self.modes if self.modes.count(mode) > 1}):
            raise ValueError(f"modes names {', '.join(repeated)} twice")
        if self.size > LARGEST_SWEEP:
            raise ValueError(f"{self.size:,} points are more than {LARGEST_SWEEP:,}")
        return self

    @property
    def size(self) -> int:
        """Number of points."""
        combinations = len(self.points or ())
        if self.grid:
            combinations = 1
            for values in self.grid.values():
                combinations *= len(values)
        return combinations * len(self.modes)

    def combinations(self) -> list[Overrides]:
        """The overrides of every point of one mode; the last key of a grid varies fastest."""
        if self.grid is None:
            return list(self.points or ())
        return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]


def parse_grid(pairs: Iterable[str]) -> Mapping[str, list[Any]]:
    """`key=value,value,...` texts to {dotted key: values}; values are read as YAML, so maps and lists work."""
    grid: dict[str, list[Any]] = {}
    for pair in pairs:
        key, equals, values = pair.partition("=")
        key = key.strip()
        if not equals or not key or not values.strip():
            raise ConfigError(f"grid {pair!r} is not of the form key=value,value,...")
        if key in grid:
            raise ConfigError(f"grid key {key!r} is given twice.", remedy="name all its values in one --grid.")
        try:
            grid[key] = yaml.safe_load(f"[{values}]")
        except yaml.YAMLError as error:
            raise ConfigError(f"the values of grid {pair!r} are not readable: {error}.") from error
    return grid
