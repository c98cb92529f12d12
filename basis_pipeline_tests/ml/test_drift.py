"""Model drift against arithmetic that needs no code: shares of deciles, and the sum of (a - e) ln(a / e)."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from basis_pipeline.ml.drift import CLASSES, stability_index

TRAINED = np.arange(1000) / 1000.0


def index_of(shares: list[float]) -> float:
    return sum((share - 1 / CLASSES) * log(share * CLASSES) for share in shares)


def test_the_population_of_training_is_stable() -> None:
    assert stability_index(TRAINED, TRAINED, 1000)[-1] == pytest.approx(0.0, abs=1e-12)


def test_half_of_the_deciles_by_hand() -> None:
    """10,000 values in the upper five deciles: shares (2000 + 0.5) / 10,005, and 0.5 / 10,005 in the lower five."""
    said = np.tile(0.5 + np.arange(500) / 1000.0, 20)
    found = stability_index(TRAINED, said, len(said))[-1]
    assert found == pytest.approx(index_of([0.5 / 10_005] * 5 + [2000.5 / 10_005] * 5), rel=1e-12)


def test_only_the_window_counts() -> None:
    said = np.concatenate([np.full(300, 0.95), TRAINED])
    assert stability_index(TRAINED, said, 1000)[-1] == pytest.approx(0.0, abs=1e-12)
    assert stability_index(TRAINED, said, 1300)[-1] > 0.05
    assert stability_index(TRAINED, said, 1300)[:700].tolist() == stability_index(TRAINED, said[:700], 1300).tolist()


def test_values_that_are_not_there_are_not_counted() -> None:
    holed = np.concatenate([[np.nan] * 5, TRAINED, [np.nan] * 5])
    found = stability_index(TRAINED, holed, 2000)
    assert np.isnan(found[:5]).all()
    assert found[-1] == found[-6] == pytest.approx(0.0, abs=1e-12)
