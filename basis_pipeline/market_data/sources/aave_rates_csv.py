"""Aave v3 reserve rates by hour from events: `aave_v3_ethereum_USDT_rates_1h_2025-01.csv`. Fractions (APR); no totals.

Row H holds the last on-chain update at or before H; `updatedAt` (epoch seconds) is the time of that update.
"""

from __future__ import annotations

import numpy as np

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition
from basis_pipeline.market_data.sources.tables import frame, numbers, read_columns, require_constant, stamps

_NUMBERS = ("liquidityRate", "variableBorrowRate", "updatedAt")


def read(found: Recognition, _corrections: Corrections) -> Reading:
    table = read_columns(found, {"timestamp": "text", "symbol": "text", **dict.fromkeys(_NUMBERS, "number")})
    require_constant(found, table, "symbol", found.key.symbol)
    unknown = np.full(table.num_rows, np.nan)
    columns = {
        "liquidity_rate": numbers(table, "liquidityRate"),
        "variable_borrow_rate": numbers(table, "variableBorrowRate"),
        "supplied_usd": unknown,
        "borrowed_usd": unknown,
        "updated_at": stamps(found, table, "updatedAt", "epoch_s"),
    }
    return Reading(frame(found, stamps(found, table, "timestamp", "iso"), columns))


LAYOUT = Layout(
    "Aave rates from events",
    r"aave_v3_[a-z]+_(?P<symbol>[A-Za-z0-9]+)_rates_1h",
    (".csv",),
    ("timestamp", "symbol", *_NUMBERS),
    identify=lambda name, _head, _corrections: SeriesKey("aave_rates_1h", "aave_v3", name["symbol"]),
    read=read,
)
