"""One column of a frame at a time: prices, bar extremes, Aave indices, funding. Values by timestep, known at it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from basis_pipeline.domain.accounting import accrued_borrow_index, accrued_liquidity_index
from basis_pipeline.domain.errors import DataError
from basis_pipeline.domain.timeline import HOUR, iso
from basis_pipeline.market_data.frames.lookups import Stamps, Values, cadence_of
from basis_pipeline.market_data.frames.requirements import ReserveSide
from basis_pipeline.market_data.frames.series import INTERVAL, LoadedSeries, gap, positions_known

Mask = npt.NDArray[np.bool_]

_INDEX = {ReserveSide.SUPPLY: "liquidity_index", ReserveSide.BORROW: "variable_borrow_index"}
_RATE = {ReserveSide.SUPPLY: "liquidity_rate", ReserveSide.BORROW: "variable_borrow_rate"}
_ACCRUED = {ReserveSide.SUPPLY: accrued_liquidity_index, ReserveSide.BORROW: accrued_borrow_index}


class Bars(NamedTuple):
    """By step: first open, lowest low and highest high of the bars that ended since the step before."""

    opened: Values
    low: Values
    high: Values


def ended_bars(bars: LoadedSeries, steps: Stamps, step: int, otherwise: Values) -> Bars:
    """The bars that ended since the step before; `otherwise` where there is none.

    A bar stamped at the step itself has only begun: nothing but its open is known.
    """
    cadence = cadence_of(bars.ref.dataset)
    first = np.searchsorted(bars.stamps, steps - step, side="left")
    behind = np.searchsorted(bars.stamps, steps - cadence, side="right")
    ended = np.flatnonzero(behind > first)
    opened, low, high = otherwise.copy(), otherwise.copy(), otherwise.copy()
    if len(ended):
        opened[ended] = bars.columns["open"][first[ended]]
        # reduceat folds [start, next start): pairs of (first, behind) make every second fold the one wanted
        folds = np.stack([first[ended], behind[ended]], axis=1).ravel()
        low[ended] = np.minimum.reduceat(np.append(bars.columns["low"], np.inf), folds)[::2]
        high[ended] = np.maximum.reduceat(np.append(bars.columns["high"], -np.inf), folds)[::2]
        bars.mark_used((bars.stamps >= steps[0] - step) & (bars.stamps <= steps[-1] - cadence))
    return Bars(opened, low, high)


def index(daily: LoadedSeries, hourly: LoadedSeries | None, side: ReserveSide, steps: Stamps) -> Values:
    """Aave index accrued forward from the last snapshot known, at each step.

    From a snapshot on, pieces of constant rate compound one after the other: the hourly rate for the hour it is
    stamped, the snapshot's own rate wherever there is none. At the next snapshot the index steps to what was
    observed. dt is in years of 365 days; supply accrues linearly within a piece, debt exponentially.
    """
    snapshots = np.unique(positions_known(daily.stamps, steps, daily))
    daily.mark_used(snapshots)
    indices = daily.columns[_INDEX[side]][snapshots].tolist()
    observed = dict(zip(daily.stamps[snapshots].tolist(), indices, strict=True))
    starts, rates = _pieces(daily, snapshots, hourly, side, int(steps[-1]))
    accrued, levels = _ACCRUED[side], list[float]()
    for piece, start in enumerate(starts):
        if start in observed:
            levels.append(observed[start])
        else:
            levels.append(accrued(levels[-1], rates[piece - 1], start - starts[piece - 1]))
    at = np.searchsorted(starts, steps, side="right") - 1
    inside = zip(at.tolist(), steps.tolist(), strict=True)
    return np.array([accrued(levels[piece], rates[piece], moment - starts[piece]) for piece, moment in inside])


def _pieces(
    daily: LoadedSeries, snapshots: Stamps, hourly: LoadedSeries | None, side: ReserveSide, until: int
) -> tuple[list[int], list[float]]:
    """Starts and rates (APR) of the pieces from the first of `snapshots` (rows of `daily`) to `until`, in order."""
    starts, own = daily.stamps[snapshots], daily.columns[_RATE[side]][snapshots]
    if hourly is None:
        return starts.tolist(), own.tolist()
    column = hourly.columns[_RATE[side]]
    seen = np.flatnonzero((hourly.stamps >= starts[0]) & (hourly.stamps <= until) & ~np.isnan(column))
    hourly.mark_used(seen)
    hours = hourly.stamps[seen]
    pieces = np.unique(np.concatenate([starts, hours, hours + HOUR]))
    rates = own[np.searchsorted(starts, pieces, side="right") - 1]
    rates[np.searchsorted(pieces, hours)] = column[seen]
    return pieces.tolist(), rates.tolist()


class Settlements(NamedTuple):
    """By step: the funding rate settled (0.0 where none is), and whether one is."""

    rates: Values
    settles: Mask


def funding(series: LoadedSeries, steps: Stamps) -> Settlements:
    """The settlements of one perp: its rows are stamped at the settlement, to the second.

    Raises:
        DataGapError: a settlement that was due in the window has no row.
        DataError: a settlement lies between two steps.
    """
    inside = (series.stamps >= steps[0]) & (series.stamps <= steps[-1])
    stamps = series.stamps[inside]
    at = np.searchsorted(steps, stamps)
    if (between := stamps[steps[at] != stamps]).size:
        raise DataError(
            f"{series.ref} settles at {iso(int(between[0]))}, which is no timestep.",
            remedy="use a step that divides the funding interval.",
        )
    _check_schedule(series, int(steps[0]), int(steps[-1]))
    rates, settles = np.zeros(len(steps)), np.zeros(len(steps), dtype=bool)
    rates[at], settles[at] = series.columns["funding_rate"][inside], True
    series.mark_used(inside)
    return Settlements(rates, settles)


def _check_schedule(series: LoadedSeries, first: int, last: int) -> None:
    """Every row says when the settlement before it was; after the last row the next is due one interval later."""
    stamps = series.stamps
    intervals = np.rint(series.columns[INTERVAL] * HOUR).astype(np.int64)
    if not len(stamps):
        raise gap(series, first, None, None)
    before = np.concatenate([[first - 1], stamps[:-1]])
    due = stamps - intervals
    missing = np.flatnonzero((due >= first) & (due <= last) & (due > before))
    if missing.size:
        row = int(missing[0])
        raise gap(series, int(due[row]), int(stamps[row - 1]) if row else None, int(stamps[row]))
    following = int(stamps[-1] + intervals[-1])
    if following <= last:
        raise gap(series, following, int(stamps[-1]), None)
