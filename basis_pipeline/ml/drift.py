"""Model drift: whether a model still says the kind of thing it said in training (R76)."""

from __future__ import annotations

import numpy as np

from basis_pipeline.ml.features import Floats

CLASSES = 10


def stability_index(trained: Floats, said: Floats, window: int) -> Floats:
    """Population stability index of the last `window` values of `said`, at each of them, against `trained`.

    The sum over the deciles of `trained` of (a - e) ln(a / e), a and e the shares of the latest and of the training
    values in a decile. By custom below 0.1 is stable, above 0.25 another population. A class counts half a value more
    than it has, so that an empty one is no infinity. NaN values are not counted; NaN where there are none.
    """
    edges = np.quantile(trained, np.arange(1, CLASSES) / CLASSES)
    expected = _shares(np.bincount(np.searchsorted(edges, trained), minlength=CLASSES)[None, :])
    known = np.isfinite(said)
    members = np.zeros((len(said) + 1, CLASSES), dtype=np.int64)
    members[1:][known, np.searchsorted(edges, said[known])] = 1
    upto = members.cumsum(axis=0)
    behind = np.arange(1, len(said) + 1)
    counts = upto[behind] - upto[np.maximum(0, behind - window)]
    actual = _shares(counts)
    found: Floats = ((actual - expected) * np.log(actual / expected)).sum(axis=1)
    found[counts.sum(axis=1) == 0] = np.nan
    return found


def _shares(counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Floats:
    smoothed: Floats = (counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 0.5 * CLASSES)
    return smoothed
