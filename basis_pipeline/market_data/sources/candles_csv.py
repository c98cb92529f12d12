"""CEX candles as CSV: `binance_BTCUSDT_perp_1h.csv`, `bybit_ETHUSDT_spot_1h.csv`. ISO stamps of the bar's open."""

from __future__ import annotations

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.sources.layout import SYMBOL, VENUE, Layout, Reading, Recognition
from basis_pipeline.market_data.sources.provenance import provenance_columns, refuse_foreign
from basis_pipeline.market_data.sources.raw_files import FileHead
from basis_pipeline.market_data.sources.tables import (
    ColumnKinds,
    candle_frame,
    read_columns,
    require_constant,
    stamps,
    texts,
)

STEM = VENUE + "_" + SYMBOL + r"_(?P<bars>(?:spot|perp|mark)_1h|perp_5m)"
PRICES = ("open", "high", "low", "close", "volume")


def candle_key(name: dict[str, str], _head: FileHead, _corrections: Corrections) -> SeriesKey:
    return SeriesKey(name["bars"].replace("_", "_candles_"), name["venue"], name["symbol"].upper())


def read(found: Recognition, _corrections: Corrections) -> Reading:
    columns: ColumnKinds = {"timestamp": "text", **dict.fromkeys(PRICES, "number")}
    labels = [label for label in ("symbol", "asset_pair") if label in found.head.columns]
    table = read_columns(found, {**columns, **dict.fromkeys(labels, "text"), **provenance_columns(found)})
    refuse_foreign(found, table, found.name["bars"].partition("_")[0])
    for label in labels:
        # One vendor writes the pair with a slash.
        written = f"{texts(table, label).iloc[0]}"
        if written.replace("/", "") == found.key.symbol:
            require_constant(found, table, label, written)
        else:
            require_constant(found, table, label, found.key.symbol)
    return Reading(candle_frame(found, table, stamps(found, table, "timestamp", "iso")))


LAYOUT = Layout(
    "CEX candles, CSV", STEM, (".csv",), ("timestamp", *PRICES), identify=candle_key, read=read, price="close"
)
