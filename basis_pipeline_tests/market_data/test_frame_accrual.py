"""The Aave index between snapshots, against arithmetic done by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import DataGapError
from basis_pipeline.domain.timeline import DAY, HOUR, MINUTE
from basis_pipeline.market_data.frames.frame import build_frame
from basis_pipeline.market_data.frames.requirements import ReserveRef, ReserveSide, SlotSources
from basis_pipeline_tests.market_data.frame_builders import (
    A_WETH,
    DEBT_WETH,
    FEBRUARY,
    RATES,
    RESERVE,
    USDT_WALLET,
    Market,
    hours,
    instrument,
    spec_of,
)

BOTH = spec_of(USDT_WALLET, A_WETH, DEBT_WETH)
DAILY_ONLY = spec_of(
    USDT_WALLET,
    A_WETH,
    DEBT_WETH,
    sources={
        str(A_WETH.key): SlotSources(reserve=ReserveRef(RESERVE, ReserveSide.SUPPLY)),
        str(DEBT_WETH.key): SlotSources(reserve=ReserveRef(RESERVE, ReserveSide.BORROW)),
    },
)
A_USDT = instrument("aave_v3:aToken:aUSDT", "USDT", "USDT")


def market() -> Market:
    """On 1 February rates are 1e-5 (supply) and 2e-5 (debt) an hour; hourly ones twice and thrice that in odd hours."""
    made = Market()
    stamps = [FEBRUARY - DAY, FEBRUARY, FEBRUARY + DAY]
    made.rows[RESERVE] = (
        stamps,
        {
            "liquidity_index": [1.0, 1.1, 1.1001],
            "variable_borrow_index": [1.0, 1.2, 1.2],
            "liquidity_rate": [0.5, 0.0876, 0.3],
            "variable_borrow_rate": [0.6, 0.1752, 0.4],
        },
    )
    hourly = hours(FEBRUARY - DAY, FEBRUARY + 2 * DAY)
    made.rows[RATES] = (
        hourly,
        {
            "liquidity_rate": [2 * 0.0876 if (stamp // HOUR) % 2 else 0.0876 for stamp in hourly],
            "variable_borrow_rate": [3 * 0.1752 if (stamp // HOUR) % 2 else 0.1752 for stamp in hourly],
        },
    )
    return made


def test_without_hourly_rates_supply_grows_linearly_and_debt_exponentially_from_the_snapshot(tmp_path: Path) -> None:
    frame = build_frame(market().publish(tmp_path), DAILY_ONLY, FEBRUARY, FEBRUARY + DAY)
    for hour in (0, 1, 10, 23):
        snapshot = frame.at(FEBRUARY + hour * HOUR)
        assert snapshot.index[1] == pytest.approx(1.1 * (1.0 + hour * 1e-5), rel=1e-15)
        assert snapshot.index[2] == pytest.approx(1.2 * math.exp(hour * 2e-5), rel=1e-15)


def test_with_hourly_rates_the_pieces_compound_hour_by_hour(tmp_path: Path) -> None:
    frame = build_frame(market().publish(tmp_path), BOTH, FEBRUARY, FEBRUARY + 2 * DAY)
    three = frame.at(FEBRUARY + 3 * HOUR)
    assert three.index[1] == pytest.approx(1.1 * (1 + 1e-5) * (1 + 2e-5) * (1 + 1e-5), rel=1e-15)
    assert three.index[2] == pytest.approx(1.2 * math.exp(2e-5 + 6e-5 + 2e-5), rel=1e-15)
    last = frame.at(FEBRUARY + 23 * HOUR)
    assert last.index[1] == pytest.approx(1.1 * (1 + 1e-5) ** 12 * (1 + 2e-5) ** 11, rel=1e-14)


def test_at_a_snapshot_the_index_steps_to_what_was_observed_even_if_that_is_lower(tmp_path: Path) -> None:
    frame = build_frame(market().publish(tmp_path), BOTH, FEBRUARY, FEBRUARY + 2 * DAY)
    before, at = frame.at(FEBRUARY + 23 * HOUR), frame.at(FEBRUARY + DAY)
    assert at.index[1:] == (1.1001, 1.2)
    assert before.index[1] > at.index[1]
    assert before.index[2] > at.index[2]
    after = frame.at(FEBRUARY + DAY + HOUR)
    assert after.index[1] == pytest.approx(1.1001 * (1 + 1e-5), rel=1e-15)


def test_the_snapshots_own_rate_serves_the_hours_without_a_rate_and_does_so_in_one_piece(tmp_path: Path) -> None:
    made = market().without(RATES, FEBRUARY + 2 * HOUR, FEBRUARY + 5 * HOUR)
    frame = build_frame(made.publish(tmp_path), BOTH, FEBRUARY, FEBRUARY + DAY)
    known = 1.1 * (1 + 1e-5) * (1 + 2e-5)
    for hole in (1, 2, 3):
        expected = known * (1 + hole * 1e-5)
        assert frame.at(FEBRUARY + (2 + hole) * HOUR).index[1] == pytest.approx(expected, rel=1e-15)
    assert frame.at(FEBRUARY + 6 * HOUR).index[1] == pytest.approx(known * (1 + 3e-5) * (1 + 2e-5), rel=1e-15)


def test_a_row_without_a_rate_is_an_hour_without_a_rate(tmp_path: Path) -> None:
    made = market()
    stamps, columns = made.rows[RATES]
    columns["liquidity_rate"][stamps.index(FEBRUARY + HOUR)] = float("nan")
    frame = build_frame(made.publish(tmp_path), BOTH, FEBRUARY, FEBRUARY + DAY)
    assert frame.at(FEBRUARY + 2 * HOUR).index[1] == pytest.approx(1.1 * (1 + 1e-5) ** 2, rel=1e-15)


def test_hourly_rates_that_end_early_hand_over_to_the_daily_rate_and_the_usage_says_so(tmp_path: Path) -> None:
    made = market().without(RATES, FEBRUARY + 2 * HOUR, FEBRUARY + 9 * DAY)
    frame = build_frame(made.publish(tmp_path), BOTH, FEBRUARY, FEBRUARY + DAY)
    expected = 1.1 * (1 + 1e-5) * (1 + 2e-5) * (1 + 10e-5)
    assert frame.at(FEBRUARY + 12 * HOUR).index[1] == pytest.approx(expected, rel=1e-15)
    assert frame.usage.complete
    words = "aave_reserves_1d of aave_v3 WETH stands in for the hourly rates of"
    assert frame.usage.stand_ins == (
        f"{words} aave_v3:aToken:aWETH from 2024-02-01T02:00:00Z on.",
        f"{words} aave_v3:debtToken:debtWETH from 2024-02-01T02:00:00Z on.",
    )


def test_at_five_minutes_the_index_grows_within_the_hour(tmp_path: Path) -> None:
    stable = ReserveRef(RESERVE, ReserveSide.SUPPLY, RATES)
    supplied = spec_of(
        A_USDT, step=5 * MINUTE, reference={}, quoted_in={}, sources={str(A_USDT.key): SlotSources(reserve=stable)}
    )
    frame = build_frame(market().publish(tmp_path), supplied, FEBRUARY, FEBRUARY + DAY)
    assert len(frame.timestamps) == 288
    expected = 1.1 * (1 + 1e-5) * (1 + 2e-5 * 25 / 60)
    assert frame.at(FEBRUARY + HOUR + 25 * MINUTE).index[0] == pytest.approx(expected, rel=1e-15)


def test_a_missing_snapshot_is_a_gap_once_the_last_is_older_than_25_hours(tmp_path: Path) -> None:
    made = Market().without(RESERVE, FEBRUARY + DAY, FEBRUARY + 2 * DAY)
    with pytest.raises(
        DataGapError, match=r"aave_reserves_1d of aave_v3 WETH .*02-02T02:00:00Z within .* 25 h: .*26 h"
    ):
        build_frame(made.publish(tmp_path), BOTH, FEBRUARY, FEBRUARY + 4 * DAY)
