"""DEX pool candles: `uniswapv3_WETHUSDT_1h.csv`. Epoch seconds of the bar's open; volume in the quote token.

`date_utc` carries both an offset and a Z, so it is compared with the epoch and otherwise left alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.findings import reject
from basis_pipeline.market_data.sources.layout import SYMBOL, VENUE, Layout, Reading, Recognition
from basis_pipeline.market_data.sources.tables import (
    ColumnKinds,
    Int64s,
    candle_frame,
    read_columns,
    source_rows,
    stamps,
    texts,
)

_PRICES = ("open", "high", "low", "close", "volume")
_LABELS = ("date_utc", "base_token", "quote_token")


def read(found: Recognition, _corrections: Corrections) -> Reading:
    columns: ColumnKinds = {"timestamp": "number", **dict.fromkeys(_PRICES, "number"), **dict.fromkeys(_LABELS, "text")}
    table = read_columns(found, columns)
    opened = stamps(found, table, "timestamp", "epoch_s")
    _require(
        found, opened, (texts(table, "base_token") + texts(table, "quote_token")) == found.key.symbol, "base_token"
    )
    _require(found, opened, texts(table, "date_utc").str.slice(0, 19) == pd.Series(_iso(opened)), "date_utc")
    return Reading(candle_frame(found, table, opened).rename(columns={"volume": "volume_quote"}))


def _iso(opened: Int64s) -> list[str]:
    written: list[str] = np.datetime_as_string(opened.astype("M8[us]"), unit="s").tolist()
    return written


def _require(found: Recognition, opened: Int64s, agrees: pd.Series[bool], column: str) -> None:
    wrong = ~agrees.to_numpy(dtype=bool)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise reject(
            "wrong_content",
            f"contradicts the file name or the epoch stamp in {int(wrong.sum())} rows.",
            remedy="download the file again.",
            file=found.file.name,
            row=int(source_rows(found, len(opened))[at]),
            column=column,
            count=int(wrong.sum()),
        )


LAYOUT = Layout(
    "DEX pool candles",
    VENUE + "_" + SYMBOL + "_1h",
    (".csv",),
    ("timestamp", *_PRICES, *_LABELS),
    identify=lambda name, _head, _corrections: SeriesKey("dex_candles_1h", name["venue"], name["symbol"]),
    read=read,
    price="close",
)
