from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.domain.errors import DataError, DataGapError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.timeline import DAY, HOUR, MINUTE
from basis_pipeline.market_data.frames.requirements import FrameSpec, requirements
from basis_pipeline_tests.market_data.frame_builders import (
    BASIS,
    BYBIT_ETH_PERP,
    BYBIT_FUNDING,
    DEBT_WETH,
    EIGEN,
    ETH_PERP,
    FEBRUARY,
    FUNDING,
    GAS,
    JANUARY_HOURS,
    MARK,
    PERP,
    POOL,
    RATIO,
    SPOT,
    USD,
    USDT_WALLET,
    WEETH,
    Market,
    frame_of,
    hours,
    spec_of,
)


def slot(snapshot: MarketSnapshot, field: str, key: str, spec: FrameSpec = BASIS) -> float:
    return float(getattr(snapshot, field)[spec.universe.slot(key)])


def test_prices_are_the_opens_of_the_bar_stamped_at_the_step(tmp_path: Path) -> None:
    snapshot = frame_of(Market(), tmp_path).at(FEBRUARY + 5 * HOUR)
    n = JANUARY_HOURS + 5
    assert snapshot.price == (1.0, 2000.0 + n, 2000.0 + n)
    assert snapshot.last == (1.0, 2000.0 + n, 2001.0 + n)
    assert snapshot.mark == (1.0, 2000.0 + n, 2002.0 + n)
    assert snapshot.value == (1.0, 2000.0 + n, 2002.0 + n)
    assert snapshot.underlying == (1.0, 1.0, 1.0)
    assert (snapshot.usd, snapshot.share_price, snapshot.gas_price, snapshot.gas_token_price) == (1.0, 1.0, None, None)


def test_low_and_high_are_those_of_the_mark_bar_that_ended_at_the_step(tmp_path: Path) -> None:
    frame = frame_of(Market(), tmp_path)
    for hour in (0, 5):
        ended = 2002.0 + JANUARY_HOURS + hour - 1
        assert slot(frame.at(FEBRUARY + hour * HOUR), "low", "binance:Perp:ETHUSDT") == ended - 0.5
        assert slot(frame.at(FEBRUARY + hour * HOUR), "high", "binance:Perp:ETHUSDT") == ended + 0.75
    assert frame.at(FEBRUARY).low[1] == frame.at(FEBRUARY).high[1] == frame.at(FEBRUARY).mark[1]


def test_without_the_bar_that_ended_low_and_high_are_the_mark_itself(tmp_path: Path) -> None:
    market = Market(first=FEBRUARY)
    market.without(MARK, FEBRUARY + 5 * HOUR, FEBRUARY + 6 * HOUR)
    frame = frame_of(market, tmp_path)
    for step in (FEBRUARY, FEBRUARY + 6 * HOUR):
        snapshot = frame.at(step)
        assert (
            snapshot.low[2] == snapshot.high[2] == snapshot.mark[2] == 2002.0 + JANUARY_HOURS + (step - FEBRUARY) / HOUR
        )


def test_a_hole_uses_the_last_close_for_the_maximum_age_counted_from_the_end_of_its_bar(tmp_path: Path) -> None:
    market = Market().without(SPOT, FEBRUARY + 10 * HOUR, FEBRUARY + 13 * HOUR)
    frame = frame_of(market, tmp_path)
    last_close = 2000.0 + JANUARY_HOURS + 9 + 0.25
    assert [frame.at(FEBRUARY + hour * HOUR).price[1] for hour in (9, 10, 11, 12, 13)] == [
        last_close - 0.25,
        last_close,
        last_close,
        last_close,
        2000.0 + JANUARY_HOURS + 13,
    ]


def test_a_hole_longer_than_the_maximum_age_is_an_error_that_says_everything(tmp_path: Path) -> None:
    market = Market().without(SPOT, FEBRUARY + 10 * HOUR, FEBRUARY + 33 * HOUR)
    with pytest.raises(DataGapError) as raised:
        frame_of(market, tmp_path)
    assert str(raised.value) == (
        "[DATA-004] spot_candles_1h of binance ETHUSDT has no value at 2024-02-01T13:00:00Z within its maximum age of "
        "2 h: last known 2024-02-01T10:00:00Z (3 h old), next known 2024-02-02T09:00:00Z. Remedy: ingest a file that "
        "covers it, declare a fill in configs/data, or start at 2024-02-02T09:00:00Z or later."
    )


def test_data_that_start_late_are_an_error_that_names_the_first_value(tmp_path: Path) -> None:
    market = Market().without(PERP, 0, FEBRUARY + 3 * HOUR)
    with pytest.raises(
        DataGapError, match=r"perp_candles_1h of binance ETHUSDT .* at 2024-02-01T00.*nothing known bef"
    ):
        frame_of(market, tmp_path)


def test_the_first_step_knows_what_the_month_before_told(tmp_path: Path) -> None:
    market = Market().without(SPOT, FEBRUARY, FEBRUARY + 2 * HOUR)
    frame = frame_of(market, tmp_path)
    assert frame.at(FEBRUARY).price[1] == frame.at(FEBRUARY + HOUR).price[1] == 2000.0 + JANUARY_HOURS - 1 + 0.25


def test_a_required_series_without_the_month_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        frame_of(Market().without(FUNDING, FEBRUARY, FEBRUARY + 4 * DAY), tmp_path)
    assert str(raised.value) == (
        "[DATA-003] no validated funding_rates of binance ETHUSDT for 2024-02. Remedy: ingest a file that covers it, "
        "or choose months that the data cover."
    )


def test_an_unknown_timestamp_is_an_error(tmp_path: Path) -> None:
    frame = frame_of(Market(), tmp_path)
    assert frame.timestamps == hours(FEBRUARY, FEBRUARY + 4 * DAY)
    with pytest.raises(DataError, match="2024-02-01T00:30:00Z is no timestep"):
        frame.at(FEBRUARY + 30 * MINUTE)


def test_funding_is_there_only_where_a_venue_settles_and_each_keeps_its_own_interval(tmp_path: Path) -> None:
    spec = spec_of(USDT_WALLET, ETH_PERP, BYBIT_ETH_PERP)
    frame = frame_of(Market(), tmp_path, spec)
    for hour in range(24):
        stamp = FEBRUARY + hour * HOUR
        rate = 1e-5 * (1 + stamp // (4 * HOUR) % 7)
        expected = None if hour % 4 else (0.0, 0.0 if hour % 8 else rate, rate)
        assert frame.at(stamp).funding == expected


@pytest.mark.parametrize("missing", [0, 8, 16, 88])
def test_a_missing_settlement_is_an_error_at_its_stamp(tmp_path: Path, missing: int) -> None:
    stamp = FEBRUARY + missing * HOUR
    day, hour = 1 + missing // 24, missing % 24
    with pytest.raises(
        DataGapError,
        match=rf"funding_rates of binance ETHUSDT has no value at 2024-02-0{day}T{hour:02}:00:00Z exactly: last",
    ):
        frame_of(Market(behind=FEBRUARY + 5 * DAY).without(FUNDING, stamp, stamp + HOUR), tmp_path)


def test_a_settlement_between_two_steps_is_an_error(tmp_path: Path) -> None:
    market = Market()
    market.rows[FUNDING][0][10] += 90_000_000
    with pytest.raises(DataError, match=r"settles at .*:01:30Z, which is no timestep"):
        frame_of(market, tmp_path)


def test_a_venue_may_change_its_funding_interval(tmp_path: Path) -> None:
    market = Market()
    stamps, columns = market.rows[BYBIT_FUNDING]
    changed = FEBRUARY + DAY + 8 * HOUR
    kept = [row for row, stamp in enumerate(stamps) if stamp < changed or stamp % (8 * HOUR) == 0]
    columns["interval_hours"] = [4.0 if stamp < changed else 8.0 for stamp in stamps]
    market.rows[BYBIT_FUNDING] = [stamps[i] for i in kept], {n: [c[i] for i in kept] for n, c in columns.items()}
    columns["interval_hours"][kept[-1]] = 8.0
    first = stamps.index(changed)
    market.rows[BYBIT_FUNDING][1]["interval_hours"][kept.index(first)] = 4.0
    frame = frame_of(market, tmp_path, spec_of(USDT_WALLET, BYBIT_ETH_PERP))
    settled = [(stamp - FEBRUARY) // HOUR for stamp in frame.timestamps if frame.at(stamp).funding]
    assert settled == [*range(0, 32, 4), *range(32, 96, 8)]


def test_ratios_and_usd_are_the_value_of_the_last_midnight(tmp_path: Path) -> None:
    spec = spec_of(USDT_WALLET, WEETH, usd=USD)
    market = Market()
    snapshot = frame_of(market, tmp_path, spec).at(FEBRUARY + 37 * HOUR)
    stamps, columns = market.rows[RATIO]
    ratio = columns["price"][stamps.index(FEBRUARY + DAY)]
    price = 2000.0 + JANUARY_HOURS + 37
    assert snapshot.ratio == (1.0, ratio)
    assert snapshot.underlying == (1.0, ratio)
    assert snapshot.value[1] == pytest.approx(ratio * price, rel=1e-15)
    assert snapshot.usd == 1.0 + (FEBRUARY + DAY) % (100 * DAY) / DAY / 1e5


def test_gas_is_the_last_block_known_and_not_older_than_three_hours(tmp_path: Path) -> None:
    spec = spec_of(USDT_WALLET, gas=GAS)
    frame = frame_of(Market(), tmp_path / "whole", spec)
    # even hours are sampled 90 s after their stamp, odd ones 58 min early: at 06:00 the row of 07:00 is not known
    assert frame.at(FEBRUARY + 6 * HOUR).gas_price == 10.0 + 5
    assert frame.at(FEBRUARY + 7 * HOUR).gas_price == 10.0 + 7
    assert frame.at(FEBRUARY + 7 * HOUR).gas_token_price == 2000.0 + JANUARY_HOURS + 7
    with pytest.raises(DataGapError, match=r"gas_prices_1h of ethereum gas .*T08:00:00Z within its maximum age of 3 h"):
        frame_of(Market().without(GAS, FEBRUARY + 6 * HOUR, FEBRUARY + 12 * HOUR), tmp_path / "hole", spec)


def test_a_missing_oracle_midnight_is_a_gap_after_25_hours(tmp_path: Path) -> None:
    market = Market().without(RATIO, FEBRUARY + DAY, FEBRUARY + DAY + HOUR)
    with pytest.raises(DataGapError, match=r"oracle_prices of aave_v3 weETH_ETH .*02-02T02:00:00Z .* of 25 h"):
        frame_of(market, tmp_path, spec_of(USDT_WALLET, WEETH))


def test_an_asset_priced_on_a_pool_is_converted_from_its_quote_token(tmp_path: Path) -> None:
    market = Market().without(POOL, FEBRUARY + 3 * HOUR, FEBRUARY + 9 * HOUR)
    frame = frame_of(market, tmp_path, spec_of(USDT_WALLET, EIGEN))
    n = JANUARY_HOURS + 2
    assert frame.at(FEBRUARY + 2 * HOUR).price[1] == pytest.approx((1000.0 + n) / 1e6 * (2000.0 + n), rel=1e-15)
    close = (1000.0 + n + 0.25) / 1e6
    assert frame.at(FEBRUARY + 8 * HOUR).price[1] == pytest.approx(close * (2000.0 + n + 6), rel=1e-15)


def test_the_share_price_is_the_reference_of_the_share_asset(tmp_path: Path) -> None:
    frame = frame_of(Market(), tmp_path, spec_of(USDT_WALLET, share_asset="ETH"))
    assert frame.at(FEBRUARY).share_price == 2000.0 + JANUARY_HOURS


def test_debt_has_a_negative_value_per_stored_unit(tmp_path: Path) -> None:
    snapshot = frame_of(Market(), tmp_path, spec_of(USDT_WALLET, DEBT_WETH)).at(FEBRUARY)
    index = 1.03 + 31 / 5e3
    assert snapshot.index[1] == index
    assert snapshot.underlying[1] == -index
    assert snapshot.value[1] == pytest.approx(-index * (2000.0 + JANUARY_HOURS), rel=1e-15)


def test_usage_counts_rows_by_quality_and_pins_generations(tmp_path: Path) -> None:
    market = Market()
    market.quality[SPOT] = {FEBRUARY - DAY: "filled", FEBRUARY + HOUR: "filled", FEBRUARY + 2 * HOUR: "filled"}
    market.quality[FUNDING] = {FEBRUARY + 8 * HOUR: "proxied"}
    frame = frame_of(market, tmp_path, days=1)
    usage = {series.name: series for series in frame.usage.series}
    spot, funding = usage["spot_candles_1h/binance/ETHUSDT"], usage["funding_rates/binance/ETHUSDT"]
    assert (spot.rows, spot.filled, spot.proxied) == (24, 2, 0)
    assert (funding.rows, funding.filled, funding.proxied) == (3, 0, 1)
    assert usage["mark_candles_1h/binance/ETHUSDT"].rows == 25  # with the bar that ended at the first step
    assert sorted(spot.generations) == ["2024-01", "2024-02"]
    assert set(usage) == {str(r.series).replace(" of ", "/").replace(" ", "/") for r in requirements(BASIS)}


@pytest.mark.parametrize(("moved", "counted"), [(0, 0), (2, 2), (90, 11)])
def test_usage_counts_rows_that_a_stamp_correction_moved_but_none_that_were_not_observed(
    tmp_path: Path, moved: int, counted: int
) -> None:
    market = Market()
    market.changed[FUNDING] = {"label_shift": moved, "stamp_rounded": 5}
    market.quality[FUNDING] = {FEBRUARY + 8 * HOUR: "proxied"}
    usage = {series.dataset: series for series in frame_of(market, tmp_path).usage.series}
    assert (usage["funding_rates"].rows, usage["funding_rates"].corrected) == (12, counted)


def test_a_mode_without_market_data_gets_par_everywhere(tmp_path: Path) -> None:
    frame = frame_of(Market(), tmp_path, spec_of(USDT_WALLET), days=1)
    assert frame.at(FEBRUARY) == MarketSnapshot(FEBRUARY, *[(1.0,)] * 9, None, 1.0, 1.0)
