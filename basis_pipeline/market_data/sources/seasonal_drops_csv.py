"""Hand-collected seasonal drops: `seasonal_drops.csv`. Amounts are numbers or text ranges such as "~5–15"."""

from __future__ import annotations

import re

import numpy as np

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.findings import reject
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition, fixed
from basis_pipeline.market_data.sources.rewards import VENUE, period
from basis_pipeline.market_data.sources.tables import frame, read_columns, source_rows, stamps, texts

_DAYS = ("start_date", "end_date", "payout_date")
_TEXTS = (*_DAYS, "event", "reward_token", "reward_per_eeth")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def read(found: Recognition, _corrections: Corrections) -> Reading:
    table = read_columns(found, dict.fromkeys(_TEXTS, "text"))
    start, end, paid = (stamps(found, table, column, "iso") for column in _DAYS)
    amounts = texts(table, "reward_per_eeth")
    ranges = [_range(found, text, row) for text, row in zip(amounts, source_rows(found, len(amounts)), strict=True)]
    low, high = np.array(ranges, dtype=np.float64).T
    columns = {
        **period(start, end, paid),
        "reward_token": texts(table, "reward_token"),
        "event": texts(table, "event"),
        "tokens_per_eeth_low": low,
        "tokens_per_eeth_high": high,
        "estimated": low != high,
    }
    return Reading(frame(found, paid, columns))


def _range(found: Recognition, text: str, row: int) -> tuple[float, float]:
    ends = [float(number) for number in _NUMBER.findall(text)]
    if not ends:
        raise reject(
            "bad_range",
            f"{text!r} is neither a number nor a range.",
            remedy="write it as 5 or ~5-15.",
            file=found.file.name,
            row=int(row),
            column="reward_per_eeth",
        )
    return min(ends), max(ends)


LAYOUT = Layout(
    "seasonal drops", "seasonal_drops", (".csv",), _TEXTS, identify=fixed("seasonal_drops", VENUE, "eETH"), read=read
)
