"""From probabilities to signals, and what those were worth out of sample."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from basis_pipeline.domain.evidence import Estimate, OutOfSampleSkill
from basis_pipeline.domain.market import Direction
from basis_pipeline.ml.features import Floats, Ints
from basis_pipeline.ml.training import Forecast

NORMAL_95 = 1.959963984540054
"""Two-sided 95% quantile of the normal distribution."""

MINIMUM_OUTCOMES = 30
"""Independent outcomes below which no interval is worth the name."""


class SignalColumns(NamedTuple):
    """Signals of a month by row: `timestamp` is the bar open at which a signal may be acted on."""

    timestamp: Ints
    signal: npt.NDArray[np.str_]
    confidence: Floats
    sd: Floats
    drift: Floats


def signals_of(forecast: Forecast) -> SignalColumns:
    """The likelier direction with its probability; `hold` where the bar before is missing."""
    probability = forecast.probability
    unknown = ~(np.isfinite(probability) & np.isfinite(forecast.rows.sd))
    direction = np.where(probability > 0.5, Direction.LONG, Direction.SHORT)
    direction = np.where(probability == 0.5, Direction.NEUTRAL, direction)
    return SignalColumns(
        forecast.rows.acts_at,
        np.where(unknown, Direction.HOLD, direction).astype(np.str_),
        np.where(unknown, 0.0, np.maximum(probability, 1.0 - probability)),
        np.where(unknown, 0.0, forecast.rows.sd),
        forecast.drift,
    )


def skill_of(forecast: Forecast, horizon: int) -> OutOfSampleSkill | None:
    """Skill on the month's own outcomes, none of which was trained on; None where there are too few.

    Outcomes of neighbouring rows overlap and count the same move up to `horizon` times. The figures are taken over all
    rows, so that no minute of the hour is preferred; the intervals are those of rows / horizon independent outcomes.
    Hit rate: Wilson score interval. AUC: Hanley and McNeil (1982). IC: Spearman's rank correlation of probability and
    return, Fisher's transformation. Edge: mean log return in the direction said, normal.
    """
    probability, outcome = forecast.probability, forecast.rows.outcome
    known = np.isfinite(probability) & np.isfinite(outcome) & (outcome != 0.0)
    probability, outcome = probability[known], outcome[known]
    rises, size = outcome > 0.0, len(outcome) // horizon
    if size < MINIMUM_OUTCOMES or rises.all() or not rises.any():
        return None
    said = np.where(probability > 0.5, 1.0, -1.0)
    earned = said * outcome
    return OutOfSampleSkill(
        outcomes=size,
        hit_rate=_wilson(float((earned > 0.0).mean()), size),
        auc=_auc(probability, rises, size),
        ic=_ic(probability, outcome, size),
        edge=_mean(earned, size),
    )


def _wilson(share: float, size: int) -> Estimate:
    z2 = NORMAL_95**2
    centre = (share + z2 / (2 * size)) / (1 + z2 / size)
    half = NORMAL_95 / (1 + z2 / size) * math.sqrt(share * (1 - share) / size + z2 / (4 * size**2))
    return Estimate(share, centre - half, centre + half)


def _auc(probability: Floats, rises: npt.NDArray[np.bool_], size: int) -> Estimate:
    """Probability that a rise was given a higher probability than a fall (Mann-Whitney), ties counted half."""
    up, down = int(rises.sum()), int((~rises).sum())
    ranks = pd.Series(probability).rank().to_numpy()
    auc = (float(ranks[rises].sum()) - up * (up + 1) / 2) / (up * down)
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    risen, fallen = (size * count / len(rises) for count in (up, down))
    variance = (auc * (1 - auc) + (risen - 1) * (one - auc**2) + (fallen - 1) * (two - auc**2)) / (risen * fallen)
    half = NORMAL_95 * math.sqrt(max(0.0, variance))
    return Estimate(auc, auc - half, auc + half)


def _ic(probability: Floats, outcome: Floats, size: int) -> Estimate:
    said, happened = (pd.Series(values).rank() for values in (probability, outcome))
    if said.nunique() == 1:
        return Estimate(0.0, -1.0, 1.0)
    correlation = float(said.corr(happened))
    centre, half = math.atanh(correlation), NORMAL_95 / math.sqrt(size - 3)
    return Estimate(correlation, math.tanh(centre - half), math.tanh(centre + half))


def _mean(values: Floats, size: int) -> Estimate:
    mean, half = float(values.mean()), NORMAL_95 * float(values.std()) / math.sqrt(size)
    return Estimate(mean, mean - half, mean + half)
