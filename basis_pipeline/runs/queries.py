"""SQL over the published results, and what is worth saying of a question."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from basis_pipeline.results.sql import catalog
from basis_pipeline.results.sql.hints import Published, no_rows, notes
from basis_pipeline.runs.workspace import Workspace

_FRESHNESS = "freshness"


def query(workspace: Workspace, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
    """Answer one SELECT over the views of the catalogue, and over `freshness`: mode, month, stale.

    `parameters` are the values of its `$names`.
    """
    computed = {_FRESHNESS: _freshness(workspace)} if _FRESHNESS in sql else {}
    return catalog.query(workspace.results, sql, parameters, computed)


def query_notes(
    workspace: Workspace, sql: str, parameters: Mapping[str, object] | None = None, *, empty: bool = False
) -> list[str]:
    """Months that a query names and that are not published, and words that nearly are a mode or an experiment.

    Of an `empty` answer also where the rows are that the standing record does not have.
    """
    published, values = Published.of(workspace.results.all_months()), list((parameters or {}).values())
    return [*notes(sql, published, values), *(no_rows(sql, published, values) if empty else [])]


def _freshness(workspace: Workspace) -> pa.Table:
    """One row per month of a standing record; `stale` as `stale` says."""
    from basis_pipeline.runs.records import stale  # noqa: PLC0415 - wires every mode, and most questions need none

    rows = []
    for mode in workspace.results.modes():
        outdated = set(stale(workspace, mode))
        rows += [{"mode": mode, "month": m, "stale": m in outdated} for m in workspace.results.months(mode)]
    return pa.Table.from_pylist(rows, pa.schema({"mode": pa.string(), "month": pa.string(), "stale": pa.bool_()}))
