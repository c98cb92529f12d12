"""Stamps: jitter, grid, and labels that are not the time they claim to be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from basis_pipeline.domain.timeline import HOUR, SECOND
from basis_pipeline.market_data.corrections import LabelShift, start_of
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import Series, first_places

ROUNDED, OFF_GRID, SHIFTED = "stamp_rounded", "off_grid", "label_shift"


def round_to_second(series: Series) -> Series:
    """Round stamps to the nearest second: settlements are stamped some milliseconds late."""
    stamps = series.stamps
    rounded = (stamps + SECOND // 2) // SECOND * SECOND
    return series.change(ROUNDED, rounded != stamps, timestamp=rounded)


def set_aside_off_grid(series: Series) -> Series:
    """Quarantine rows that are not on the step of the dataset (funding: not on its own interval)."""
    if series.key.dataset == "funding_rates":
        step = np.round(series.values("interval_hours") * HOUR).astype(np.int64)
    elif series.dataset.step is not None:
        step = np.full(len(series.frame), series.dataset.step)
    else:
        return series
    off = series.stamps % step != 0
    if not off.any():
        return series
    message = f"{int(off.sum())} rows are off the grid, first {first_places(series.stamps[off])}; set aside."
    return series.set_aside(OFF_GRID, off).note(Finding("WARN", OFF_GRID, message, count=int(off.sum())))


def shift_labels(series: Series, regimes: Sequence[LabelShift]) -> Series:
    """True time = label + hours of the first regime whose `before` is later than the label."""
    labels = series.stamps
    shift = np.zeros(len(labels), dtype=np.int64)
    open_ = np.ones(len(labels), dtype=bool)
    for regime in regimes:
        inside = open_ if regime.before is None else open_ & (labels < start_of(regime.before))
        shift[inside] = regime.hours * HOUR
        open_ &= ~inside
    return series.change(SHIFTED, shift != 0, timestamp=labels + shift)
