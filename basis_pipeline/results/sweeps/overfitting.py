"""How much of the best of many backtests is the luck of having tried many.

* Expected maximum: of N Sharpe ratios that scatter with variance V around no skill,
  E[max] = sqrt(V) x ((1 - g) x Z(1 - 1 / N) + g x Z(1 - 1 / (N e))), g the Euler-Mascheroni constant, Z the quantile of
  the normal distribution.
* Deflated Sharpe ratio: the probability that the true ratio behind the best one exceeds E[max], given length, skewness
  and kurtosis of its returns: Phi((SR - E[max]) x sqrt(T - 1) / sqrt(1 - skew x SR + (kurtosis - 1) / 4 x SR^2)).
  Both: Bailey and Lopez de Prado, The Deflated Sharpe Ratio, Journal of Portfolio Management 40 (2014).
* Probability of backtest overfitting: days are cut into blocks; for every half of the blocks the best trial of that
  half is looked up in the other half; the share of halves in which it is no better than the median there
  (combinatorially symmetric cross-validation). Bailey, Borwein, Lopez de Prado and Zhu, The Probability of Backtest
  Overfitting, Journal of Computational Finance 20 (2017).

Points of a grid are alike, so that their number overstates the trials: E[max] errs on the high side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from basis_pipeline.results.columns import FloatArray
from basis_pipeline.results.metrics import DAYS_A_YEAR

EULER_MASCHERONI = 0.5772156649015329
BLOCKS = 12
"""924 ways to take half of them."""

_LEAST_DAYS = 4 * BLOCKS
_NORMAL = NormalDist()


class Overfitting(NamedTuple):
    """Ratios are annual.

    Attributes:
        trials: points with a Sharpe ratio; those that came out alike to the last bit are one.
        best: index of the best among them.
        best_sharpe: its ratio.
        expected_maximum: what the best of so many would be expected to show without any skill.
        deflated: probability that the best has a true ratio above that.
        probability: of backtest overfitting; None where points do not cover the same days, or too few of them.
    """

    trials: int
    best: int
    best_sharpe: float
    expected_maximum: float
    deflated: float
    probability: float | None


def overfitting(returns: Sequence[FloatArray]) -> Overfitting | None:
    """Judge the best of several series of daily returns; None for fewer than two that scatter and differ."""
    different = {series.tobytes(): index for index, series in reversed(list(enumerate(returns)))}
    scattering = [index for index in sorted(different.values()) if _scatters(returns[index])]
    if len(scattering) < 2:
        return None
    trials = [returns[index] for index in scattering]
    ratios = np.array([_sharpe(series) for series in trials])
    best = int(np.argmax(ratios))
    expected = expected_maximum(len(ratios), float(np.std(ratios, ddof=1)))
    a_year = math.sqrt(DAYS_A_YEAR)
    return Overfitting(
        trials=len(trials),
        best=scattering[best],
        best_sharpe=float(ratios[best]) * a_year,
        expected_maximum=expected * a_year,
        deflated=_deflated(trials[best], expected),
        probability=backtest_overfitting(trials),
    )


def expected_maximum(trials: int, spread: float) -> float:
    """The largest Sharpe ratio to be expected of `trials` without skill with standard deviation `spread`."""
    high, higher = _NORMAL.inv_cdf(1.0 - 1.0 / trials), _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return spread * ((1.0 - EULER_MASCHERONI) * high + EULER_MASCHERONI * higher)


def deflated_sharpe(ratio: float, hurdle: float, days: int, *, skewness: float, kurtosis: float) -> float:
    """Probability that the true ratio behind an observed one is above `hurdle`; per day, a normal has kurtosis 3."""
    variance = 1.0 - skewness * ratio + (kurtosis - 1.0) / 4.0 * ratio**2
    return _NORMAL.cdf((ratio - hurdle) * math.sqrt(days - 1) / math.sqrt(variance))


def _deflated(returns: FloatArray, hurdle: float) -> float:
    standard = (returns - returns.mean()) / returns.std()
    skewness, kurtosis = float((standard**3).mean()), float((standard**4).mean())
    return deflated_sharpe(_sharpe(returns), hurdle, len(returns), skewness=skewness, kurtosis=kurtosis)


def backtest_overfitting(trials: Sequence[FloatArray]) -> float | None:
    """Share of halves of the days whose best trial is no better than the median trial in the other half."""
    days = {len(series) for series in trials}
    if len(days) != 1 or min(days) < _LEAST_DAYS:
        return None
    blocks = np.array_split(np.array(trials), BLOCKS, axis=1)
    sums = np.array([block.sum(axis=1) for block in blocks])
    squares = np.array([(block**2).sum(axis=1) for block in blocks])
    counts = np.array([block.shape[1] for block in blocks], dtype=np.float64)
    worse = 0
    halves = list(combinations(range(BLOCKS), BLOCKS // 2))
    for half in halves:
        inside = np.isin(np.arange(BLOCKS), half)
        seen, unseen = (_ratios(sums[side], squares[side], counts[side]) for side in (inside, ~inside))
        rank = 1 + int((unseen < unseen[int(np.argmax(seen))]).sum())
        worse += 2 * rank <= len(trials) + 1
    return worse / len(halves)


def _ratios(sums: FloatArray, squares: FloatArray, counts: FloatArray) -> FloatArray:
    """Sharpe ratio of every trial over some blocks, from the sums of its returns and of their squares."""
    count = float(counts.sum())
    mean = sums.sum(axis=0) / count
    deviation = np.sqrt(np.maximum(squares.sum(axis=0) / count - mean**2, 0.0))
    ratios: FloatArray = np.divide(mean, deviation, out=np.zeros_like(mean), where=deviation > 0.0)
    return ratios


def _scatters(returns: FloatArray) -> bool:
    return len(returns) > 2 and float(np.std(returns)) > 0.0


def _sharpe(returns: FloatArray) -> float:
    return float(returns.mean() / returns.std(ddof=1))
