"""What a book earned lately, as a rate per year: carry and its parts beside the profit they led to."""

from __future__ import annotations

import numpy as np

from basis_pipeline.domain.records import Category
from basis_pipeline.domain.timeline import DAY
from basis_pipeline.results.columns import FloatArray, IntArray
from basis_pipeline.results.metrics import DAYS_A_YEAR, stamps_of
from basis_pipeline.results.reports.chart import Panel, categories_of, column_of, view_of
from basis_pipeline.results.reports.record import Record

CARRY = (
    Category.FUNDING,
    Category.SUPPLY_YIELD,
    Category.BORROW_COSTS,
    Category.STAKING_YIELD,
    Category.STAKING_REWARDS,
)
"""Sources that a book earns or pays for holding its positions, whatever prices do."""

WINDOW_DAYS = 30

_NOTE = (
    f"Sums of the last {WINDOW_DAYS} days, per year, on the mean equity of the same days. Profit above carry came from "
    "prices, below it from prices or costs: a carry book stays close to its carry."
)


def carry_panel(record: Record) -> Panel:
    """Rolling carry, funding alone, and profit; without views for a record that is shorter than the window."""
    steps = record.tables["timesteps"]
    stamps, equity = stamps_of(steps), column_of(steps, "equity_share_class")
    attribution = record.tables["pnl_attribution"]
    categories = categories_of(attribution)
    by_category = column_of(attribution, "pnl").reshape(-1, len(categories))
    carry = by_category[:, [categories.index(category) for category in CARRY]]
    whole, funding = carry.sum(axis=1), carry[:, CARRY.index(Category.FUNDING)]
    shown = {"profit": (by_category.sum(axis=1), "--text"), "carry": (whole, "--s2")}
    if np.any(funding) and not np.array_equal(funding, whole):
        shown["funding"] = (funding, f"--{Category.FUNDING}")
    lines = {name: rolling_rate(stamps, values, equity) for name, (values, _) in shown.items()}
    colours = [colour for _, colour in shown.values()]
    known = not np.all(np.isnan(lines["profit"]))
    views = [view_of("", "per year", "percent", stamps, lines, colours, zero=True)] if known else []
    return Panel("carry", "Carry and profit, annualised", _NOTE, views, 260, wide=True)


def rolling_rate(stamps: IntArray, amounts: FloatArray, equity: FloatArray) -> FloatArray:
    """Sum of `amounts` over the last 30 days per year on the mean equity of these days; NaN before there are 30.

    Args:
        stamps: evenly spaced, microseconds UTC.
        amounts: one per stamp.
        equity: one per stamp, in the currency of the amounts.
    """
    rates = np.full(len(stamps), np.nan)
    if len(stamps) < 2:
        return rates
    width = WINDOW_DAYS * DAY // int(stamps[1] - stamps[0])
    sums, levels = (np.cumsum(np.concatenate(([0.0], values))) for values in (amounts, equity))
    if len(stamps) >= width:
        earned, held = sums[width:] - sums[:-width], (levels[width:] - levels[:-width]) / width
        rates[width - 1 :] = np.divide(earned, held, out=np.full_like(held, np.nan), where=held > 0.0)
    return rates * DAYS_A_YEAR / WINDOW_DAYS
