"""How far the best of many is luck, against published figures and against chance itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from basis_pipeline.results.sweeps.overfitting import (
    backtest_overfitting,
    deflated_sharpe,
    expected_maximum,
    overfitting,
)


def test_the_example_of_the_paper_on_the_deflated_sharpe_ratio() -> None:
    """Bailey and Lopez de Prado (2014): 100 trials, annual variance 1/2, five years of 250 days, annual ratio 2.5."""
    hurdle = expected_maximum(100, math.sqrt(0.5 / 250))
    assert hurdle == pytest.approx(0.1132, abs=5e-5)
    found = deflated_sharpe(2.5 / math.sqrt(250), hurdle, 1250, skewness=-3.0, kurtosis=10.0)
    assert found == pytest.approx(0.9004, abs=5e-5)


def test_the_expected_maximum_is_that_of_drawn_normals() -> None:
    drawn = np.random.default_rng(3).normal(0.0, 0.2, (20_000, 40)).max(axis=1)
    assert expected_maximum(40, 0.2) == pytest.approx(drawn.mean(), rel=0.02)


def noise(seed: int, trials: int = 30, days: int = 360) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).normal(0.0, 0.01, (trials, days)))


def test_the_best_of_pure_noise_is_overfitted_about_half_the_time_and_not_significant() -> None:
    found = [overfitting(noise(seed)) for seed in range(12)]
    assert 0.35 < np.mean([one.probability for one in found]) < 0.65
    assert np.mean([one.deflated for one in found]) < 0.75


def test_one_point_with_real_skill_is_recognised() -> None:
    trials = noise(5)
    trials[17] = trials[17] + 0.004
    found = overfitting(trials)
    assert (found.best, found.trials) == (17, 30)
    assert found.probability == 0.0
    assert found.deflated > 0.99
    own = trials[17].mean() / trials[17].std(ddof=1) * math.sqrt(365)
    assert found.best_sharpe == pytest.approx(own, rel=1e-12)


def test_points_that_were_good_in_one_half_of_the_days_only_are_overfitted_in_every_uneven_split() -> None:
    """Of 924 halves of 12 blocks 20 x 20 take three from either half: there the steady point is best on both sides."""
    rising, steady = np.tile([0.02, 0.01], 60), np.tile([0.0110, -0.0100], 120)
    trials = [np.concatenate([rising, -rising]), np.concatenate([-rising, rising]), steady]
    assert backtest_overfitting(trials) == pytest.approx((924 - 400) / 924, rel=1e-12)


def test_without_scatter_or_company_there_is_nothing_to_judge() -> None:
    assert overfitting([]) is None
    assert overfitting(noise(1, trials=1)) is None
    assert overfitting([np.zeros(100), np.zeros(100)]) is None


def test_points_over_different_days_are_ranked_but_not_cross_validated() -> None:
    uneven = [*noise(2, trials=3, days=360), *noise(3, trials=3, days=200)]
    assert overfitting(uneven).probability is None


def test_points_that_came_out_alike_are_one_trial() -> None:
    """A key without effect must not look like more trials, nor like a plateau."""
    trials = noise(7, trials=6)
    alike = [series for series in trials for _ in range(3)]
    found, plain = overfitting(alike), overfitting(trials)
    assert found._replace(best=0) == plain._replace(best=0)
    assert found.best == 3 * plain.best
