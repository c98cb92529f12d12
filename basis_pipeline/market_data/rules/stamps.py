"""Stamps: jitter, grid, and labels that are not the time they claim to be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from basis_pipeline.domain.timeline import HOUR, SECOND
from basis_pipeline.market_data.corrections import LabelShift, start_of
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import Series, by_month, first_places

ROUNDED, OFF_GRID, OFF_INTERVAL, SHIFTED = "stamp_rounded", "off_grid", "off_interval", "label_shift"


def round_to_second(series: Series) -> Series:
    """Round stamps to the nearest second: settlements are stamped some milliseconds late."""
    stamps = series.stamps
    rounded = (stamps + SECOND // 2) // SECOND * SECOND
    return series.change(ROUNDED, rounded != stamps, timestamp=rounded)


def set_aside_off_grid(series: Series) -> Series:
    """Quarantine rows that are not on the step of the dataset."""
    if series.dataset.step is None:
        return series
    off = series.stamps % series.dataset.step != 0
    if not off.any():
        return series
    message = f"{int(off.sum())} rows are off the grid, first {first_places(series.stamps[off])}; set aside."
    remedy = "correct the stamps at their source: a row is stamped with the open of its bar, UTC."
    finding = Finding("WARN", OFF_GRID, message, remedy, *series.place(off), "timestamp", count=int(off.sum()))
    return series.set_aside(OFF_GRID, off).note(finding)


def set_aside_off_interval(series: Series) -> Series:
    """Quarantine settlements between two of the interval that their file states, and bar their months.

    They were paid: a venue that settles more often than its file is named for pays a multiple of what is left.
    """
    off = series.stamps % np.round(series.values("interval_hours") * HOUR).astype(np.int64) != 0
    for month, stamps in by_month(series.stamps[off]):
        message = f"{len(stamps)} settlements lie between those of the stated interval: {first_places(stamps)}."
        remedy = (
            "split the file where the venue changed its interval and name each part for its own, such as funding_4h."
        )
        series = series.note(Finding("ERROR", OFF_INTERVAL, message, remedy, month=month, count=len(stamps)))
    return series.set_aside(OFF_INTERVAL, off)


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
