"""Funding rates: `okx_BTCUSDT_funding_8h.csv`. ISO stamps of the settlement, as each venue labels it."""

from __future__ import annotations

import numpy as np

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.sources.layout import SYMBOL, VENUE, Layout, Reading, Recognition
from basis_pipeline.market_data.sources.provenance import provenance_columns, refuse_foreign
from basis_pipeline.market_data.sources.tables import (
    ColumnKinds,
    frame,
    numbers,
    read_columns,
    require_constant,
    stamps,
)


def read(found: Recognition, _corrections: Corrections) -> Reading:
    columns: ColumnKinds = {"funding_timestamp": "text", "funding_rate": "number", "symbol": "text"}
    table = read_columns(found, {**columns, **provenance_columns(found)})
    refuse_foreign(found, table, "funding")
    require_constant(found, table, "symbol", found.key.symbol)
    rates = {
        "funding_rate": numbers(table, "funding_rate"),
        "interval_hours": np.full(table.num_rows, float(found.name["hours"])),
    }
    return Reading(frame(found, stamps(found, table, "funding_timestamp", "iso"), rates))


LAYOUT = Layout(
    "funding rates",
    VENUE + "_" + SYMBOL + r"_funding_(?P<hours>\d+)h",
    (".csv",),
    ("funding_timestamp", "funding_rate", "symbol"),
    identify=lambda name, _head, _corrections: SeriesKey("funding_rates", name["venue"], name["symbol"].upper()),
    read=read,
)
