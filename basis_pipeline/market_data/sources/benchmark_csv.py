"""Benchmark yields derived from an export: `ethena_susde_apr_daily.csv`. Decimal columns are fractions."""

from __future__ import annotations

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition
from basis_pipeline.market_data.sources.tables import frame, numbers, read_columns, stamps


def read(found: Recognition, _corrections: Corrections) -> Reading:
    table = read_columns(found, {"date": "text", "apy_decimal": "number", "apr_decimal": "number"})
    columns = {"apy": numbers(table, "apy_decimal"), "apr": numbers(table, "apr_decimal")}
    return Reading(frame(found, stamps(found, table, "date", "iso"), columns))


LAYOUT = Layout(
    "benchmark yields",
    r"(?P<issuer>[a-z]+)_(?P<token>[a-z]+)_apr_daily",
    (".csv",),
    ("date", "apy_decimal", "apr_decimal"),
    identify=lambda name, _head, corrections: SeriesKey(
        "benchmark_yields", name["issuer"], corrections.symbol(name["token"])
    ),
    read=read,
)
