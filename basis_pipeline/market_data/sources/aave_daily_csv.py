"""Aave v3 reserve snapshots: `aave_v3_ethereum_USDT_rates_1d.csv`. Rates are fractions (APR), indices start at 1.0."""

from __future__ import annotations

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition
from basis_pipeline.market_data.sources.tables import frame, numbers, read_columns, require_constant, stamps

_COLUMNS = {
    "liquidity_index": "liquidityIndex",
    "variable_borrow_index": "variableBorrowIndex",
    "liquidity_rate": "currentLiquidityRate",
    "variable_borrow_rate": "currentVariableBorrowRate",
    "total_supplied": "totalAToken",
    "total_borrowed": "totalVariableDebt",
    "price_usd": "price",
}


def read(found: Recognition, _corrections: Corrections) -> Reading:
    labels = ("targetDate", "symbol")
    table = read_columns(found, {**dict.fromkeys(labels, "text"), **dict.fromkeys(_COLUMNS.values(), "number")})
    require_constant(found, table, "symbol", found.key.symbol)
    columns = {ours: numbers(table, theirs) for ours, theirs in _COLUMNS.items()}
    return Reading(frame(found, stamps(found, table, "targetDate", "iso"), columns))


LAYOUT = Layout(
    "Aave reserve snapshots",
    r"aave_v3_[a-z]+_(?P<symbol>[A-Za-z0-9]+)_rates_1d",
    (".csv",),
    ("targetDate", "symbol", *_COLUMNS.values()),
    identify=lambda name, _head, _corrections: SeriesKey("aave_reserves_1d", "aave_v3", name["symbol"]),
    read=read,
)
