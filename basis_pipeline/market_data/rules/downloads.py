"""Rows that were downloaded from the venue itself, next to rows of somebody's files."""

from __future__ import annotations

import numpy as np

from basis_pipeline.market_data.dataset_types import DOWNLOADED
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import Mask, Series, first_places

OUTRANKED = "outranked_by_download"
_SAME = 1e-9


def came_from_venue(series: Series) -> Mask:
    """Rows of downloaded files."""
    return series.frame["source_file"].str.startswith(DOWNLOADED).to_numpy(dtype=bool)


def prefer_downloads(series: Series) -> Series:
    """Of rows with one key keep the downloaded one: it is what the venue says today, without an exporter in between."""
    key = list(series.dataset.key)
    fetched = came_from_venue(series)
    ours = series.frame[fetched].set_index(key)
    outranked = ~fetched & series.frame.set_index(key).index.isin(ours.index)
    if not outranked.any():
        return series
    numbers = [name for name in series.dataset.names("number") if name in series.frame]
    theirs = series.frame[outranked].set_index(key)[numbers].to_numpy(dtype=np.float64)
    chosen = ours.loc[series.frame[outranked].set_index(key).index, numbers].to_numpy(dtype=np.float64)
    differ = (np.abs(theirs - chosen) > _SAME * np.abs(chosen)).any(axis=1)
    if differ.any():
        places = first_places(series.stamps[outranked][differ])
        message = f"{int(differ.sum())} rows differ from what the venue itself says, at {places}; the download counts."
        series = series.note(Finding("WARN", OUTRANKED, message, count=int(differ.sum())))
    return series.drop(OUTRANKED, np.asarray(outranked, dtype=bool))
