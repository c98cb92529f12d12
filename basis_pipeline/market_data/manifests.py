"""What the manifest of a published month says besides its files: where the rows come from and what was done to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from basis_pipeline.market_data.findings import Finding

BODY_VERSION = 1


class SourceRecord(msgspec.Struct, frozen=True):
    """A raw file that rows of the month were read from. `path` is relative to the raw folder, posix."""

    path: str
    sha256: str
    size: int


class Interval(msgspec.Struct, frozen=True):
    """Stamps that are absent, both ends included (microseconds UTC)."""

    first: int
    last: int
    steps: int


class Coverage(msgspec.Struct, frozen=True):
    """Which stamps a stretch of a series holds.

    Attributes:
        first: first stamp present (microseconds UTC).
        last: last stamp present.
        rows: rows present.
        expected: steps from `first` to `last`, both included; None where the dataset has no fixed step.
        missing: runs of absent steps between `first` and `last`.
    """

    first: int
    last: int
    rows: int
    expected: int | None = None
    missing: tuple[Interval, ...] = ()

    @property
    def missing_steps(self) -> int:
        return sum(interval.steps for interval in self.missing)


class RowCounts(msgspec.Struct, frozen=True):
    """Rows of one month: what was read for it, and by rule name what happened to them.

    `read` + `filled` + `proxied` - `dropped` - `quarantined` = `kept`. `changed` counts values a rule rewrote in place.
    """

    read: int = 0
    kept: int = 0
    dropped: dict[str, int] = {}
    quarantined: dict[str, int] = {}
    filled: dict[str, int] = {}
    proxied: dict[str, int] = {}
    changed: dict[str, int] = {}


class MonthBody(msgspec.Struct, frozen=True):
    """Body of the manifest of one (dataset, venue, symbol, month)."""

    dataset: str
    venue: str
    symbol: str
    month: str
    coverage: Coverage
    counts: RowCounts
    sources: tuple[SourceRecord, ...]
    findings: tuple[Finding, ...] = ()
    version: int = BODY_VERSION

    def to_builtins(self) -> dict[str, Any]:
        """The JSON form that the publication store keeps."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> MonthBody:
        """Read it back from a publication's body."""
        return msgspec.convert(body, cls)


def coverage_of(stamps: npt.NDArray[np.int64], step: int | None) -> Coverage:
    """Coverage of stamps (microseconds UTC) in order; at least one."""
    first, last = int(stamps[0]), int(stamps[-1])
    if step is None:
        return Coverage(first, last, len(stamps))
    gaps = np.flatnonzero(np.diff(stamps) > step)
    missing = tuple(
        Interval(int(stamps[at]) + step, int(stamps[at + 1]) - step, int(stamps[at + 1] - stamps[at]) // step - 1)
        for at in gaps.tolist()
    )
    return Coverage(first, last, len(stamps), (last - first) // step + 1, missing)


def merge_coverage(months: Iterable[Coverage], step: int | None) -> Coverage:
    """Coverage of consecutive months as one stretch; absent steps at the seams become missing intervals.

    Args:
        months: at least one, in time order.
        step: the dataset's step in microseconds, or None where it has no fixed one.
    """
    parts = list(months)
    first, last = parts[0].first, parts[-1].last
    rows = sum(part.rows for part in parts)
    if step is None:
        return Coverage(first, last, rows)
    missing: list[Interval] = []
    for index, part in enumerate(parts):
        if index and part.first - parts[index - 1].last > step:
            seam = Interval(
                parts[index - 1].last + step, part.first - step, (part.first - parts[index - 1].last) // step - 1
            )
            missing.append(seam)
        missing.extend(part.missing)
    return Coverage(first, last, rows, (last - first) // step + 1, tuple(missing))
