"""Walk-forward: the model of a month has seen earlier months only, less what reaches over the boundary.

A row may train the model of month M if its outcome was known before M began, so that no label of a training row looks
into M (purging; Lopez de Prado, Advances in Financial Machine Learning, chapter 7).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from basis_pipeline.domain.errors import DataError
from basis_pipeline.domain.timeline import DAY, month_end, month_start, shift_month
from basis_pipeline.ml.drift import stability_index
from basis_pipeline.ml.features import STEP, Floats, Rows
from basis_pipeline.storage.digests import text_digest

MINIMUM_ROWS = 1_000
DRIFT_WINDOW = 28 * DAY
"""What a model has said lately: long enough for the hours of a day and the days of a week to even out."""


class ModelSpec(msgspec.Struct, frozen=True):
    """What is trained: the estimator, its horizon in bars, and how many months it looks back."""

    estimator: Literal["trees", "logistic"]
    horizon: int
    training_months: int


class Forecast(NamedTuple):
    """The model of one month and what it says of it.

    Attributes:
        rows: the rows of the month.
        probability: that the return over the horizon is positive; NaN where the last bar is missing.
        drift: how far what the model said in the DRIFT_WINDOW up to each row is from what it said in training.
        trained_on: rows used for training.
        first_row, last_row: when the first and the last of them could have been acted on.
        last_outcome: when the last of their outcomes was known.
        digest: of what the model says, in training and in its month.
    """

    rows: Rows
    probability: Floats
    drift: Floats
    trained_on: int
    first_row: int
    last_row: int
    last_outcome: int
    digest: str


def training_rows(rows: Rows, month: str, spec: ModelSpec) -> Rows:
    """Rows whose outcome was known before `month` began, and that are not older than the model looks back."""
    start, oldest = month_start(month), month_start(shift_month(month, -spec.training_months))
    usable = np.isfinite(rows.outcome) & _current(rows)
    return rows.where(usable & (rows.known_at < start) & (rows.acts_at >= oldest))


def forecast(rows: Rows, month: str, spec: ModelSpec) -> Forecast:
    """Train the model of `month` and ask it about every row of the month.

    Raises:
        DataError: there are too few rows before the month to train on.
    """
    past = training_rows(rows, month, spec)
    if len(past.acts_at) < MINIMUM_ROWS:
        raise DataError(
            f"{len(past.acts_at)} rows before {month} are too few to train a model on (at least {MINIMUM_ROWS}).",
            remedy="start later, or ingest earlier candles.",
        )
    asked = rows.where((rows.acts_at >= month_start(month) - DRIFT_WINDOW) & (rows.acts_at < month_end(month)))
    # One thread: sums of floats in the order of several would differ in the last bit from run to run.
    with threadpool_limits(1):
        model = _estimator(spec)
        model.fit(past.features, past.outcome > 0.0)
        learnt, said = (_positive(model.predict_proba(part.features)) for part in (past, asked))
    said[~_current(asked)] = np.nan
    own = asked.acts_at >= month_start(month)
    drift = stability_index(learnt, said, DRIFT_WINDOW // STEP)[own]
    digest = text_digest(*(values.tobytes().hex() for values in (learnt, said[own])))
    acts_at = past.acts_at
    last_outcome = int(past.known_at.max())
    return Forecast(
        asked.where(own), said[own], drift, len(acts_at), int(acts_at[0]), int(acts_at[-1]), last_outcome, digest
    )


def _current(rows: Rows) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Rows whose own bar is there: their shortest return is known."""
    return np.isfinite(rows.features[:, 0])


def _positive(probabilities: Floats) -> Floats:
    return np.asarray(probabilities, dtype=np.float64)[:, 1]


def _estimator(spec: ModelSpec) -> HistGradientBoostingClassifier | LogisticRegression:
    if spec.estimator == "trees":
        return HistGradientBoostingClassifier(
            learning_rate=0.05,
            max_iter=60,
            max_leaf_nodes=8,
            min_samples_leaf=500,
            l2_regularization=10.0,
            early_stopping=False,
            random_state=0,
        )
    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=0.01))
