"""Sweeps in the catalogue: `sweep_points`, `sweep_parameters`, `sweep_metrics`, `sweep_equity`, column `sweep` first.

Their tables are small, so they are copied, not viewed: whoever opens the catalogue later needs no file of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from basis_pipeline.results.sweeps.store import SWEEPS, SweepStore, sweep_name
from basis_pipeline.results.sweeps.tables import SWEEP_TABLES
from basis_pipeline.results.tables import ColumnDoc
from basis_pipeline.storage.locations import Location

_PREFIX = "sweep_"
SWEEP_DESCRIPTIONS = {f"{_PREFIX}{name}": table.description for name, table in SWEEP_TABLES.items()}


def sweep_tables(results: Location) -> Iterator[tuple[str, pa.Table]]:
    """Name and content of every table of the catalogue that is about sweeps; without sweeps they have no rows."""
    store = SweepStore(results / SWEEPS)
    published = store.sweeps()
    for name, table in SWEEP_TABLES.items():
        parts = [_named(sweep_name(sweep), store.read(sweep, name)) for sweep in published]
        empty = _named("", table.schema.empty_table())
        yield f"{_PREFIX}{name}", pa.concat_tables([empty, *parts], promote_options="default")


def sweep_docs() -> Iterator[ColumnDoc]:
    """Every column of these tables with its unit and meaning."""
    for name, table in SWEEP_TABLES.items():
        yield ColumnDoc(f"{_PREFIX}{name}", "sweep", "string", "", nullable=False, description="name of the sweep")
        for column, kind, unit, description in table.columns:
            yield ColumnDoc(f"{_PREFIX}{name}", column, str(kind), unit, nullable=True, description=description)


def _named(sweep: str, table: pa.Table) -> pa.Table:
    return table.add_column(0, "sweep", pa.array([sweep] * len(table), pa.string()))
