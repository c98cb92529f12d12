"""CEX candles as feather or parquet: `binance_ETHUSDT_spot_1h.feather`, parts `...5m.part1.feather`. Typed `date`."""

from __future__ import annotations

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.sources.candles_csv import PRICES, STEM, candle_key
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition
from basis_pipeline.market_data.sources.tables import candle_frame, read_columns, stamps


def read(found: Recognition, _corrections: Corrections) -> Reading:
    table = read_columns(found, {"date": "text", **dict.fromkeys(PRICES, "number")})
    return Reading(candle_frame(found, table, stamps(found, table, "date", "native")))


LAYOUT = Layout(
    "CEX candles, binary",
    STEM,
    (".feather", ".parquet"),
    ("date", *PRICES),
    identify=candle_key,
    read=read,
    price="close",
)
