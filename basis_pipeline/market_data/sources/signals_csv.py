"""Signals of a model trained elsewhere: `mymodel_BTCUSDT_signals_5m.csv` with `timestamp,signal,confidence,sd`.

`timestamp` (ISO) is the bar open at which the signal may be acted on: what is told from a bar's close belongs to the
open of the next one. `signal` is long, short, neutral (be flat) or hold (stay as you are). One row per bar. A column
`drift` may say how far the model's predictions have moved from those of its training.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.datasets_signals import ML_SIGNALS
from basis_pipeline.market_data.sources.layout import SYMBOL, VENUE, Layout, Reading, Recognition
from basis_pipeline.market_data.sources.tables import ColumnKinds, frame, numbers, read_columns, stamps, texts


def read(found: Recognition, _corrections: Corrections) -> Reading:
    kinds: ColumnKinds = {"timestamp": "text", "signal": "text", "confidence": "number", "sd": "number"}
    table = read_columns(found, kinds | {"drift": "number"} if (drifts := "drift" in found.head.columns) else kinds)
    columns: dict[str, npt.NDArray[np.float64] | pd.Series[str]] = {
        "signal": texts(table, "signal"),
        "confidence": numbers(table, "confidence"),
        "sd": numbers(table, "sd"),
        "drift": numbers(table, "drift") if drifts else np.full(table.num_rows, np.nan),
    }
    return Reading(frame(found, stamps(found, table, "timestamp", "iso"), columns))


LAYOUT = Layout(
    "signals",
    VENUE + "_" + SYMBOL + "_signals_5m",
    (".csv",),
    ("timestamp", "signal", "confidence", "sd"),
    identify=lambda name, _head, _corrections: SeriesKey(ML_SIGNALS, name["venue"], name["symbol"]),
    read=read,
)
