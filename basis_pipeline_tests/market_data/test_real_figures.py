"""Published real data against DuckDB on the raw files: arithmetic that shares no code with the ingestion."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.feather as feather
import pytest

from basis_pipeline.domain.timeline import month_start
from basis_pipeline_tests.market_data.world import World

pytestmark = pytest.mark.real_data

_EVER = month_start("2010-01"), month_start("2040-01")


def published(world: World, dataset: str, venue: str, symbol: str) -> pa.Table:
    return world.store.read(dataset, venue, symbol, *_EVER)


def raw_csv(world: World, name: str) -> str:
    """A raw file as a table function; stamps stay text, so that no zone is guessed."""
    return f"read_csv('{next(world.raw.rglob(name))}', all_varchar = true)"


def query(sql: str, **tables: pa.Table) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize(("token", "quotient"), [("USDT", 1.0887876188), ("WETH", 1.0290443283)])
def test_growth_of_a_supplied_token_is_the_known_one(real_world: World, token: str, quotient: float) -> None:
    raw = raw_csv(real_world, f"aave_v3_ethereum_{token}_rates_1d.csv")
    ratio = "max({0}) filter ({1} = '2025-06-30') / max({0}) filter ({1} = '2024-01-01')"
    expected = query(f"select {ratio.format('cast(liquidityIndex as double)', 'date')} from {raw}")
    reserves = published(real_world, "aave_reserves_1d", "aave_v3", token)
    found = query(f"select {ratio.format('liquidity_index', 'timestamp')} from reserves", reserves=reserves)
    assert found == expected
    assert round(float(str(found[0][0])), 10) == quotient


def test_repaired_okx_rates_sum_to_the_true_figures(real_world: World) -> None:
    okx = published(real_world, "funding_rates", "okx", "BTCUSDT")
    sums = """
        select strftime(timestamp, '%Y-%m'), round(100 * sum(funding_rate), 2)
        from okx where quality = 'observed' and timestamp >= '2025-05-01' group by 1 order by 1"""
    assert query(sums, okx=okx) == [("2025-05", 0.50), ("2025-06", 0.17)]
    first_of_each = f"""
        with rows as (select *, row_number() over () as row from {raw_csv(real_world, "okx_BTCUSDT_funding_8h.csv")}),
             kept as (select min_by(cast(funding_rate as double), row) as rate, funding_timestamp from rows group by 2)
        select round(100 * sum(rate), 2) from kept where funding_timestamp like '2025-05%'"""
    assert query(first_of_each) == [(-1.93,)]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_repaired_okx_rates_follow_binance_best_without_a_shift(real_world: World, symbol: str) -> None:
    okx = published(real_world, "funding_rates", "okx", symbol)
    raw = raw_csv(real_world, f"binance_{symbol}_funding_8h.csv")
    by_lag = """
        with binance as (
            select cast(left(funding_timestamp, 19) as timestamp) as stamp, cast(funding_rate as double) as rate
            from {raw})
        select corr(okx.funding_rate, binance.rate) from okx join binance
        on okx.timestamp + interval '{hours} hours' = binance.stamp where okx.quality = 'observed'"""
    correlations = {
        hours: float(str(query(by_lag.format(raw=raw, hours=hours), okx=okx)[0][0])) for hours in (-16, -8, 0, 8, 16)
    }
    assert max(correlations, key=correlations.__getitem__) == 0
    assert correlations[0] > 0.65


def test_bars_filled_from_five_minutes_are_their_aggregates(real_world: World) -> None:
    parts = [feather.read_table(path) for path in sorted(real_world.raw.rglob("binance_BTCUSDT_perp_5m.*"))]
    five = pa.concat_tables(parts)
    five = five.set_column(0, "date", five.column("date").cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us")))
    compared = query(
        """
        with bars as (select distinct * from five),
             hourly as (
                 select date_trunc('hour', date) as hour, min_by(open, date) as open, max(high) as high,
                        min(low) as low, max_by(close, date) as close, sum(volume) as volume
                 from bars group by 1)
        select count(*), count(*) filter (
            p.open = h.open and p.high = h.high and p.low = h.low and p.close = h.close
            and abs(p.volume - h.volume) < 1e-6)
        from perp p join hourly h on p.timestamp = h.hour where p.quality = 'filled'
        """,
        five=five,
        perp=published(real_world, "perp_candles_1h", "binance", "BTCUSDT"),
    )
    assert compared == [(299, 299)]


def test_interpolated_oracle_prices_would_be_wrong_and_midnights_are_right(real_world: World) -> None:
    rows = query(
        """
        select o.interpolated, count(*) filter (abs(o.price / s.open - 1) > 0.02),
               round(100 * max(abs(o.price / s.open - 1)), 2)
        from oracle o join spot s using (timestamp) group by 1 order by 1
        """,
        oracle=published(real_world, "oracle_prices", "aave_v3", "WETH_USD"),
        spot=published(real_world, "spot_candles_1h", "bybit", "ETHUSDT"),
    )
    assert rows[0] == (False, 0, 0.64)
    assert rows[1][1] == 1651
    assert rows[1][2] == pytest.approx(16.7, abs=0.05)


def test_every_observed_bar_is_a_row_of_its_file(real_world: World) -> None:
    raw = raw_csv(real_world, "bybit_BTCUSDT_spot_1h.csv")
    sql = f"""
        select count(*), count(*) filter (s.open = cast(r.open as double) and s.high = cast(r.high as double)
            and s.low = cast(r.low as double) and s.close = cast(r.close as double)
            and s.volume = cast(r.volume as double))
        from spot s join (select distinct * from {raw}) r on s.timestamp = cast(left(r.timestamp, 19) as timestamp)
        """
    spot = published(real_world, "spot_candles_1h", "bybit", "BTCUSDT")
    assert query(sql, spot=spot) == [(13_128, 13_128)]
