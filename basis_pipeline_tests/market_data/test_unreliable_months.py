"""Months that an ingestion says must not be used are refused by whoever wants to compute with them, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from basis_pipeline.domain.errors import DataError
from basis_pipeline.domain.timeline import DAY, HOUR, month_start
from basis_pipeline.market_data.checks.chain import index_growth
from basis_pipeline.market_data.checks.funding import funding_scale
from basis_pipeline.market_data.checks.venues import contradicted_opens
from basis_pipeline.market_data.frames.requirements import SeriesRef
from basis_pipeline.market_data.frames.series import LoadedSeries, Window, load
from basis_pipeline_tests.market_data.test_checks import context, moved, series
from basis_pipeline_tests.market_data.vendor_files import (
    grid,
    iso,
    micros,
    scaled,
    walk,
    write_candles,
    write_funding,
)
from basis_pipeline_tests.market_data.world import World, ingest_into

FUNDING = SeriesRef("funding_rates", "bybit", "SOLUSDT")
SPOT = SeriesRef("spot_candles_1h", "bybit", "SOLUSDT")
EIGHT = 8 * HOUR


def _read(world: World, ref: SeriesRef, month: str) -> LoadedSeries | None:
    first = month_start(month)
    return load(world.store, ref, Window(first, month_start("2024-02" if month == "2024-01" else "2024-03"), HOUR))


def _rows(first: str, last: str, step: int = EIGHT, rate: float = 1e-4) -> list[tuple[str, float]]:
    return [(iso(stamp), rate) for stamp in grid(first, last, step).tolist()]


def test_settlements_between_those_of_the_stated_interval_bar_their_month(tmp_path: Path) -> None:
    """A venue went over to four hours in February: half of what it paid then would be left out."""
    rows = [*_rows("2024-01-01T00:00", "2024-02-10T00:00"), *_rows("2024-02-10T04:00", "2024-02-29T20:00", EIGHT // 2)]
    world = ingest_into(write_funding(tmp_path / "raw", "bybit", "SOLUSDT", rows).parent, tmp_path / "root")
    assert _read(world, FUNDING, "2024-01") is not None
    with pytest.raises(DataError, match=r"must not be used in 2024-02.*off_interval: 60 settlements.*funding_4h"):
        _read(world, FUNDING, "2024-02")


def test_a_file_for_each_interval_holds_every_settlement(tmp_path: Path) -> None:
    """The remedy: the interval of a file is in its name, and a series may have files of several."""
    eight, four = (
        _rows("2024-01-01T00:00", "2024-02-10T00:00"),
        _rows("2024-02-10T04:00", "2024-02-29T20:00", EIGHT // 2),
    )
    path = write_funding(tmp_path / "raw", "bybit", "SOLUSDT", four)
    path.rename(path.with_name("bybit_SOLUSDT_funding_4h.csv"))
    write_funding(tmp_path / "raw", "bybit", "SOLUSDT", eight)
    world = ingest_into(tmp_path / "raw", tmp_path / "root")
    read = _read(world, FUNDING, "2024-02")
    assert read is not None
    assert np.array_equal(
        read.stamps[read.stamps >= micros("2024-02-10T00:00")], grid("2024-02-10T00:00", "2024-02-29T20:00", EIGHT // 2)
    )


def test_a_lone_open_bars_its_month_alone(tmp_path: Path) -> None:
    frame = walk(grid("2024-01-01T00:00", "2024-02-29T23:00"), 100.0, seed=3)
    write_candles(tmp_path / "raw", "binance", "SOLUSDT", "spot", scaled(frame, 1.0001))
    frame.loc[100, ["open", "high"]] *= 1.09
    world = ingest_into(write_candles(tmp_path / "raw", "bybit", "SOLUSDT", "spot", frame).parent, tmp_path / "root")
    with pytest.raises(
        DataError, match=r"must not be used in 2024-01.*contradicted_open.*off the close before by up to 9"
    ):
        _read(world, SPOT, "2024-01")
    assert _read(world, SPOT, "2024-02") is not None


def test_labels_that_are_off_bar_every_month(tmp_path: Path) -> None:
    frame = walk(grid("2024-01-01T00:00", "2024-02-29T23:00"), 100.0, seed=3)
    write_candles(tmp_path / "raw", "binance", "SOLUSDT", "spot", scaled(frame, 1.0001))
    late = write_candles(tmp_path / "raw", "bybit", "SOLUSDT", "spot", moved(frame, 1))
    world = ingest_into(late.parent, tmp_path / "root")
    for month in ("2024-01", "2024-02"):
        with pytest.raises(DataError, match=r"must not be used.*label_correlation"):
            _read(world, SPOT, month)


def test_a_month_is_read_again_once_its_file_is_mended(tmp_path: Path) -> None:
    rows = [*_rows("2024-01-01T00:00", "2024-01-31T16:00"), ("2024-01-31T20:00:00Z", 1e-4)]
    world = ingest_into(write_funding(tmp_path / "raw", "bybit", "SOLUSDT", rows).parent, tmp_path / "root")
    with pytest.raises(DataError, match="off_interval"):
        _read(world, FUNDING, "2024-01")
    write_funding(tmp_path / "raw", "bybit", "SOLUSDT", rows[:-1])
    assert _read(ingest_into(tmp_path / "raw", tmp_path / "root"), FUNDING, "2024-01") is not None


@pytest.mark.parametrize(
    ("own", "others", "found"),
    [
        (1e-2, (1e-4, 1.2e-4), True),
        (1e-4, (1e-2, 1.2e-4), False),  # it is the other one that is wrong
        (1e-4, (1e-2,), True),  # one of the two, and nobody knows which
        (5e-4, (1e-4,), False),
        (1e-2, (1e-2,), False),  # a squeeze that both show
        (1e-2, (), True),
        (1e-4, (), False),
        (1e-6, (1e-4,), True),
    ],
)
def test_a_rate_of_another_order_of_magnitude_is_another_unit(
    own: float, others: tuple[float, ...], found: bool
) -> None:
    stamps = grid("2024-01-01T00:00", "2024-01-31T16:00", EIGHT)

    def rates(venue: str, size: float) -> pd.DataFrame:
        signs = np.where(np.arange(len(stamps)) % 5, 1.0, -1.0)
        return pd.DataFrame({"timestamp": stamps, "funding_rate": size * signs, "interval_hours": 8.0})

    one = series(*FUNDING_KEY, rates("bybit", own))
    peers = [series("funding_rates", f"venue{at}", "SOLUSDT", rates("", size)) for at, size in enumerate(others)]
    months = [finding.month for finding in funding_scale(one, context(one, *peers)) if finding.severity == "ERROR"]
    assert months == (["2024-01"] if found else [])


FUNDING_KEY = ("funding_rates", "bybit", "SOLUSDT")


def _open(frame: pd.DataFrame) -> pd.DataFrame:
    """A bar that opens 9% up and comes back."""
    spoilt = frame.copy()
    spoilt.loc[50, ["open", "high"]] *= 1.09
    return spoilt


def _crash(frame: pd.DataFrame) -> pd.DataFrame:
    """A market that is 9% higher after a stop of trade, and stays there."""
    spoilt = frame.copy()
    spoilt.loc[50:, ["open", "high", "low", "close"]] *= 1.09
    return spoilt


@pytest.mark.parametrize(
    ("own", "peer", "found"),
    [(_open, None, True), (_crash, None, False), (_crash, _crash, False), (_crash, pd.DataFrame.copy, True)],
)
def test_an_open_is_contradicted_by_its_own_bar_or_by_every_other_series(
    own: Callable[[pd.DataFrame], pd.DataFrame], peer: Callable[[pd.DataFrame], pd.DataFrame] | None, found: bool
) -> None:
    frame = walk(grid("2024-01-01T00:00", "2024-01-07T23:00"), 100.0, seed=4)
    one = series("mark_candles_1h", "binance", "ETHUSDT", own(frame))
    peers = [series("perp_candles_1h", "bybit", "ETHUSDT", peer(frame))] if peer else []
    assert [finding.rule for finding in contradicted_opens(one, context(one, *peers))] == ["contradicted_open"] * found


def test_an_index_may_follow_a_rate_that_only_hours_show() -> None:
    """A day between two snapshots at 4% during which the rate stood at 300%: its hours account for it."""
    stamps = micros("2024-01-01") + np.arange(10) * DAY
    index = np.exp(np.cumsum(np.where(np.arange(10) == 6, 2.5, 0.04)) / 365.0)
    columns = {
        "liquidity_index": index,
        "variable_borrow_index": index,
        "liquidity_rate": 0.04,
        "variable_borrow_rate": 0.04,
    }
    daily = series("aave_reserves_1d", "aave_v3", "WETH", pd.DataFrame({"timestamp": stamps, **columns}))
    hours = grid("2024-01-01T00:00", "2024-01-10T00:00")
    spike = np.where(hours // DAY == stamps[5] // DAY, 3.0, 0.04)
    rates = pd.DataFrame({"timestamp": hours, "liquidity_rate": spike, "variable_borrow_rate": spike})
    hourly = series("aave_rates_1h", "aave_v3", "WETH", rates)
    assert list(index_growth(daily, context(daily, hourly))) == []
    assert [finding.column for finding in index_growth(daily, context(daily))] == [
        "liquidity_index",
        "variable_borrow_index",
    ]
