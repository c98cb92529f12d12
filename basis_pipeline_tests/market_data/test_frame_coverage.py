"""Open months, and which months published data cover."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.domain.errors import DataError, DataGapError
from basis_pipeline.domain.timeline import DAY, HOUR, iso, month_end, month_start
from basis_pipeline.market_data.frames.coverage import coverage, first_full_month
from basis_pipeline.market_data.frames.frame import build_frame
from basis_pipeline.market_data.frames.requirements import FrameSpec
from basis_pipeline.market_data.validated import ValidatedStore
from basis_pipeline_tests.market_data.frame_builders import (
    A_WETH,
    ETH_PERP,
    ETH_SPOT,
    FEBRUARY,
    FUNDING,
    MARCH,
    MARK,
    PERP,
    RATES,
    RESERVE,
    SPOT,
    USDT_WALLET,
    Market,
    spec_of,
)

BASIS = spec_of(USDT_WALLET, ETH_SPOT, ETH_PERP)
LENDING = spec_of(USDT_WALLET, A_WETH)


def market(end: int = MARCH + 10 * DAY) -> Market:
    """From the middle of January to the tenth of March."""
    return Market(first=FEBRUARY - 16 * DAY, behind=end)


def open_end(path: Path, made: Market) -> int:
    frame = build_frame(made.publish(path), BASIS, MARCH, month_end("2024-03"), allow_open=True)
    assert not frame.usage.complete
    return frame.timestamps[-1]


def test_an_open_month_ends_at_the_last_step_that_every_series_reaches(tmp_path: Path) -> None:
    assert open_end(tmp_path / "all", market()) == MARCH + 10 * DAY - HOUR
    for series, last in ((SPOT, 99), (PERP, 50), (MARK, 10)):
        short = market().without(series, MARCH + (last + 1) * HOUR, MARCH + 31 * DAY)
        assert open_end(tmp_path / series.dataset, short) == MARCH + last * HOUR


def test_an_open_month_ends_before_the_next_settlement_that_is_not_there(tmp_path: Path) -> None:
    short = market().without(FUNDING, MARCH + 24 * HOUR, MARCH + 31 * DAY)
    assert open_end(tmp_path, short) == MARCH + 23 * HOUR


def test_an_open_month_of_daily_snapshots_runs_to_the_end_of_the_day(tmp_path: Path) -> None:
    short = market().without(RESERVE, MARCH + 4 * DAY, MARCH + 31 * DAY)
    frame = build_frame(short.publish(tmp_path), LENDING, MARCH, month_end("2024-03"), allow_open=True)
    assert frame.timestamps[-1] == MARCH + 4 * DAY - HOUR


def test_usage_says_which_series_is_short(tmp_path: Path) -> None:
    short = market(MARCH + 31 * DAY).without(PERP, MARCH + 51 * HOUR, MARCH + 31 * DAY)
    frame = build_frame(short.publish(tmp_path), BASIS, MARCH, month_end("2024-03"), allow_open=True)
    assert [series.name for series in frame.usage.series if not series.complete] == ["perp_candles_1h/binance/ETHUSDT"]
    assert frame.timestamps[-1] == MARCH + 50 * HOUR
    assert {series.rows for series in frame.usage.series if series.dataset == "perp_candles_1h"} == {51}


def test_an_open_month_needs_permission(tmp_path: Path) -> None:
    with pytest.raises(DataGapError) as raised:
        build_frame(market().publish(tmp_path), BASIS, MARCH, month_end("2024-03"))
    assert str(raised.value) == (
        "[DATA-004] spot_candles_1h of binance ETHUSDT reaches 2024-03-11T00:00:00Z only (its next observation is due "
        "then); the last timestep of 2024-03 asked for is 2024-03-31T23:00:00Z. Remedy: ingest a file that covers the "
        "rest, or run it as an open month."
    )


def test_permission_for_an_open_month_does_not_cover_holes_or_months_without_data(tmp_path: Path) -> None:
    store = market().without(SPOT, MARCH + 5 * HOUR, MARCH + 20 * HOUR).publish(tmp_path)
    with pytest.raises(DataGapError, match="at 2024-03-01T08:00:00Z within its maximum age of 2 h"):
        build_frame(store, BASIS, MARCH, month_end("2024-03"), allow_open=True)
    with pytest.raises(DataError, match="no validated spot_candles_1h of binance ETHUSDT for 2024-04"):
        build_frame(store, BASIS, month_start("2024-04"), month_end("2024-04"), allow_open=True)


def test_a_hole_at_the_end_of_a_month_is_a_hole_if_later_rows_exist(tmp_path: Path) -> None:
    bridged = market().without(SPOT, MARCH - 2 * HOUR, MARCH).publish(tmp_path / "bridged")
    frame = build_frame(bridged, BASIS, FEBRUARY, MARCH)
    assert frame.usage.complete
    assert frame.at(MARCH - HOUR).price[1] == frame.at(MARCH - 2 * HOUR).price[1] == 2000.25 + (60 * 24 - 3)
    open_month = market(MARCH - 2 * HOUR).publish(tmp_path / "open")
    with pytest.raises(DataGapError, match="reaches 2024-02-29T22:00:00Z only"):
        build_frame(open_month, BASIS, FEBRUARY, MARCH)


def reaches_its_end(store: ValidatedStore, spec: FrameSpec, month: str) -> bool:
    return build_frame(store, spec, month_start(month), month_end(month), allow_open=True).usage.complete


def test_coverage_finds_the_months_to_open_and_to_end_with(tmp_path: Path) -> None:
    store = market().publish(tmp_path)
    assert coverage(store, BASIS) == ("2024-02", "2024-03")
    assert first_full_month(store, BASIS) == "2024-02"
    assert [reaches_its_end(store, BASIS, month) for month in ("2024-02", "2024-03")] == [True, False]


def test_a_month_that_reaches_its_end_but_has_a_hole_is_no_full_month(tmp_path: Path) -> None:
    store = market(MARCH + 31 * DAY).without(PERP, FEBRUARY + 5 * DAY, FEBRUARY + 6 * DAY).publish(tmp_path)
    assert coverage(store, BASIS) == ("2024-03", "2024-03")


def test_a_series_that_begins_at_midnight_covers_its_first_month(tmp_path: Path) -> None:
    store = Market(first=FEBRUARY, behind=MARCH).publish(tmp_path)
    assert coverage(store, BASIS) == ("2024-02", "2024-02")


def test_nothing_is_covered_without_a_required_series(tmp_path: Path) -> None:
    store = market().drop(FUNDING).publish(tmp_path)
    assert coverage(store, BASIS) == (None, None)
    with pytest.raises(DataError, match=r"fully covered: nothing is published of funding_rates of binance ETHUSDT\."):
        first_full_month(store, BASIS)


def test_optional_series_count_where_they_are_published_and_hourly_rates_never(tmp_path: Path) -> None:
    without = market().drop(MARK, RATES).publish(tmp_path / "without")
    assert reaches_its_end(without, BASIS, "2024-02")
    assert reaches_its_end(without, LENDING, "2024-02")
    short = (
        market().without(MARK, MARCH - 3 * HOUR, MARCH + 31 * DAY).without(RATES, MARCH - 3 * HOUR, MARCH + 31 * DAY)
    )
    store = short.publish(tmp_path / "short")
    assert not reaches_its_end(store, BASIS, "2024-02")
    assert reaches_its_end(store, LENDING, "2024-02")


def test_every_timestep_of_a_month_is_there_once_the_month_reaches_its_end(tmp_path: Path) -> None:
    frame = build_frame(market().publish(tmp_path), BASIS, FEBRUARY, MARCH)
    assert len(frame.timestamps) == 29 * 24
    assert (iso(frame.timestamps[0]), iso(frame.timestamps[-1])) == ("2024-02-01T00:00:00Z", "2024-02-29T23:00:00Z")
