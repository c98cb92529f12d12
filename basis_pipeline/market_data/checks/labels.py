"""Are the stamps what they claim? A series follows its peers best without a shift."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from basis_pipeline.market_data.checks.context import Context
from basis_pipeline.market_data.checks.coverage import step_of
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.rules.stamps import SHIFTED
from basis_pipeline.market_data.series import Series

_LAGS = (-2, -1, 0, 1, 2)
_ENOUGH = 300
_FEWEST = 30
_CLEARLY = 0.01
"""By how much a correlation must be higher at another lag to say something."""


def label_correlation(series: Series, context: Context) -> Iterator[Finding]:
    """Correlation with the median of the other venues at lags of -2 to 2 steps must be highest at 0.

    ERROR needs 300 common points; with fewer the peak may be chance, which is a WARN. It is INFO where most venues, one
    by one, are followed best at 0: then another series is off.
    """
    others, step = context.other_venues(series.key), step_of(series)
    if not others or step is None:
        return
    found = lag_correlations(series, others, step)
    if not found:
        return
    points, correlations = found
    best = max(correlations, key=lambda lag: correlations[lag])
    told = ", ".join(f"{lag:+d}: {value:.3f}" for lag, value in correlations.items())
    if best == 0:
        yield Finding("INFO", "label_correlation", f"follows the other venues best at lag 0 ({told}).", count=points)
        return
    if not _most_disagree(series, others, step):
        message = (
            f"follows most other venues best at lag 0, the median of all at {best:+d} ({told}): one of them is off."
        )
        yield Finding("INFO", "label_correlation", message, count=points)
        return
    message = f"follows the other venues best at lag {best:+d} steps, not 0 ({told}; {points} points): labels are off."
    declared = f"label_shift in configs/data/{series.key.venue}.yaml"
    remedy = f"declare {declared}."
    if series.count("changed", SHIFTED):
        remedy = f"these files do not have the defect that {declared} mends: end it before them, or take it away."
    yield Finding("ERROR" if points >= _ENOUGH else "WARN", "label_correlation", message, remedy, count=points)


def _most_disagree(series: Series, others: Sequence[Series], step: int) -> bool:
    """Whether most other venues, each by itself, are followed clearly better at another lag than 0.

    Where one of three is off, the median of the other two is half of it: only it is to be blamed. In a month of panic
    rates hardly change from one settlement to the next, and the best lag is chance.
    """
    found = [one for other in others if (one := lag_correlations(series, [other], step))]
    off = sum(max(by_lag.values()) > by_lag[0] + _CLEARLY for _, by_lag in found)
    return 2 * off > len(found)


def lag_correlations(series: Series, others: Sequence[Series], step: int) -> tuple[int, dict[int, float]] | None:
    """Common points at lag 0, and the correlation at each lag; lag +1 compares our value at t + step with theirs at t.

    Prices are compared by log returns of consecutive bars, funding rates as they are. None if too little is common.
    """
    own = _signal(series, step)
    theirs = pd.concat([_signal(other, step) for other in others], axis=1).median(axis=1)
    correlations, points = {}, 0
    for lag in _LAGS:
        shifted = pd.Series(own.to_numpy(), index=own.index - lag * step)
        both = pd.concat([shifted, theirs], axis=1, join="inner").dropna().to_numpy()
        if len(both) < _FEWEST or (both.std(axis=0) == 0.0).any():
            return None
        points = len(both) if lag == 0 else points
        correlations[lag] = float(np.corrcoef(both.T)[0, 1])
    return points, correlations


def _signal(series: Series, step: int) -> pd.Series[float]:
    frame = series.observed
    if series.key.dataset == "funding_rates":
        return pd.Series(frame["funding_rate"].to_numpy(), index=frame["timestamp"].to_numpy())
    stamps, close = frame["timestamp"].to_numpy(), np.log(frame["close"].to_numpy())
    follows = np.diff(stamps) == step
    return pd.Series(np.diff(close)[follows], index=stamps[1:][follows])
