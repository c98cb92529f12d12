"""Figures over consecutive months, from the tables of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from basis_pipeline.results.metrics import Metric, compute_metrics

RANGE_TABLES = ("timesteps", "positions", "risk", "pnl_attribution", "orders", "deltas")
"""The tables that figures are computed from."""


def range_metrics(months: Sequence[Mapping[str, pa.Table]], *, opening: bool) -> list[Metric]:
    """All figures of `months` taken together (see results.metrics); `opening`: the first of them opened the record."""
    tables = {
        name: pa.concat_tables([tables[name] for tables in months], promote_options="permissive")
        for name in RANGE_TABLES
    }
    return compute_metrics(tables, opening=opening)
