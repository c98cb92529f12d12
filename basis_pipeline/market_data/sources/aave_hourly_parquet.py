"""Aave v3 reserve rates by hour: `aave_v3_usdt_eth_hourly.parquet`. Rates in percent; the hour is the unnamed index.

Row H holds the last on-chain update at or before H; `timestamp` is the time of that update.
"""

from __future__ import annotations

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition
from basis_pipeline.market_data.sources.tables import frame, numbers, read_columns, stamps

_INDEX = "__index_level_0__"
_PERCENT = 100.0
_NUMBERS = ("timestamp", "lender_variable_apr", "borrower_variable_apr", "supplied_USD", "borrowed_USD")


def read(found: Recognition, _corrections: Corrections) -> Reading:
    table = read_columns(found, {**dict.fromkeys(_NUMBERS, "number"), _INDEX: "text"})
    columns = {
        "liquidity_rate": numbers(table, "lender_variable_apr") / _PERCENT,
        "variable_borrow_rate": numbers(table, "borrower_variable_apr") / _PERCENT,
        "supplied_usd": numbers(table, "supplied_USD"),
        "borrowed_usd": numbers(table, "borrowed_USD"),
        "updated_at": stamps(found, table, "timestamp", "epoch_s"),
    }
    return Reading(frame(found, stamps(found, table, _INDEX, "native"), columns))


LAYOUT = Layout(
    "Aave hourly rates",
    r"aave_v3_(?P<token>[a-z0-9]+)_eth_hourly",
    (".parquet",),
    (*_NUMBERS, _INDEX),
    identify=lambda name, _head, corrections: SeriesKey("aave_rates_1h", "aave_v3", corrections.symbol(name["token"])),
    read=read,
)
