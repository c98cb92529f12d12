"""Months as partitions. One definition per deployment: all modes share it, so that the UI lines them up."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.timeline import shift_month

FIRST_MONTH = "2024-01"
"""Where partitions begin unless a mode's `opening_month` is earlier."""

PREVIOUS_MONTH = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)

_MONTHS_BEHIND = 2
"""Data that end longer ago are no longer added to."""


def monthly(modes: Iterable[WiredMode], data_end: str | None, today: str) -> dg.MonthlyPartitionsDefinition:
    """Months from the first any mode may open in to the current one, which is still open (`end_offset=1`).

    Where the data ended more than two months before `today` (a sample, a purchased history) the partitions end with
    them: later months could only ever be missing. Months that come afterwards take a reload of the definitions. None is
    for data that are downloaded or not there yet: they follow the calendar.
    """
    first = min([FIRST_MONTH, *(mode.file.opening_month for mode in modes if mode.file.opening_month)])
    if data_end is None or data_end < first or data_end >= shift_month(today, -_MONTHS_BEHIND):
        return dg.MonthlyPartitionsDefinition(start_date=first, fmt="%Y-%m", end_offset=1)
    return dg.MonthlyPartitionsDefinition(start_date=first, end_date=shift_month(data_end, 1), fmt="%Y-%m")
