"""Derived reward periods: `etherfi_seasonal_rewards.csv`. Only token amounts are taken.

Its prices are constants, its daily yields count a week as 6 days, and `daily_yield_pct` holds fractions: none is read.
"""

from __future__ import annotations

import numpy as np

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition, fixed
from basis_pipeline.market_data.sources.rewards import VENUE, period
from basis_pipeline.market_data.sources.tables import frame, numbers, read_columns, stamps, texts

_DAYS = ("period_start", "period_end", "payout_date")
_TEXTS = (*_DAYS, "reward_type", "event_name", "data_quality")
_RATES = ("eigen_per_eeth_weekly", "ethfi_per_eeth")
_WEEK = 7.0


def read(found: Recognition, _corrections: Corrections) -> Reading:
    table = read_columns(found, {**dict.fromkeys(_TEXTS, "text"), **dict.fromkeys(_RATES, "number")})
    start, end, paid = (stamps(found, table, column, "iso") for column in _DAYS)
    when = period(start, end, paid)
    weekly, total = (numbers(table, rate) for rate in _RATES)
    is_weekly = np.isfinite(weekly)
    columns = {
        **when,
        "reward_type": texts(table, "reward_type"),
        "event": texts(table, "event_name"),
        "reward_token": texts(table, "reward_type").str.partition("_")[0],
        "tokens_per_eeth": np.where(is_weekly, weekly, total),
        "rate_days": np.where(is_weekly, _WEEK, when["period_days"]),
        "estimated": (texts(table, "data_quality") != "exact").to_numpy(dtype=bool),
    }
    return Reading(frame(found, paid, columns))


LAYOUT = Layout(
    "reward periods",
    "etherfi_seasonal_rewards",
    (".csv",),
    (*_TEXTS, *_RATES),
    identify=fixed("reward_periods", VENUE, "eETH"),
    read=read,
)
