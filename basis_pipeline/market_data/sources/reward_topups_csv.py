"""Extra reward distributions: `ethfi_topups_raw.csv`."""

from __future__ import annotations

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition
from basis_pipeline.market_data.sources.rewards import VENUE, period
from basis_pipeline.market_data.sources.tables import frame, numbers, read_columns, stamps

_DAYS = ("staking_period_start", "staking_period_end", "top_up_date")


def read(found: Recognition, _corrections: Corrections) -> Reading:
    amount, rate = f"{found.name['token']}_amount", f"{found.name['token']}_per_eeth_distributed"
    table = read_columns(found, {**dict.fromkeys(_DAYS, "text"), amount: "number", rate: "number"})
    start, end, paid = (stamps(found, table, column, "iso") for column in _DAYS)
    figures = {"tokens_distributed": numbers(table, amount), "tokens_per_eeth": numbers(table, rate)}
    return Reading(frame(found, paid, {**period(start, end, paid), **figures}))


LAYOUT = Layout(
    "reward top-ups",
    r"(?P<token>[a-z]+)_topups_raw",
    (".csv",),
    _DAYS,
    identify=lambda name, _head, corrections: SeriesKey("reward_topups", VENUE, corrections.symbol(name["token"])),
    read=read,
)
