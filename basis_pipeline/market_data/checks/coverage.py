"""Coverage: what a series does not have."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from basis_pipeline.domain.timeline import DAY, HOUR, iso
from basis_pipeline.market_data.checks.context import Context
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.manifests import coverage_of
from basis_pipeline.market_data.series import FILLED, Series, months_of

_SHOWN = 5


def step_of(series: Series) -> int | None:
    """The dataset's step, or the funding interval if there is one; None where rows come as they come."""
    if series.key.dataset == "funding_rates":
        intervals = np.unique(series.values("interval_hours"))
        return int(intervals[0]) * HOUR if len(intervals) == 1 else None
    return series.dataset.step


def holes(series: Series, _context: Context) -> Iterator[Finding]:
    """Steps that are absent between the first and the last row, after all fills."""
    step = step_of(series)
    if step is None or not len(series.frame):
        return
    found = coverage_of(series.stamps, step)
    if found.missing:
        runs = ", ".join(f"{iso(run.first)}..{iso(run.last)}" for run in found.missing[:_SHOWN])
        more = f", ... ({len(found.missing) - _SHOWN} more)" if len(found.missing) > _SHOWN else ""
        message = (
            f"{found.missing_steps} of {found.expected} steps are missing in {len(found.missing)} holes: {runs}{more}."
        )
        yield Finding("WARN", "coverage", message, count=found.missing_steps)


def early_end(series: Series, context: Context) -> Iterator[Finding]:
    """A series that ends more than a day before the last of its dataset."""
    if series.dataset.step is None or not len(series.frame):
        return
    last = max(int(other.stamps[-1]) for other in (series, *context.of_dataset(series.key.dataset)))
    behind = last - int(series.stamps[-1])
    if behind > DAY:
        message = (
            f"ends {iso(int(series.stamps[-1]))}, {behind // DAY} days before the last series of {series.key.dataset}."
        )
        yield Finding("WARN", "early_end", message, count=behind // DAY)


def filled_share(series: Series, context: Context) -> Iterator[Finding]:
    """Months of which more than the declared share is filled."""
    frame = series.frame
    if FILLED not in set(frame["quality"]):
        return
    by_month = (frame["quality"] == FILLED).groupby(months_of(series.stamps)).agg(["sum", "size"])
    for month, filled, rows in by_month.itertuples():
        if filled > context.general.fill_warning * rows:
            message = f"{filled / rows:.1%} of {month} is filled from other series."
            yield Finding("WARN", "filled_share", message, month=str(month), count=int(filled))
