"""What a frame needs, and which series stands in where the proper one is missing or too coarse."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.domain.errors import ConfigError, DataGapError, PositionError
from basis_pipeline.domain.position_keys import Universe
from basis_pipeline.domain.timeline import DAY, HOUR, MINUTE
from basis_pipeline.market_data.frames.frame import build_frame
from basis_pipeline.market_data.frames.requirements import SeriesRef, SlotSources, requirements
from basis_pipeline_tests.market_data.frame_builders import (
    BYBIT_FUNDING,
    BYBIT_PERP,
    DEBT_WETH,
    ETH_PERP,
    ETH_SPOT,
    EVERYTHING,
    FEBRUARY,
    FUNDING,
    GAS,
    JANUARY_HOURS,
    MARK,
    PERP,
    PERP_5M,
    POOL,
    RATES,
    RATIO,
    RESERVE,
    SPOT,
    USD,
    USDT_WALLET,
    Market,
    bars,
    frame_of,
    hours,
    spec_of,
)


def test_without_published_marks_the_last_price_stands_in_and_the_usage_says_so(tmp_path: Path) -> None:
    frame = frame_of(Market().drop(MARK), tmp_path)
    snapshot, n = frame.at(FEBRUARY + 5 * HOUR), JANUARY_HOURS + 5
    assert snapshot.mark[2] == snapshot.last[2] == 2001.0 + n
    assert (snapshot.low[2], snapshot.high[2]) == (2001.0 + n - 1.5, 2001.0 + n - 0.25)
    assert frame.usage.stand_ins == (
        "perp_candles_1h of binance ETHUSDT stands in for the mark of binance:Perp:ETHUSDT: none is published.",
    )
    assert frame.usage.complete


def test_a_venue_with_marks_only_fills_at_its_mark(tmp_path: Path) -> None:
    spec = spec_of(USDT_WALLET, ETH_PERP, sources={str(ETH_PERP.key): SlotSources(mark=MARK, funding=FUNDING)})
    frame = frame_of(Market().drop(PERP), tmp_path, spec)
    assert frame.at(FEBRUARY).last[1] == frame.at(FEBRUARY).mark[1] == 2002.0 + JANUARY_HOURS
    assert frame.usage.stand_ins == (
        "mark_candles_1h of binance ETHUSDT stands in for the last price of binance:Perp:ETHUSDT: none is declared.",
    )


def test_at_five_minutes_hourly_marks_and_references_give_way_to_the_venues_last_price(tmp_path: Path) -> None:
    market, step = Market(), 5 * MINUTE
    stamps = hours(FEBRUARY - DAY, FEBRUARY + DAY, step)
    market.rows[PERP_5M] = stamps, bars(stamps, 2001.0)
    market.without(PERP_5M, FEBRUARY + HOUR, FEBRUARY + HOUR + 3 * step)
    spec = spec_of(
        USDT_WALLET,
        ETH_PERP,
        step=step,
        sources={str(ETH_PERP.key): SlotSources(last=PERP_5M, mark=MARK, funding=FUNDING)},
    )
    frame = build_frame(market.publish(tmp_path), spec, FEBRUARY, FEBRUARY + DAY)
    assert len(frame.timestamps) == 288
    snapshot, opened = frame.at(FEBRUARY + 7 * step), 2001.0 + JANUARY_HOURS + 7 / 12
    assert snapshot.price[1] == snapshot.mark[1] == snapshot.last[1] == pytest.approx(opened, rel=1e-15)
    assert snapshot.low[1] == pytest.approx(opened - 1 / 12 - 0.5, rel=1e-15)
    # three bars are missing from 01:00: the close of the bar of 00:55 is known at 01:00
    assert frame.at(FEBRUARY + HOUR + 2 * step).last[1] == pytest.approx(2001.25 + JANUARY_HOURS + 11 / 12, rel=1e-15)
    assert [stamp for stamp in frame.timestamps if frame.at(stamp).funding] == hours(FEBRUARY, FEBRUARY + DAY, 8 * HOUR)
    assert frame.usage.stand_ins == (
        (
            "perp_candles_5m of binance ETHUSDT stands in for the reference of ETH: "
            "spot_candles_1h of binance ETHUSDT is too coarse."
        ),
        (
            "perp_candles_5m of binance ETHUSDT stands in for the mark of binance:Perp:ETHUSDT: "
            "mark_candles_1h of binance ETHUSDT is too coarse."
        ),
    )
    market.without(PERP_5M, FEBRUARY + HOUR, FEBRUARY + HOUR + 5 * step)
    with pytest.raises(DataGapError, match=r"01:20:00Z within its maximum age of 15 min: .*20 min old"):
        build_frame(market.publish(tmp_path), spec, FEBRUARY, FEBRUARY + DAY)


def test_bars_finer_than_the_step_are_folded_to_the_extremes_of_the_whole_step(tmp_path: Path) -> None:
    market, step = Market(), 5 * MINUTE
    stamps = hours(FEBRUARY - DAY, FEBRUARY + 4 * DAY, step)
    market.rows[PERP_5M] = stamps, bars(stamps, 2001.0)
    dip = stamps.index(FEBRUARY + 3 * HOUR - 4 * step)
    market.rows[PERP_5M][1]["low"][dip], market.rows[PERP_5M][1]["high"][dip + 1] = 1234.0, 5678.0
    spec = spec_of(USDT_WALLET, ETH_PERP, sources={str(ETH_PERP.key): SlotSources(last=PERP_5M, funding=FUNDING)})
    frame = frame_of(market, tmp_path, spec)
    assert (frame.at(FEBRUARY + 3 * HOUR).low[1], frame.at(FEBRUARY + 3 * HOUR).high[1]) == (1234.0, 5678.0)
    assert frame.at(FEBRUARY + 4 * HOUR).low[1] == 2001.0 + JANUARY_HOURS + 3 - 0.5
    assert frame.at(FEBRUARY + 4 * HOUR).high[1] == pytest.approx(2001.75 + JANUARY_HOURS + 3 + 11 / 12, rel=1e-15)


def test_requirements_are_exactly_what_the_spec_reads() -> None:
    assert [(r.series, r.optional) for r in requirements(EVERYTHING)] == [
        *(
            (series, False)
            for series in (SPOT, POOL, PERP, FUNDING, BYBIT_PERP, BYBIT_FUNDING, RATIO, RESERVE, GAS, USD)
        ),
        (MARK, True),
        (RATES, True),
    ]
    assert requirements(spec_of(USDT_WALLET)) == ()


def test_a_mark_that_is_the_only_price_is_required() -> None:
    spec = spec_of(USDT_WALLET, ETH_PERP, sources={str(ETH_PERP.key): SlotSources(mark=MARK, funding=FUNDING)})
    assert (MARK, False) in requirements(spec)


def test_a_spec_that_cannot_work_is_refused_where_it_is_made() -> None:
    with pytest.raises(ConfigError, match="asset ETH has no reference price"):
        spec_of(ETH_SPOT, reference={})
    with pytest.raises(PositionError, match="is not declared by this mode"):
        spec_of(USDT_WALLET, sources={"binance:Perp:ETHUSDT": SlotSources()})
    with pytest.raises(ConfigError, match="binance:Perp:ETHUSDT needs funding rates"):
        spec_of(ETH_PERP, sources={str(ETH_PERP.key): SlotSources(last=PERP)})
    with pytest.raises(ConfigError, match="aave_v3:debtToken:debtWETH needs the reserve snapshots"):
        spec_of(DEBT_WETH, sources={})
    with pytest.raises(
        ConfigError, match="perp_candles_1h of binance ETHUSDT, which is coarser than the step of 300 s"
    ):
        spec_of(ETH_PERP, step=5 * MINUTE)
    with pytest.raises(ConfigError, match="a frame cannot read dataset 'reward_periods'"):
        spec_of(ETH_SPOT, sources={str(ETH_SPOT.key): SlotSources(last=SeriesRef("reward_periods", "x", "y"))})
    with pytest.raises(ConfigError, match="is coarser than the step of 300 s and no perp of ETH can stand in"):
        spec_of(ETH_SPOT, step=5 * MINUTE, sources={})
    assert len(Universe(EVERYTHING.universe)) == 8
