"""Frames of the real files against DuckDB on the raw files: arithmetic that shares no code with ingestion or frame."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from pyarrow import feather

from basis_pipeline.domain.position_keys import Instrument
from basis_pipeline.domain.timeline import DAY, HOUR, MINUTE, from_micros, iso, month_end, month_start
from basis_pipeline.market_data.frames.coverage import coverage
from basis_pipeline.market_data.frames.frame import Frame, build_frame
from basis_pipeline.market_data.frames.requirements import FrameSpec, ReserveRef, ReserveSide, SeriesRef, SlotSources
from basis_pipeline_tests.market_data.frame_builders import instrument, spec_of
from basis_pipeline_tests.market_data.world import World

pytestmark = pytest.mark.real_data

CASH = instrument("wallet:BaseToken:USDT", "USDT", "USDT")
A_USDT = instrument("aave_v3:aToken:aUSDT", "USDT", "USDT")
A_WEETH = instrument("aave_v3:aToken:aweETH", "weETH", "ETH")
DEBT_WETH = instrument("aave_v3:debtToken:debtWETH", "WETH", "ETH")
SPOT_BTC, SPOT_ETH = (SeriesRef("spot_candles_1h", "binance", f"{coin}USDT") for coin in ("BTC", "ETH"))


def perp(venue: str, coin: str) -> Instrument:
    return instrument(f"{venue}:Perp:{coin}USDT", coin, coin, "USDT")


def perp_sources(venue: str, coin: str, candles: str = "perp_candles_1h") -> SlotSources:
    last, mark, funding = (
        SeriesRef(name, venue, f"{coin}USDT") for name in (candles, "mark_candles_1h", "funding_rates")
    )
    return SlotSources(last=last, mark=mark, funding=funding)


def reserve(token: str, side: ReserveSide, *, hourly: bool) -> ReserveRef:
    rates = SeriesRef("aave_rates_1h", "aave_v3", token) if hourly else None
    return ReserveRef(SeriesRef("aave_reserves_1d", "aave_v3", token), side, rates)


BTC_BASIS = spec_of(
    CASH,
    perp("binance", "BTC"),
    perp("bybit", "BTC"),
    reference={"BTC": SPOT_BTC},
    sources={f"{venue}:Perp:BTCUSDT": perp_sources(venue, "BTC") for venue in ("binance", "bybit")},
)
STAKING = spec_of(
    A_USDT,
    A_WEETH,
    DEBT_WETH,
    perp("okx", "ETH"),
    reference={"ETH": SPOT_ETH},
    share_asset="ETH",
    sources={
        str(A_USDT.key): SlotSources(reserve=reserve("USDT", ReserveSide.SUPPLY, hourly=True)),
        str(A_WEETH.key): SlotSources(
            reserve=reserve("weETH", ReserveSide.SUPPLY, hourly=False),
            ratio=SeriesRef("oracle_prices", "aave_v3", "weETH_ETH"),
        ),
        str(DEBT_WETH.key): SlotSources(reserve=reserve("WETH", ReserveSide.BORROW, hourly=True)),
        "okx:Perp:ETHUSDT": perp_sources("okx", "ETH"),
    },
    usd=SeriesRef("oracle_prices", "aave_v3", "USDT_USD"),
)


LENDING = spec_of(CASH, A_USDT, sources={str(A_USDT.key): STAKING.sources[str(A_USDT.key)]})


def frame_of(world: World, spec: FrameSpec, month: str) -> Frame:
    return build_frame(world.store, spec, month_start(month), month_end(month))


def raw_file(world: World, name: str) -> Path:
    return next(world.raw.rglob(name))


def number(sql: str, *parameters: object, **tables: object) -> tuple[float, ...]:
    """The first row of a query, as floats."""
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.register(name, table)
        row = connection.execute(sql, list(parameters)).fetchone()
    assert row is not None, (sql, parameters)
    return tuple(float(value) for value in row)


def csv_row(world: World, name: str, columns: str, where: str, *parameters: object) -> tuple[float, ...]:
    return number(
        f"select {columns} from read_csv('{raw_file(world, name)}', all_varchar=true) where {where}", *parameters
    )


def bar(world: World, name: str, columns: str, stamp: int) -> tuple[float, ...]:
    """Values of one bar of a CSV or feather file."""
    if name.endswith(".csv"):
        day, hour = from_micros(stamp).strftime("%Y-%m-%d %H").split()
        return csv_row(world, name, columns, "timestamp like ? || '%' || ? || ':00:00%'", day, hour)
    table = feather.read_table(raw_file(world, name))
    return number(f"select {columns} from bars where epoch_us(date::timestamptz) = ?", stamp, bars=table)


@pytest.mark.parametrize("hour", [0, 1, 333, 743])
def test_prices_and_extremes_of_a_basis_month_are_those_of_the_files(real_world: World, hour: int) -> None:
    start = month_start("2024-03")
    stamp = start + hour * HOUR
    snapshot = frame_of(real_world, BTC_BASIS, "2024-03").at(stamp)
    assert snapshot.price == (1.0, *bar(real_world, "binance_BTCUSDT_spot_1h.csv", "open", stamp) * 2)
    for slot, venue in ((1, "binance"), (2, "bybit")):
        marks = f"{venue}_BTCUSDT_mark_1h.feather"
        assert (snapshot.last[slot],) == bar(real_world, f"{venue}_BTCUSDT_perp_1h.csv", "open", stamp)
        assert (snapshot.mark[slot],) == bar(real_world, marks, "open", stamp)
        assert (snapshot.low[slot], snapshot.high[slot]) == bar(real_world, marks, "low, high", stamp - HOUR)


def test_funding_of_a_month_is_that_of_the_files_whatever_their_milliseconds(real_world: World) -> None:
    frame = frame_of(real_world, BTC_BASIS, "2025-06")
    settled = [stamp for stamp in frame.timestamps if frame.at(stamp).funding]
    assert settled == list(range(month_start("2025-06"), month_end("2025-06"), 8 * HOUR))
    for slot, venue in ((1, "binance"), (2, "bybit")):
        paid = sum((frame.at(stamp).funding or ())[slot] for stamp in settled)
        name = f"{venue}_BTCUSDT_funding_8h.csv"
        columns = "sum(cast(funding_rate as double))"
        assert (paid,) == pytest.approx(
            csv_row(real_world, name, columns, "funding_timestamp like '2025-06%'"), abs=1e-15
        )


def test_a_hole_of_the_reference_takes_the_declared_second_source(real_world: World) -> None:
    frame = frame_of(real_world, BTC_BASIS, "2024-02")
    for hour in (1, 12, 23):
        stamp = month_start("2024-02") + 9 * DAY + hour * HOUR
        day = from_micros(stamp).strftime("%Y-%m-%d")
        where = "timestamp like ? || '%' || ? || ':00:00%' limit 1"
        second = csv_row(real_world, "bybit_BTCUSDT_spot_1h.csv", "open", where, day, f"{hour:02}")
        assert (frame.at(stamp).price[1],) == second
    spot = next(series for series in frame.usage.series if series.dataset == "spot_candles_1h")
    assert (spot.rows, spot.filled) == (696, 23)


@pytest.mark.parametrize("day", [1, 2, 17, 30])
def test_at_midnight_indices_ratio_and_usd_are_the_raw_snapshots(real_world: World, day: int) -> None:
    stamp = month_start("2024-11") + (day - 1) * DAY
    frame, date = frame_of(real_world, STAKING, "2024-11"), from_micros(stamp).strftime("%Y-%m-%d")
    snapshot = frame.at(stamp)
    for slot, token, column in (
        (0, "USDT", "liquidityIndex"),
        (1, "weETH", "liquidityIndex"),
        (2, "WETH", "variableBorrowIndex"),
    ):
        name = f"aave_v3_ethereum_{token}_rates_1d.csv"
        assert (snapshot.index[slot],) == csv_row(real_world, name, column, "date = ?", date)
    noon = frame.at(stamp + 12 * HOUR)
    for name, where, found in (
        ("weETH_ETH_oracle.csv", f"{date} 00:00:00+00:00", (snapshot.ratio[1], noon.ratio[1])),
        ("USDT_USD_oracle.csv", str(stamp // 1_000_000), (snapshot.usd, noon.usd)),
    ):
        lines = [line.split(",") for line in raw_file(real_world, name).read_text().splitlines()]
        (raw,) = (float(line[1]) for line in lines if line[0] == where)
        assert found == (raw, raw)


@pytest.mark.parametrize("month", ["2024-07", "2024-12"])
def test_hourly_accrual_meets_the_next_snapshot_within_a_third_of_a_basis_point(real_world: World, month: str) -> None:
    """In the months of the highest real rates: what 23:00 and the raw rate of its hour say of the next 00:00."""
    frame = frame_of(real_world, LENDING, month)
    path = raw_file(real_world, "aave_v3_usdt_eth_hourly.parquet")
    worst = 0.0
    for stamp in frame.timestamps[23:-1:24]:
        sql = f"select lender_variable_apr from '{path}' where epoch_us(__index_level_0__::timestamp) = ?"
        (percent,) = number(sql, stamp)
        expected = frame.at(stamp).index[1] * (1.0 + percent / 100 / (365 * 24))
        worst = max(worst, abs(frame.at(stamp + HOUR).index[1] / expected - 1.0))
    assert 0.0 < worst < 1e-4 / 3


@pytest.mark.parametrize("hour", [0, 1, 2, 431, 719])
def test_gas_is_that_of_the_last_block_before_the_step(real_world: World, hour: int) -> None:
    spec = spec_of(
        CASH, reference={"ETH": SPOT_ETH}, gas=SeriesRef("gas_prices_1h", "ethereum", gas_symbol(real_world))
    )
    stamp = month_start("2024-04") + hour * HOUR
    raw = csv_row(
        real_world,
        "ethereum_gas_prices_1h.csv",
        "max_by(gas_price_gwei, cast(block_timestamp as bigint))",
        "cast(block_timestamp as bigint) <= ?",
        stamp // 1_000_000,
    )
    assert (frame_of(real_world, spec, "2024-04").at(stamp).gas_price,) == raw


def gas_symbol(world: World) -> str:
    return world.store.series("gas_prices_1h")[0].symbol


def test_repaired_okx_settlements_are_counted_as_corrected_and_read_where_they_belong(real_world: World) -> None:
    frame = frame_of(real_world, STAKING, "2024-11")
    funding = next(series for series in frame.usage.series if series.dataset == "funding_rates")
    assert funding.rows == 90
    assert funding.corrected == 90 - funding.proxied > 0
    stamp = month_start("2024-11") + 14 * DAY + 8 * HOUR
    label = iso(stamp + 16 * HOUR)
    raw = csv_row(real_world, "okx_ETHUSDT_funding_8h.csv", "funding_rate", "funding_timestamp = ?", label)
    assert ((frame.at(stamp).funding or ())[3],) == raw


def test_a_month_of_five_minutes_reads_the_five_minute_file(real_world: World) -> None:
    spec = spec_of(
        CASH,
        perp("binance", "BTC"),
        step=5 * MINUTE,
        reference={"BTC": SPOT_BTC},
        sources={"binance:Perp:BTCUSDT": perp_sources("binance", "BTC", "perp_candles_5m")},
    )
    frame = frame_of(real_world, spec, "2024-01")
    assert len(frame.timestamps) == 8_928
    stamp = month_start("2024-01") + 12 * DAY + 35 * MINUTE
    name = "binance_BTCUSDT_perp_5m.part1.feather"
    snapshot = frame.at(stamp)
    assert (snapshot.price[1], snapshot.mark[1], snapshot.last[1]) == bar(real_world, name, "open", stamp) * 3
    assert (snapshot.low[1], snapshot.high[1]) == bar(real_world, name, "low, high", stamp - 5 * MINUTE)


def test_the_files_cover_the_whole_basis_range_and_okx_eth_from_its_first_month_without_a_hole(
    real_world: World,
) -> None:
    assert coverage(real_world.store, BTC_BASIS) == ("2024-01", "2025-06")
    assert coverage(real_world.store, STAKING) == ("2024-10", "2025-06")
