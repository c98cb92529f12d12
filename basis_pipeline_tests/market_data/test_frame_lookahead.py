"""Nothing that becomes known after t changes what the frame says at t or before.

When a value becomes known is stated here a second time, from the data rules and not from the code under test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.timeline import DAY, HOUR
from basis_pipeline.market_data.frames.frame import build_frame
from basis_pipeline.market_data.frames.requirements import SeriesRef
from basis_pipeline_tests.market_data.frame_builders import EVERYTHING, FEBRUARY, MARK, PERP, POOL, RATES, SPOT, Market

END = FEBRUARY + 3 * DAY
STEPS = range(FEBRUARY, END, HOUR)
HOLES = {SPOT: range(10, 13), PERP: range(30, 32), MARK: range(31, 33), POOL: range(40, 45)}
"""Hours since 1 February without a bar."""


def market() -> Market:
    """Every kind of series, with holes in which closes, older pool prices and daily rates have to serve."""
    whole = Market(behind=FEBRUARY + 4 * DAY)
    for series, hole in HOLES.items():
        whole.without(series, FEBRUARY + hole[0] * HOUR, FEBRUARY + hole.stop * HOUR)
    return whole.without(RATES, FEBRUARY + 26 * HOUR, FEBRUARY + 29 * HOUR)


def known_at(series: SeriesRef, column: str, stamp: int, block: float) -> float:
    """When a value becomes known; infinity for what must never be read."""
    if "candles" in series.dataset:
        return stamp if column == "open" else stamp + HOUR
    if series.dataset == "oracle_prices":
        return stamp if stamp % DAY == 0 else float("inf")
    return block if series.dataset == "gas_prices_1h" else stamp


def rewrite(source: Market, change: Callable[[float], bool], generator: np.random.Generator) -> Market:
    """Multiply every value whose known_at satisfies `change` by a factor of its own. Schedules are not values."""
    for series, (stamps, columns) in source.rows.items():
        blocks = list(columns.get("block_timestamp", stamps))
        for column, values in columns.items():
            if column in ("interval_hours", "block_timestamp"):
                continue
            for row, stamp in enumerate(stamps):
                if change(known_at(series, column, stamp, blocks[row])):
                    values[row] *= float(generator.uniform(0.3, 3.0))
    return source


def snapshots(source: Market) -> list[MarketSnapshot]:
    with TemporaryDirectory() as folder:
        frame = build_frame(source.publish(Path(folder)), EVERYTHING, FEBRUARY, END)
        return [frame.at(stamp) for stamp in frame.timestamps]


@cache
def truth() -> list[MarketSnapshot]:
    return snapshots(market())


@settings(max_examples=25, deadline=None)
@given(
    step=st.integers(0, len(STEPS) - 1), offset=st.sampled_from([0, 1, HOUR // 2, HOUR - 1]), seed=st.integers(0, 2**32)
)
def test_values_known_after_t_change_nothing_up_to_t(step: int, offset: int, seed: int) -> None:
    now = STEPS[step] + offset
    altered = snapshots(rewrite(market(), lambda known: known > now, np.random.default_rng(seed)))
    assert altered[: step + 1] == truth()[: step + 1]


@settings(max_examples=10, deadline=None)
@given(step=st.integers(0, len(STEPS) - 1))
def test_rows_stamped_after_t_need_not_exist(step: int) -> None:
    """Data that end at t give an open frame that says the same; inside a hole they end where the hole begins."""
    now, whole = STEPS[step], market()
    for series in list(whole.rows):
        whole.without(series, now + 1, END + 30 * DAY)
    reached = min([step + 1, *(hole[0] for hole in HOLES.values() if step in hole)])
    with TemporaryDirectory() as folder:
        frame = build_frame(whole.publish(Path(folder)), EVERYTHING, FEBRUARY, END, allow_open=True)
    assert frame.timestamps == list(STEPS[:reached])
    assert [frame.at(stamp) for stamp in frame.timestamps] == truth()[: len(frame.timestamps)]


@pytest.mark.parametrize("step", [1, 11, 32, 44, 51, 71])
def test_values_known_by_t_do_change_what_is_said_at_t(step: int) -> None:
    """The property above would also hold for a frame that reads nothing."""
    now = STEPS[step]
    altered = snapshots(rewrite(market(), lambda known: known <= now, np.random.default_rng(step)))[step]
    for field in ("index", "ratio", "usd", "share_price", "gas_price", "gas_token_price"):
        assert getattr(altered, field) != getattr(truth()[step], field), field
    for field in ("price", "mark", "last", "value", "low", "high"):
        before, after = getattr(truth()[step], field), getattr(altered, field)
        assert all(a != b for a, b in zip(after[1:], before[1:], strict=True)), field


@pytest.mark.parametrize(
    ("field", "step", "known"),
    [
        ("price", 10, 10 * HOUR),  # the close before a hole, known when the hole begins
        ("price", 5, 5 * HOUR),  # the open of the bar stamped at the step
        ("low", 5, 5 * HOUR),  # the low of the bar that ends at the step
        ("index", 25, 25 * HOUR - HOUR),  # the hourly rate that accrued since the hour before
        ("index", 24, 24 * HOUR),  # the snapshot observed at the step
        ("funding", 16, 16 * HOUR),
    ],
)
def test_what_becomes_known_at_a_moment_counts_from_that_very_moment(field: str, step: int, known: int) -> None:
    altered = snapshots(rewrite(market(), lambda moment: moment == FEBRUARY + known, np.random.default_rng(7)))
    assert getattr(altered[step], field) != getattr(truth()[step], field)
    assert altered[: known // HOUR] == truth()[: known // HOUR]


def changed_fields(before: MarketSnapshot, after: MarketSnapshot) -> Iterator[str]:
    names = before.__struct_fields__
    return (name for name in names if getattr(before, name) != getattr(after, name))


def test_interpolated_oracle_rows_are_never_read() -> None:
    source = market()
    altered = snapshots(rewrite(source, lambda known: known == float("inf"), np.random.default_rng(3)))
    assert [list(changed_fields(a, b)) for a, b in zip(truth(), altered, strict=True)] == [[]] * len(STEPS)
