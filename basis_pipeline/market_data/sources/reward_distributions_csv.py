"""Weekly reward distributions: `eigen_distributions_raw.csv`. Paid at the end of the period.

The vendor's rate per eETH divides by all stake in some rows and by restaked stake in others; both are told apart, and
one definition is computed for all rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition
from basis_pipeline.market_data.sources.rewards import VENUE, period
from basis_pipeline.market_data.sources.tables import frame, numbers, read_columns, stamps

_WEEK = 7.0
_SAME = 0.01
"""The vendor rounds or cuts to three digits; the two divisors lie 4% and more apart."""

Floats = npt.NDArray[np.float64]


def read(found: Recognition, _corrections: Corrections) -> Reading:
    token = found.name["token"]
    earned_column, rate_column = f"{token}_earned", f"{token}_per_eeth_weekly"
    figures = (earned_column, rate_column, "eth_restaked", "eth_not_restaked")
    days = ("staking_period_start", "staking_period_end")
    table = read_columns(found, {**dict.fromkeys(days, "text"), **dict.fromkeys(figures, "number")})
    start, end = (stamps(found, table, column, "iso") for column in days)
    earned, published = numbers(table, earned_column), numbers(table, rate_column)
    restaked, idle = numbers(table, "eth_restaked"), numbers(table, "eth_not_restaked")
    when = period(start, end, payout=end)
    columns = {
        **when,
        "tokens_earned": earned,
        "eth_restaked": restaked,
        "eth_not_restaked": idle,
        "tokens_per_eeth_week": earned / (restaked + idle) * _WEEK / when["period_days"],
        "published_rate": published,
        "published_basis": _basis(published, earned / (restaked + idle), earned / restaked),
    }
    return Reading(frame(found, end, columns))


def _basis(published: Floats, by_all: Floats, by_restaked: Floats) -> npt.NDArray[np.object_]:
    named = np.select(
        [np.abs(published / by_all - 1.0) < _SAME, np.abs(published / by_restaked - 1.0) < _SAME],
        ["all_stake", "restaked"],
        default="other",
    )
    return named.astype(object)


LAYOUT = Layout(
    "reward distributions",
    r"(?P<token>[a-z]+)_distributions_raw",
    (".csv",),
    ("staking_period_start", "staking_period_end", "eth_restaked", "eth_not_restaked"),
    identify=lambda name, _head, corrections: SeriesKey(
        "reward_distributions", VENUE, corrections.symbol(name["token"])
    ),
    read=read,
)
