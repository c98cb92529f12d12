"""Walk-forward purity: nothing that comes after a signal changes it, and no training row reaches into its month."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from basis_pipeline.domain.errors import DataError
from basis_pipeline.domain.timeline import DAY, month_end, month_start
from basis_pipeline.ml.features import STEP, Bars, on_grid, rows_of
from basis_pipeline.ml.signals import SignalColumns, signals_of
from basis_pipeline.ml.training import ModelSpec, forecast, training_rows

HORIZON = 12
SPECS = {name: ModelSpec(name, HORIZON, 2) for name in ("trees", "logistic")}
FIRST, LAST = month_start("2024-01"), month_end("2024-03")


def walk(seed: int = 3, first: int = FIRST, behind: int = LAST) -> Bars:
    """Random bars from `first` to `behind`, with a hole of two hours."""
    generator = np.random.default_rng(seed)
    stamps = np.arange(first, behind, STEP, dtype=np.int64)
    close = 50_000.0 * np.exp(np.cumsum(generator.normal(0.0, 1e-3, len(stamps))))
    opened = np.concatenate([[50_000.0], close[:-1]])
    spread = np.abs(generator.normal(0.0, 5e-4, (2, len(stamps))))
    high, low = np.maximum(opened, close) * (1 + spread[0]), np.minimum(opened, close) * (1 - spread[1])
    columns = np.array([opened, high, low, close, generator.lognormal(3.0, 1.0, len(stamps))])
    kept = np.ones(len(stamps), dtype=bool)
    kept[5_000:5_024] = False
    return on_grid(stamps[kept], columns[:, kept])


def altered(bars: Bars, since: int) -> Bars:
    """Every bar stamped `since` or later is another one."""
    generator = np.random.default_rng(99)
    later = bars.stamps >= since
    prices = [np.where(later, column * generator.uniform(0.5, 2.0, len(column)), column) for column in bars[1:]]
    return Bars(bars.stamps, *prices)


def told(bars: Bars, month: str, kind: str = "trees") -> SignalColumns:
    return signals_of(forecast(rows_of(bars, HORIZON), month, SPECS[kind]))


@pytest.fixture(scope="module")
def march() -> SignalColumns:
    return told(walk(), "2024-03")


@settings(max_examples=12, deadline=None)
@given(row=st.integers(1, 31 * 288 - 1))
def test_altering_any_bar_after_t_changes_no_signal_at_or_before_t(march: SignalColumns, row: int) -> None:
    """A signal at t is told from bars that ended by t; the bar stamped t has only begun."""
    t = int(march.timestamp[row])
    again = told(altered(walk(), t), "2024-03")
    for before, after in zip(march, again, strict=True):
        assert before[: row + 1].tolist() == after[: row + 1].tolist()


def test_the_bar_before_does_change_the_signal(march: SignalColumns) -> None:
    t = int(march.timestamp[1_000])
    again = told(altered(walk(), t - STEP), "2024-03")
    assert march.sd[1_000] != again.sd[1_000]
    assert march.confidence[:1_000].tolist() == again.confidence[:1_000].tolist()


def test_nothing_in_a_month_changes_the_model_of_that_month() -> None:
    rows, spec = rows_of(walk(), HORIZON), SPECS["trees"]
    changed = rows_of(altered(walk(), month_start("2024-03")), HORIZON)
    before, after = (training_rows(found, "2024-03", spec) for found in (rows, changed))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_horizon_is_purged_at_the_boundary() -> None:
    """The last row may act 65 minutes before the month: its outcome is known five minutes before it begins."""
    past = training_rows(rows_of(walk(), HORIZON), "2024-03", SPECS["trees"])
    start = month_start("2024-03")
    assert int(past.known_at.max()) == start - STEP
    assert int(past.acts_at.max()) == start - STEP - HORIZON * STEP
    assert int(past.acts_at.min()) >= month_start("2024-01")
    said = forecast(rows_of(walk(), HORIZON), "2024-03", SPECS["trees"])
    assert (said.last_row, said.last_outcome) == (int(past.acts_at.max()), int(past.known_at.max()))
    assert said.trained_on == len(past.acts_at)


def test_a_model_looks_back_as_many_months_as_it_says() -> None:
    past = training_rows(rows_of(walk(), HORIZON), "2024-03", ModelSpec("trees", HORIZON, 1))
    assert int(past.acts_at.min()) == month_start("2024-02")


@pytest.mark.parametrize("kind", SPECS)
def test_training_twice_says_the_same(kind: str) -> None:
    rows = rows_of(walk(), HORIZON)
    one, other = (forecast(rows, "2024-02", SPECS[kind]) for _ in range(2))
    assert one.digest == other.digest
    np.testing.assert_array_equal(one.probability, other.probability)


def test_a_missing_bar_is_no_news() -> None:
    """After a bar that is not there the signal is `hold`; the month has a signal at every step all the same."""
    bars = walk()
    january = told(bars, "2024-02")
    stamps = bars.stamps[np.isnan(bars.close)] + STEP
    assert len(stamps) == 24
    assert all(month_start("2024-01") <= stamp < month_start("2024-02") for stamp in stamps.tolist())
    holed = Bars(bars.stamps, *(np.where(bars.stamps == month_start("2024-02") + DAY, np.nan, c) for c in bars[1:]))
    again = told(holed, "2024-02")
    assert len(again.timestamp) == len(january.timestamp) == 29 * 288
    silent = again.timestamp[again.signal == "hold"] - month_start("2024-02") - DAY
    assert silent.tolist() == [STEP, 2 * STEP], "neither the bar nor the move into the next one is known"
    assert not again.confidence[again.signal == "hold"].any()


def test_too_little_to_learn_from_is_refused() -> None:
    with pytest.raises(DataError, match="rows before 2024-01 are too few"):
        forecast(rows_of(walk(), HORIZON), "2024-01", SPECS["trees"])
