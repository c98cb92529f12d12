"""Sweeps below one folder (`<root>/results/sweeps`), published as months are: files first, then one manifest.

::

    equity/sweep=<name>/point=<identity>/mode=<mode>/<file>.parquet   daily equity of a finished point
    points|parameters|metrics/sweep=<name>/<file>.parquet             the sweep as a whole, see `tables`
    _manifests/sweep=<name>/point=<identity>/mode=<mode>.json               makes a point count, `PointResult` inside
    _manifests/sweep=<name>.json                                            makes the tables of a sweep visible

Every point has a folder of its own, so that any number of workers publish side by side without a lock. A point that
was killed half-way is not there at all; one that is there is never run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pyarrow as pa

from basis_pipeline.domain.errors import StorageError
from basis_pipeline.results.sweeps.parts import PointResult, SweepPoint
from basis_pipeline.storage.locations import Location
from basis_pipeline.storage.publications import Publication, PublicationStore

SWEEPS = "sweeps"
"""Folder of the results that sweeps are published in."""

EQUITY = "equity"


class SweepStore:
    """Reads and publishes finished points, and the tables of whole sweeps."""

    def __init__(self, base: Location) -> None:
        self.base = base
        self._publications = PublicationStore(base)

    def find(self, sweep: str, point: SweepPoint) -> PointResult | None:
        """The result of a finished point, or None."""
        found = self._publications.find(_point_path(sweep, point))
        if found is None:
            return None
        try:
            return msgspec.convert(found.body, PointResult)
        except msgspec.ValidationError as error:
            raise StorageError(
                f"manifest of {found.partition} below {self.base} is not a point of a sweep: {error}.",
                code="STORE-003",
                remedy="delete it and run the sweep again.",
            ) from error

    def put(self, sweep: str, point: SweepPoint, result: PointResult, equity: pa.Table) -> None:
        """Make a point count, at once."""
        self._publications.publish(_point_path(sweep, point), {EQUITY: equity}, msgspec.to_builtins(result))

    def equity(self, sweep: str, point: SweepPoint) -> pa.Table:
        """Daily equity of a finished point; StorageError if it is not finished."""
        found = self._publications.find(_point_path(sweep, point))
        if found is None:
            raise StorageError(
                f"point {point.number} of sweep {sweep} is not finished below {self.base}.",
                remedy="run the sweep again.",
            )
        return self._publications.read(found, EQUITY)

    def put_tables(self, sweep: str, tables: Mapping[str, pa.Table], body: Mapping[str, Any]) -> None:
        """Replace the tables of a sweep at once."""
        self._publications.publish(_sweep_path(sweep), tables, body)

    def sweeps(self) -> list[Publication]:
        """The sweeps that have tables, by name."""
        names = [path for path in self._publications.partitions("sweep=") if "/" not in path]
        return [found for name in names if (found := self._publications.find(name))]

    def read(self, published: Publication, table: str) -> pa.Table:
        """One table of a sweep; its name is no column of it."""
        return self._publications.read(published, table)


def sweep_name(published: Publication) -> str:
    return published.partition.removeprefix("sweep=")


def _sweep_path(sweep: str) -> str:
    return f"sweep={sweep}"


def _point_path(sweep: str, point: SweepPoint) -> str:
    return f"{_sweep_path(sweep)}/point={point.identity[:32]}/mode={point.mode}"
