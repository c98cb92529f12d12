"""A price and nothing else: `curve_weETHWETH_1h.csv` with `timestamp,price`.

Known so that placeholders in this layout are called what they are. No dataset takes a single price: it is no candle.
"""

from __future__ import annotations

from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.sources.layout import SYMBOL, VENUE, Layout

LAYOUT = Layout(
    "single price",
    VENUE + "_" + SYMBOL + "_1h",
    (".csv",),
    ("timestamp", "price"),
    identify=lambda name, _head, _corrections: SeriesKey("", name["venue"], name["symbol"]),
    unused="a price column alone is no candle; no dataset takes it",
    price="price",
)
