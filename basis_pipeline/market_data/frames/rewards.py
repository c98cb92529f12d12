"""Reward distributions of a frame: which timestep learns of which payout, and what one eETH is paid for the period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from basis_pipeline.domain.evidence import SeriesUsage
from basis_pipeline.domain.market import Distribution
from basis_pipeline.domain.timeline import DAY, month_of, months_between
from basis_pipeline.market_data.frames.lookups import Values
from basis_pipeline.market_data.frames.requirements import FrameSpec, SeriesRef
from basis_pipeline.market_data.frames.series import Window, no_data
from basis_pipeline.market_data.validated import TIMESTAMP, ValidatedStore

_WEEK = 7.0
_RATES: Mapping[str, str] = {"reward_distributions": "tokens_per_eeth_week", "reward_topups": "tokens_per_eeth"}
"""Column of the rate by dataset; distributions state it per 7 days, top-ups for their whole period."""
_PERIOD = ("period_start", "period_end", "period_days")


class Rewards(NamedTuple):
    """What was distributed, by the timestep at which it became known, and which data say so."""

    by_step: Mapping[int, tuple[Distribution, ...]]
    usage: tuple[SeriesUsage, ...]


def load_rewards(store: ValidatedStore, spec: FrameSpec, window: Window) -> Rewards:
    """All distributions known in `window`, each at the first step at or after 00:00 of the day after its payout.

    Raises:
        DataError: nothing at all is published for a series; a month without a payout is no error.
    """
    by_step: dict[int, tuple[Distribution, ...]] = {}
    usage = []
    for key, series in spec.rewards.items():
        rows, generations = _read(store, series, window)
        usage.append(_usage(series, rows, generations))
        for step, distribution in _distributions(rows, series, spec.universe.slot(key), window):
            by_step[step] = (*by_step.get(step, ()), distribution)
    return Rewards(by_step, tuple(usage))


def _read(store: ValidatedStore, series: SeriesRef, window: Window) -> tuple[pa.Table | None, dict[str, str]]:
    """Rows whose payout becomes known in the window, and the generations they were read from."""
    key = (series.dataset, series.venue, series.symbol)
    if not store.months(*key):
        raise no_data(series, window)
    first, end = _payouts(window)
    generations = store.generations(*key, reward_months_read(window))
    if not generations:
        return None, {}
    return store.read(*key, first, end, [*_PERIOD, _RATES[series.dataset]], pinned=generations), generations


def reward_months_read(window: Window) -> list[str]:
    """The months whose payouts become known in `window`."""
    first, end = _payouts(window)
    return months_between(month_of(first), month_of(end - 1))


def _payouts(window: Window) -> tuple[int, int]:
    """Half-open range of payout stamps that become known, a day later, after the step before `window` to its last."""
    return window.start - window.step - DAY + 1, window.last_step - DAY + 1


def _distributions(
    rows: pa.Table | None, series: SeriesRef, slot: int, window: Window
) -> list[tuple[int, Distribution]]:
    if rows is None:
        return []
    rates = rows.column(_RATES[series.dataset]).to_numpy()
    if series.dataset == "reward_distributions":
        rates = rates * rows.column("period_days").to_numpy() / _WEEK
    known, start, end = (_days(rows, name) for name in (TIMESTAMP, "period_start", "period_end"))
    steps = window.start + -(-(known + DAY - window.start) // window.step) * window.step
    return [
        (step, Distribution(slot, first, last + DAY, rate))
        for step, first, last, rate in zip(steps.tolist(), start.tolist(), end.tolist(), rates.tolist(), strict=True)
    ]


def _days(rows: pa.Table, column: str) -> Values:
    days: Values = rows.column(column).to_numpy().astype("datetime64[us]").astype(np.int64)
    return days


def _usage(series: SeriesRef, rows: pa.Table | None, generations: Mapping[str, str]) -> SeriesUsage:
    count = 0 if rows is None else rows.num_rows
    return SeriesUsage(series.dataset, series.venue, series.symbol, rows=count, generations=dict(generations))
