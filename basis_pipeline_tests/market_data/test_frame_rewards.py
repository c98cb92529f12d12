"""Distributions and late prices in the frame: known on the day after the payout, priced from the first candle on."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.domain.errors import DataError, DataGapError
from basis_pipeline.domain.market import Distribution
from basis_pipeline.domain.timeline import DAY, HOUR, MINUTE
from basis_pipeline.market_data.frames.coverage import coverage
from basis_pipeline.market_data.frames.frame import Frame, build_frame
from basis_pipeline.market_data.frames.requirements import SeriesRef, requirements
from basis_pipeline_tests.market_data.frame_builders import (
    EIGEN,
    FEBRUARY,
    MARCH,
    POOL,
    USDT_WALLET,
    Market,
    spec_of,
)

WEEKLY = SeriesRef("reward_distributions", "etherfi", "EIGEN")
TOP_UPS = SeriesRef("reward_topups", "etherfi", "EIGEN")
KEY = str(EIGEN.key)
SPEC = spec_of(USDT_WALLET, EIGEN, rewards={KEY: WEEKLY})


def weekly(payout: int, *, days: float, rate: float) -> tuple[list[int], dict[str, list[float]]]:
    """One distribution for the `days` that end with the day of its payout."""
    start = payout - (days - 1) * DAY
    return [payout], {
        "period_start": [start],
        "period_end": [payout],
        "period_days": [days],
        "tokens_per_eeth_week": [rate],
        "tokens_per_eeth": [rate],
    }


def paid(path: Path, payout: int, *, series: SeriesRef = WEEKLY, days: float = 8.0, step: int = HOUR) -> Frame:
    market = Market()
    market.rows[series] = weekly(payout, days=days, rate=0.7)
    spec = spec_of(USDT_WALLET, EIGEN, rewards={KEY: series}, step=step)
    return build_frame(market.publish(path), spec, FEBRUARY, FEBRUARY + 3 * DAY)


def rewards_of(frame: Frame) -> dict[int, tuple[Distribution, ...]]:
    return {stamp: frame.at(stamp).rewards for stamp in frame.timestamps if frame.at(stamp).rewards}


def test_a_payout_is_known_at_midnight_after_it_and_its_weekly_rate_is_for_its_whole_period(tmp_path: Path) -> None:
    """0.7 per 7 days over 8 days are 0.8; the last day of the period earns until its end."""
    known = rewards_of(paid(tmp_path, FEBRUARY))
    assert list(known) == [FEBRUARY + DAY]
    (distribution,) = known[FEBRUARY + DAY]
    assert (distribution.slot, distribution.start, distribution.end) == (1, FEBRUARY - 7 * DAY, FEBRUARY + DAY)
    assert distribution.rate == pytest.approx(0.8, rel=1e-15)


def test_a_top_up_states_its_rate_for_the_period(tmp_path: Path) -> None:
    (distribution,) = rewards_of(paid(tmp_path, FEBRUARY, series=TOP_UPS))[FEBRUARY + DAY]
    assert distribution.rate == 0.7


def test_what_was_paid_on_the_last_day_of_a_month_belongs_to_the_next(tmp_path: Path) -> None:
    assert list(rewards_of(paid(tmp_path, FEBRUARY - DAY))) == [FEBRUARY]


@pytest.mark.parametrize("payout", [FEBRUARY - 2 * DAY, FEBRUARY + 2 * DAY])
def test_what_is_known_before_or_after_the_frame_is_not_in_it(payout: int, tmp_path: Path) -> None:
    assert rewards_of(paid(tmp_path, payout)) == {}


def test_the_usage_names_the_distributions_and_pins_their_generation(tmp_path: Path) -> None:
    usage = next(series for series in paid(tmp_path, FEBRUARY).usage.series if series.dataset == WEEKLY.dataset)
    assert (usage.rows, usage.complete, list(usage.generations)) == (1, True, ["2024-02"])


def test_a_token_is_worth_nothing_before_its_first_candle_and_a_gap_after_it_is_a_gap(tmp_path: Path) -> None:
    market = Market().without(POOL, 0, FEBRUARY + DAY)
    market.rows[WEEKLY] = weekly(FEBRUARY + 2 * DAY, days=7.0, rate=0.7)
    store = market.publish(tmp_path)
    frame = build_frame(store, SPEC, FEBRUARY, FEBRUARY + 3 * DAY)
    assert frame.at(FEBRUARY + DAY - HOUR).price[1] == 0.0
    assert frame.at(FEBRUARY + DAY).price[1] > 0.0
    holed = Market().without(POOL, FEBRUARY + DAY, FEBRUARY + 2 * DAY)
    holed.rows[WEEKLY] = market.rows[WEEKLY]
    with pytest.raises(DataGapError, match="EIGENWETH has no value"):
        build_frame(holed.publish(tmp_path / "holed"), SPEC, FEBRUARY, FEBRUARY + 3 * DAY)


def test_a_token_whose_candles_begin_later_leaves_the_month_open_to_the_mode(tmp_path: Path) -> None:
    market = Market(behind=MARCH + 2 * DAY).without(POOL, 0, MARCH)
    market.rows[WEEKLY] = weekly(MARCH, days=7.0, rate=0.7)
    store = market.publish(tmp_path)
    frame = build_frame(store, SPEC, FEBRUARY, FEBRUARY + DAY)
    assert {frame.at(stamp).price[1] for stamp in frame.timestamps} == {0.0}
    assert coverage(store, SPEC).first_full == "2024-02"


def test_a_token_whose_candles_have_begun_must_have_them_in_every_month(tmp_path: Path) -> None:
    market = Market(behind=MARCH + 2 * DAY).without(POOL, FEBRUARY, MARCH + 2 * DAY)
    market.rows[WEEKLY] = weekly(MARCH, days=7.0, rate=0.7)
    with pytest.raises(DataError, match="no validated dex_candles_1h of uniswapv3 EIGENWETH for 2024-03"):
        build_frame(market.publish(tmp_path), SPEC, MARCH + DAY, MARCH + 2 * DAY)


def test_rewards_that_were_never_ingested_are_an_error_and_not_no_rewards(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no validated reward_distributions of etherfi EIGEN"):
        build_frame(Market().publish(tmp_path), SPEC, FEBRUARY, FEBRUARY + DAY)


def test_requirements_list_distributions_and_late_prices_as_optional() -> None:
    optional = {required.series for required in requirements(SPEC) if required.optional}
    assert optional == {POOL, WEEKLY}
    assert MINUTE
