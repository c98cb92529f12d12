"""Skill is reported as it is: none for noise, all of it for clairvoyance, with intervals that mean what they say."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from basis_pipeline.ml.features import Floats, Rows
from basis_pipeline.ml.signals import skill_of
from basis_pipeline.ml.training import Forecast

SIZE = 1_200


def said(probability: Floats, outcome: Floats) -> Forecast:
    stamps = np.arange(len(outcome), dtype=np.int64)
    blank, flat = np.zeros((len(outcome), 1)), np.full(len(outcome), 0.01)
    return Forecast(Rows(stamps, blank, flat, outcome, stamps), probability, flat, 0, 0, 0, 0, "")


def noise(seed: int) -> tuple[Floats, Floats]:
    generator = np.random.default_rng(seed)
    return generator.uniform(0.3, 0.7, SIZE), generator.normal(0.0, 0.01, SIZE)


def test_noise_shows_skill_as_rarely_as_the_interval_promises() -> None:
    """The lower bound of a 95% interval lies above chance in one of 40 worlds without skill."""
    shown = sum(bool((skill := skill_of(said(*noise(seed)), 1)) and skill.shown) for seed in range(200))
    assert shown <= 12


def test_the_figures_are_those_of_their_definitions() -> None:
    probability, outcome = noise(5)
    skill = skill_of(said(probability, outcome), 1)
    assert skill is not None
    assert skill.auc.value == pytest.approx(roc_auc_score(outcome > 0.0, probability), abs=1e-12)
    hits = (probability > 0.5) == (outcome > 0.0)
    assert skill.hit_rate.value == hits.mean()
    assert skill.edge.value == pytest.approx(np.where(hits, abs(outcome), -abs(outcome)).mean(), abs=1e-15)
    half = (skill.edge.high - skill.edge.low) / 2
    assert half == pytest.approx(1.96 * outcome.std() / sqrt(SIZE), rel=0.01)


def test_clairvoyance_is_shown() -> None:
    outcome = noise(7)[1]
    skill = skill_of(said(np.where(outcome > 0.0, 0.6, 0.4), outcome), 1)
    assert skill is not None
    assert skill.shown
    assert (skill.hit_rate.value, skill.auc.value) == (1.0, 1.0)


def test_overlapping_outcomes_widen_the_interval() -> None:
    """Twelve rows that share an hour are one outcome."""
    forecast = said(*noise(11))
    apart, overlapping = skill_of(forecast, 1), skill_of(forecast, 12)
    assert apart is not None
    assert overlapping is not None
    assert (apart.outcomes, overlapping.outcomes) == (SIZE, SIZE // 12)
    assert overlapping.auc.value == apart.auc.value
    ratio = (overlapping.auc.high - overlapping.auc.low) / (apart.auc.high - apart.auc.low)
    assert ratio == pytest.approx(sqrt(12), rel=0.01)


def test_too_few_outcomes_say_nothing() -> None:
    probability, outcome = noise(13)
    assert skill_of(said(probability[:29], outcome[:29]), 1) is None
    assert skill_of(said(probability, np.abs(outcome)), 1) is None, "every outcome is a rise"
