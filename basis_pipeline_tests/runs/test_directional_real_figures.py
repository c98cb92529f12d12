"""Both directional modes on the real data: every category of profit against arithmetic over the tables in DuckDB.

Prices of fills are summed up as cash, which knows nothing of steps: q bought at p is worth q (F - p) USDT in the end, c
inverse contracts are worth c (1/p - 1/F) coins.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from duckdb import DuckDBPyConnection

from basis_pipeline.domain.timeline import month_end, month_start
from basis_pipeline.results.sql.catalog import connect
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.signals import train_signals
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.made_once import made_once
from basis_pipeline_tests.runs.conftest import CONFIGS, copied

pytestmark = [pytest.mark.real_data]
LINEAR, INVERSE = "ml_btc_directional_usdt_margin", "ml_btc_directional_btc_margin"
MODES = (LINEAR, INVERSE)
FIRST, LAST = "2024-05", "2024-07"
CAPITAL = {LINEAR: 100_000.0, INVERSE: 2.0}
CASH = {LINEAR: "binance:BaseToken:USDT", INVERSE: "binance:BaseToken:BTC"}
BUSY = {"strategy.signal_threshold": 0.52, "strategy.minimum_edge": 0.0, "strategy.max_hold_bars": 36}
BARS = "ml/binance_BTCUSDT_perp_5m.part1.feather"
STOPS = "deltas.source in ('stop_loss', 'take_profit')"


@pytest.fixture(scope="module")
def tables(real_validated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBPyConnection]:
    """Three months with deposits, withdrawals and many signals, as views named like the tables."""

    def run(root: Path) -> None:
        copied(real_validated, root / "validated", tuple(f"2024-{number:02}" for number in range(1, 8)))
        workspace = Workspace(root, CONFIGS)
        train_signals(workspace, "btc_trees")
        for mode in MODES:
            half = CAPITAL[mode] / 2
            flows = [{"at": "2024-05-20T10:00:00Z", "amount": half}, {"at": "2024-06-20T10:00:00Z", "amount": -half}]
            changed = BUSY | {"flows": flows}
            for _ in plan_backtest(workspace, mode, first=FIRST, last=LAST, overrides=changed, experiment=mode).run():
                pass

    with connect(Workspace(made_once(tmp_path_factory, "directional", run), CONFIGS).results) as connection:
        connection.execute("set schema = 'experiments'")
        yield connection


def one(tables: DuckDBPyConnection, sql: str) -> tuple[float, ...]:
    return tables.execute(sql).fetchall()[0]


def attributed(tables: DuckDBPyConnection, mode: str, *categories: str) -> float:
    names = ", ".join(f"'{category}'" for category in categories)
    return one(tables, f"select sum(pnl) from pnl_attribution where mode = '{mode}' and category in ({names})")[0]


@pytest.mark.parametrize("mode", MODES)
def test_the_market_pays_what_the_fills_bought_and_sold_at(mode: str, tables: DuckDBPyConnection) -> None:
    """Price and basis together, before costs: fills at their reference prices, what is still open at the last mark."""
    gained = "-sum(delta_amount * reference_price)" if mode == LINEAR else "sum(delta_amount / reference_price)"
    held = f"from deltas where mode = '{mode}' and position_key like '%:Perp:%'"
    fills, left, count = one(tables, f"select {gained}, sum(delta_amount), count(*) {held}")
    (mark,) = one(tables, "select max_by(price_usd, timestamp) from exposures where asset = 'BTC'")
    open_position = left * mark if mode == LINEAR else -left / mark
    assert count > 200
    expected = fills + open_position
    assert attributed(tables, mode, "delta_pnl", "basis_pnl") == pytest.approx(expected, abs=1e-9 * CAPITAL[mode])
    assert attributed(tables, mode, "fx_pnl", "liquidation_pnl", "supply_yield", "staking_yield", "dust_pnl") == 0.0


@pytest.mark.parametrize("mode", MODES)
def test_costs_are_those_of_orders_and_of_stops(mode: str, tables: DuckDBPyConnection) -> None:
    """Of a stop: its fee, and what it was filled worse than its level."""
    unit = "" if mode == LINEAR else "/ price_usd"
    orders = one(
        tables,
        f"select sum((fee + slippage + gas) {unit}) from orders join exposures using (mode, timestamp) "
        f"where mode = '{mode}' and asset = 'BTC' and exposures.trigger = 'position_refresh'",
    )[0]
    fees = one(
        tables,
        f"select sum(fee {unit}) from deltas join exposures using (mode, timestamp) "
        f"where mode = '{mode}' and {STOPS} and asset = 'BTC' and exposures.trigger = 'position_refresh'",
    )[0]
    slip = "delta_amount * (price - reference_price)" if mode == LINEAR else (
        "delta_amount * (1 / reference_price - 1 / price)"
    )  # fmt: skip
    worse = one(tables, f"select sum({slip}) from deltas where mode = '{mode}' and {STOPS} and price is not null")[0]
    assert attributed(tables, mode, "transaction_costs") == pytest.approx(
        -(orders + fees + worse), rel=1e-9, abs=1e-9 * CAPITAL[mode]
    )
    assert orders > 0.0
    assert fees > 0.0
    assert worse > 0.0


@pytest.mark.parametrize("mode", MODES)
def test_funding_is_what_was_held_before_times_the_raw_rate(
    mode: str, tables: DuckDBPyConnection, real_raw: Path
) -> None:
    """At 5 minutes the last price stands in for the mark: the open of the bar at the settlement."""
    rates = real_raw / "cex/funding/binance_BTCUSDT_funding_8h.csv"
    tables.execute(
        "create or replace temp table raw_rates as select funding_rate, time_bucket(interval 1 minute, "
        f"funding_timestamp::timestamptz at time zone 'UTC') as timestamp from read_csv('{rates}')"
    )
    held = (
        "select timestamp + interval 5 minute as timestamp, quantity from positions "
        f"where mode = '{mode}' and position_key like '%:Perp:%' and quantity <> 0"
    )
    paid = tables.execute(
        f"select timestamp, delta_amount, price, reference_quantity, quantity, funding_rate from deltas "
        f"left join ({held}) using (timestamp) left join raw_rates using (timestamp) "
        f"where mode = '{mode}' and source = 'funding' order by 1"
    ).fetchall()
    assert len(paid) > 20
    marks = _raw_opens(real_raw / BARS, [row[0] for row in paid])
    total = 0.0
    for (_, amount, price, reference, quantity, rate), mark in zip(paid, marks, strict=True):
        assert price == mark
        assert reference == quantity
        expected = -quantity * mark * rate if mode == LINEAR else -quantity / mark * rate
        assert amount == pytest.approx(expected, rel=1e-12)
        total += expected
    assert attributed(tables, mode, "funding_pnl") == pytest.approx(total, abs=1e-12 * CAPITAL[mode])


def _raw_opens(file: Path, stamps: list[object]) -> list[float]:
    bars = pd.read_feather(file).drop_duplicates("date").set_index("date")["open"]
    return [float(bars.loc[pd.Timestamp(stamp, tz="UTC")]) for stamp in stamps]


@pytest.mark.parametrize("mode", MODES)
def test_profit_is_explained_and_is_what_was_not_paid_in(mode: str, tables: DuckDBPyConnection) -> None:
    residual, explained, flows, equity = one(
        tables,
        f"""
        select max(abs(residual) / equity_share_class), sum(total), sum(flow), max_by(equity_share_class, timestamp)
        from timesteps join (
            select mode, timestamp, sum(pnl) as total, sum(pnl) filter (category = 'residual') as residual
            from pnl_attribution group by all
        ) using (mode, timestamp) where mode = '{mode}'
        """,
    )
    assert residual <= 1e-12
    assert flows == pytest.approx(CAPITAL[mode], rel=1e-12), "the deposit was withdrawn again"
    assert equity - flows == pytest.approx(explained, abs=1e-9 * CAPITAL[mode])


@pytest.mark.parametrize("mode", MODES)
def test_no_position_is_older_than_it_may_be_and_every_open_one_has_its_levels(
    mode: str, tables: DuckDBPyConnection
) -> None:
    """36 bars are three hours; a stretch of one side and one entry price is one position."""
    longest, unguarded, steps = one(
        tables,
        f"""
        with held as (
            select timestamp, quantity, stop_loss, take_profit,
                row_number() over (order by timestamp)
                    - row_number() over (partition by sign(quantity), entry_price order by timestamp) as stretch,
                entry_price
            from positions where mode = '{mode}' and position_key like '%:Perp:%'
        )
        select max(n), sum(bare), any_value(total) from (
            select count(*) as n, count(*) filter (not (stop_loss - entry_price) * sign(quantity) < 0
                or not (take_profit - entry_price) * sign(quantity) > 0 or stop_loss is null) as bare,
                (select count(*) from held) as total
            from held where quantity <> 0 group by sign(quantity), entry_price, stretch
        )
        """,
    )
    assert longest <= 36
    assert unguarded == 0
    assert steps == (month_end(LAST) - month_start(FIRST)) // 300_000_000


@pytest.mark.parametrize("mode", MODES)
def test_a_position_is_closed_where_the_raw_bar_reached_its_level_and_nowhere_else(
    mode: str, tables: DuckDBPyConnection, real_raw: Path
) -> None:
    """Levels are those on record at the bar's open; a bar that reaches both is a stop-loss. None of these bars gaps."""
    tables.register("raw_bars", pd.read_feather(real_raw / BARS))
    hit, matched, closed = one(
        tables,
        f"""
        with bars as (select date at time zone 'UTC' as timestamp, low, high from raw_bars),
        reached as (
            select timestamp + interval 5 minute as timestamp,
                case when if(quantity > 0, low <= stop_loss, high >= stop_loss) then 'stop_loss'
                    when if(quantity > 0, high >= take_profit, low <= take_profit) then 'take_profit' end as cause,
                if(cause = 'stop_loss', stop_loss, take_profit) as level
            from positions join bars using (timestamp)
            where mode = '{mode}' and position_key like '%:Perp:%' and quantity <> 0
        ),
        closed as (select * from deltas where mode = '{mode}' and {STOPS} and price is not null)
        select (select count(*) from reached where cause is not null), (select count(*) from closed
            join reached on closed.timestamp = reached.timestamp and closed.source = cause
            where abs(reference_price - level) < 1e-9 * level),
            (select count(*) from closed)
        """,
    )
    assert hit == matched == closed
    assert hit > 50
