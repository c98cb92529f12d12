"""Sweeps in the catalogue: `sweep_points`, `sweep_parameters`, `sweep_metrics`, `sweep_equity`, column `sweep` first.

Their tables are small, so they are copied, not viewed: whoever opens the catalogue later needs no file of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from basis_pipeline.results.sweep_store import SweepStore, sweep_name
from basis_pipeline.results.sweep_tables import SWEEP_TABLES
from basis_pipeline.storage.locations import Location

SWEEPS = "sweeps"
"""Folder of the results that sweeps are published in."""


def sweep_tables(results: Location) -> Iterator[tuple[str, pa.Table]]:
    """Name and content of every table of the catalogue that is about sweeps; without sweeps they have no rows."""
    store = SweepStore(results / SWEEPS)
    published = store.sweeps()
    for table, schema in SWEEP_TABLES.items():
        parts = [_named(sweep_name(sweep), store.read(sweep, table)) for sweep in published]
        empty = _named("", schema.empty_table())
        yield f"sweep_{table}", pa.concat_tables([empty, *parts], promote_options="default")


def _named(sweep: str, table: pa.Table) -> pa.Table:
    return table.add_column(0, "sweep", pa.array([sweep] * len(table), pa.string()))
