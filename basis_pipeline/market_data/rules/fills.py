"""Holes filled from declared donors, row by row, in the declared order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd

from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.rules.candles import aggregate
from basis_pipeline.market_data.series import FILLED, Series, Stamps

_FILL = "fill:"


def donor_of(rule: str) -> tuple[str, str] | None:
    """Dataset and venue of the donor that a fill names; None of one that looks at nothing else."""
    dataset, _, venue = rule.removeprefix(_FILL).partition(":")
    return (dataset, venue) if venue else None


def hole_stamps(series: Series) -> Stamps:
    """Stamps of the dataset's grid that are absent between the first and the last row."""
    step = cast(int, series.dataset.step)
    if not len(series.frame):
        return series.stamps
    grid = np.arange(series.stamps[0], series.stamps[-1] + step, step, dtype=np.int64)
    return np.setdiff1d(grid, series.stamps, assume_unique=True)


def fill_holes(series: Series, donors: Sequence[Series]) -> Series:
    """Fill the holes of `series` with observed rows of `donors`, the first that has the stamp.

    Prices are taken as they are. Volume is taken only from bars of the same venue that trade (shorter bars of the same
    series): a mark has none, and another venue's volume is not this venue's.
    """
    for donor in donors:
        missing = hole_stamps(series)
        if not len(missing):
            break
        rows = _bars(donor, cast(int, series.dataset.step))
        rows = rows[rows["timestamp"].isin(missing)]
        if not _same_market(series.key, donor.key):
            rows = rows.assign(volume=np.nan)
        rule = f"{_FILL}{donor.key.dataset}:{donor.key.venue}"
        series = series.add(rule, "filled", rows.assign(quality=FILLED))
    return series


def _bars(donor: Series, step: int) -> pd.DataFrame:
    own = cast(int, donor.dataset.step)
    return donor.observed if own == step else aggregate(donor.observed, own, step)


def _same_market(series: SeriesKey, donor: SeriesKey) -> bool:
    kinds = {key.dataset.partition("_")[0] for key in (series, donor)}
    return len(kinds) == 1 and series.venue == donor.venue
