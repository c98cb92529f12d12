"""Missing funding settlements: the median of the other venues, within a budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from basis_pipeline.domain.timeline import HOUR, month_of
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import PROXIED, Series, first_places, months_of

PROXY, OVER_BUDGET = "proxy:median_of_venues", "funding_hole"


def proxy_funding(series: Series, others: Sequence[Series], budget: int) -> Series:
    """Stand in for missing settlements with the median of `others` at the same stamp, at most `budget` in a month.

    A month that misses more keeps its holes and gets an ERROR: so many guesses are no data. Settlements after the last
    own one are stood in for up to the end of its month, on the same budget, since a corrected label shift takes
    settlements off the end of a complete file.
    """
    if not len(series.frame):
        return series
    missing = _missing(series, others)
    for month, stamps in missing.groupby(months_of(np.asarray(missing, dtype=np.int64))):
        if len(stamps) > budget:
            series = series.note(_over_budget(str(month), stamps, budget))
            continue
        rows = _medians(series, others, stamps)
        finding = Finding("WARN", PROXY, f"{len(rows)} settlements stood in for: {first_places(rows['timestamp'])}.")
        if len(rows):
            series = series.add(PROXY, "proxied", rows).note(_with_month(finding, str(month), len(rows)))
    return series


def _missing(series: Series, others: Sequence[Series]) -> pd.Series[int]:
    stamps, intervals = series.stamps, np.round(series.values("interval_hours") * HOUR).astype(np.int64)
    inside: list[int] = []
    for at in np.flatnonzero(np.diff(stamps) > intervals[1:]).tolist():
        # The interval of a row is the one that ends there: count back from the row after the hole.
        inside += sorted(range(int(stamps[at + 1] - intervals[at + 1]), int(stamps[at]), -int(intervals[at + 1])))
    step, last = int(intervals[-1]), int(stamps[-1])
    later = np.unique(np.concatenate([np.zeros(0, np.int64), *(other.stamps for other in others)]))
    tail = [stamp for stamp in later[later > last].tolist() if month_of(stamp) == month_of(last) and stamp % step == 0]
    return pd.Series([*inside, *tail], dtype="int64")


def _medians(series: Series, others: Sequence[Series], stamps: pd.Series[int]) -> pd.DataFrame:
    columns = [other.observed.set_index("timestamp")["funding_rate"].rename(other.key.venue) for other in others]
    if not columns:
        return series.frame.iloc[:0]
    median = pd.concat(columns, axis=1).reindex(stamps.to_numpy()).median(axis=1).dropna()
    donor = others[0].frame.set_index("timestamp").reindex(median.index)
    return pd.DataFrame(
        {
            "timestamp": median.index.to_numpy(dtype=np.int64),
            "funding_rate": median.to_numpy(),
            "interval_hours": series.values("interval_hours")[-1],
            "quality": PROXIED,
            "source_file": donor["source_file"].to_numpy(),
            "source_row": donor["source_row"].to_numpy(),
        }
    )


def _over_budget(month: str, stamps: pd.Series[int], budget: int) -> Finding:
    message = f"{len(stamps)} settlements are missing in {month}, more than the {budget} that may be stood in for."
    remedy = "add a file that has them, or keep this venue out of runs over that month."
    return Finding("ERROR", OVER_BUDGET, message, remedy, month=month, count=len(stamps))


def _with_month(finding: Finding, month: str, count: int) -> Finding:
    return Finding(finding.severity, finding.rule, finding.message, month=month, count=count)
