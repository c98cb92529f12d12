"""Rows that say the same twice, and rows that contradict each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from basis_pipeline.market_data.corrections import Signature
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import Mask, Series, first_places

EXACT, BY_SIGNATURE, UNDECIDED = "exact_duplicate", "conflict_signature", "conflicting_rows"


def drop_exact_duplicates(series: Series) -> Series:
    """Keep the first of rows that are equal in every column of the dataset."""
    # Flags are set by later rules.
    columns = ["timestamp", *(name for name in series.dataset.names() if name in series.frame)]
    return series.drop(EXACT, series.frame.duplicated(subset=columns, keep="first").to_numpy(dtype=bool))


def resolve_conflicts(series: Series, signatures: Sequence[Signature], column: str) -> Series:
    """Of rows with one key and different values, drop those that carry a declared signature of bogus rows.

    The first signature that any row of a conflict carries decides it, if exactly one row is left. Conflicts that stay
    undecided are set aside whole: there is no telling which row is right.
    """
    for position, signature in enumerate(signatures):
        clash, size = _conflicts(series)
        bogus = _carries(series, signature, column) & clash
        carriers = _per_group(series, bogus)
        earlier = np.zeros(len(bogus), dtype=bool)
        for previous in signatures[:position]:
            earlier |= _per_group(series, _carries(series, previous, column) & clash) > 0
        series = series.drop(BY_SIGNATURE, bogus & (size - carriers == 1) & ~earlier)
    return set_aside_conflicts(series)


def set_aside_conflicts(series: Series) -> Series:
    """Quarantine all rows that share a key with another row."""
    clash, _size = _conflicts(series)
    if not clash.any():
        return series
    places = first_places(np.unique(series.stamps[clash]))
    message = f"{int(clash.sum())} rows contradict each other at {places}; set aside, none is believed."
    remedy = "declare a signature in configs/data if one row of a pair can be told to be wrong."
    finding = Finding("WARN", UNDECIDED, message, remedy, *series.place(clash), count=int(clash.sum()))
    return series.set_aside(UNDECIDED, clash).note(finding)


def _conflicts(series: Series) -> tuple[Mask, Mask]:
    key = list(series.dataset.key)
    clash = series.frame.duplicated(subset=key, keep=False).to_numpy(dtype=bool)
    size = series.frame.groupby(key, sort=False)["source_row"].transform("size").to_numpy()
    return clash, size


def _per_group(series: Series, rows: Mask) -> Mask:
    key = [series.frame[name] for name in series.dataset.key]
    counts: Mask = series.frame.assign(_carrier=rows).groupby(key, sort=False)["_carrier"].transform("sum").to_numpy()
    return counts


def _carries(series: Series, signature: Signature, column: str) -> Mask:
    values = series.values(column)
    return values <= signature.at_most if signature.at_most is not None else values == signature.equals
