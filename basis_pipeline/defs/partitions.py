"""Months as partitions. One definition per deployment: all modes share it, so that the UI lines them up."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

from basis_pipeline.config.wiring import WiredMode

FIRST_MONTH = "2024-01"
"""Where partitions begin unless a mode's `opening_month` is earlier."""

PREVIOUS_MONTH = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)


def monthly(modes: Iterable[WiredMode]) -> dg.MonthlyPartitionsDefinition:
    """Months from the first any mode may open in to the current one, which is still open (`end_offset=1`)."""
    first = min([FIRST_MONTH, *(mode.file.opening_month for mode in modes if mode.file.opening_month)])
    return dg.MonthlyPartitionsDefinition(start_date=first, fmt="%Y-%m", end_offset=1)
