"""Figures of the real data against arithmetic that reads the raw files itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest

from basis_pipeline.results.sql.catalog import connect
from basis_pipeline.results.store import month_digest
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.made_once import made_once
from basis_pipeline_tests.runs.conftest import CONFIGS
from basis_pipeline_tests.runs.replayed_basis import Decision, Files, equity_path, opens

pytestmark = [pytest.mark.real_data]
OpenWorkspace = Callable[..., Workspace]
FIRST, LAST = "2024-01", "2025-06"
VENUES = ("binance", "bybit")
TOP_OF_MONTHS = ("2024-01-01", "2025-06-30")


@pytest.fixture(scope="module")
def record(real_validated: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The lending and basis modes over the whole real range."""

    def run(root: Path) -> None:
        (root / "validated").symlink_to(real_validated)
        for mode in ("pure_lending_usdt", "pure_lending_eth", "btc_basis", "eth_basis"):
            for _ in plan_backtest(Workspace(root, CONFIGS), mode, first=FIRST, last=LAST).run():
                pass

    return Workspace(made_once(tmp_path_factory, "lending_and_basis", run), CONFIGS)


def _ask(workspace: Workspace, sql: str) -> list[tuple[object, ...]]:
    with connect(workspace.results) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize(
    ("mode", "token", "published"),
    [("pure_lending_usdt", "USDT", 1.0887876188), ("pure_lending_eth", "WETH", 1.0290443283)],
)
def test_lending_grows_as_the_raw_index_less_stated_costs(
    mode: str, token: str, published: float, record: Workspace, real_raw: Path
) -> None:
    """Equity between two 00:00 stamps = supplied x index quotient + what stayed in the wallet, to 1e-9."""
    file = real_raw / f"aave_v3/rates/aave_v3_ethereum_{token}_rates_1d.csv"
    indices = dict(
        duckdb.sql(f"select targetDate[:10], liquidityIndex from read_csv('{file}', all_varchar=true)").fetchall()
    )
    start, end = TOP_OF_MONTHS
    quotient = float(indices[end]) / float(indices[start])
    assert quotient == pytest.approx(published, abs=5e-11)
    opened = _ask(record, f"select min_by(equity_share_class, timestamp) from timesteps where mode = '{mode}'")[0][0]
    wallet = _ask(
        record,
        "select sum(quantity) from positions where position_key like 'wallet:%' "
        f"and mode = '{mode}' and timestamp = '{start}'",
    )[0][0]
    actual = _ask(record, f"select equity_share_class from timesteps where mode='{mode}' and timestamp='{end}'")[0][0]
    expected = wallet + (opened - wallet) * quotient
    assert actual == pytest.approx(expected, rel=1e-9)
    capital, gas = _ask(
        record,
        f"select sum(flow), sum(step_pnl) filter (timestamp = '{start}') from timesteps where mode = '{mode}'",
    )[0]
    assert opened == pytest.approx(capital + gas, rel=1e-12)
    assert gas < 0.0


@pytest.mark.parametrize(("mode", "coin"), [("btc_basis", "BTC"), ("eth_basis", "ETH")])
@pytest.mark.parametrize("venue", ["binance", "bybit"])
def test_funding_is_quantity_before_any_trade_times_mark_times_rate(
    mode: str, coin: str, venue: str, record: Workspace, real_raw: Path
) -> None:
    """Rates and marks from the raw files; quantities from the step before each settlement."""
    rates = _raw_rates(real_raw / f"cex/funding/{venue}_{coin}USDT_funding_8h.csv")
    marks = opens(real_raw / f"cex/mark/{venue}_{coin}USDT_mark_1h.feather")
    held = dict(
        _ask(
            record,
            "select epoch_us(timestamp) + 3600000000, quantity from positions "
            f"where mode = '{mode}' and position_key = '{venue}:Perp:{coin}USDT'",
        )
    )
    expected = [-held[stamp] * marks[stamp] * rate for stamp, rate in rates.items() if held.get(stamp)]
    assert len(expected) == 1_640
    paid = _ask(
        record,
        "select sum(delta_amount), count(*) from deltas where source = 'funding' "
        f"and mode = '{mode}' and position_key = '{venue}:BaseToken:USDT'",
    )[0]
    assert paid[0] == pytest.approx(float(np.sum(expected)), rel=1e-9)
    assert paid[1] == len([value for value in expected if value])


@pytest.mark.parametrize(("mode", "equity", "rebalances"), [("btc_basis", 110_284.0, 8), ("eth_basis", 110_506.0, 19)])
def test_basis_lands_near_an_independent_simulation(
    mode: str, equity: float, rebalances: int, record: Workspace
) -> None:
    """An independent plain loop without slippage and transfer fees; slippage costs about 0.1% of capital more."""
    final, lowest, drift = _ask(
        record,
        "select max_by(equity_share_class, timestamp), min(min_margin_ratio), "
        f"max(abs(net_delta_usd) / equity_usd) from timesteps where mode = '{mode}'",
    )[0]
    assert -0.0035 * equity < final - equity < 0.0005 * equity
    assert lowest > 0.12
    assert drift < 1e-9
    decisions = _ask(record, f"select count(distinct timestamp) from orders where mode = '{mode}'")[0][0]
    assert abs(decisions - rebalances) <= 2
    liquidated = _ask(record, f"select count(*) from deltas where source = 'liquidation' and mode = '{mode}'")
    assert liquidated[0][0] == 0


@pytest.mark.parametrize(("mode", "coin"), [("btc_basis", "BTC"), ("eth_basis", "ETH")])
def test_every_hour_of_a_basis_book_is_worth_what_its_orders_and_the_raw_files_say(
    mode: str, coin: str, record: Workspace, real_raw: Path
) -> None:
    found = _ask(
        record,
        "select epoch_us(timestamp), venue, operation, position_key, counter_position_key, side, quantity, "
        f"planned_quantity from orders where mode = '{mode}' and status = 'success' order by operation_id",
    )
    published = _ask(
        record,
        f"select epoch_us(timestamp), equity_share_class from timesteps where mode = '{mode}' order by timestamp",
    )
    rates = {venue: _raw_rates(real_raw / f"cex/funding/{venue}_{coin}USDT_funding_8h.csv") for venue in VENUES}
    orders = [Decision(*row) for row in found]
    path = equity_path(Files.of(real_raw, coin, rates), orders, [stamp for stamp, _ in published])
    assert len(path) == 13_128
    assert np.allclose(path, [equity for _, equity in published], rtol=1e-11, atol=0.0)


@pytest.mark.parametrize("mode", ["btc_basis", "pure_lending_eth"])
def test_every_month_closes_and_its_figures_add_up(mode: str, record: Workspace) -> None:
    worst, gap = _ask(
        record,
        f"""
        with attributed as (
            select timestamp, sum(pnl) as total, max(abs(pnl)) filter (category = 'residual') as residual
            from pnl_attribution where mode = '{mode}' group by timestamp
        ), valued as (
            select timestamp, sum(value_usd) as total from positions where mode = '{mode}' group by timestamp
        )
        select max(residual / equity_share_class), max(abs(valued.total - equity_usd) / equity_usd)
        from timesteps join attributed using (timestamp) join valued using (timestamp) where mode = '{mode}'
        """,
    )[0]
    assert worst <= 1e-12
    assert gap <= 1e-12


def test_a_second_run_has_the_same_digests(
    record: Workspace, real_validated: Path, open_workspace: OpenWorkspace
) -> None:
    again = open_workspace(real_validated)
    for _ in plan_backtest(again, "btc_basis", first=FIRST, last=LAST).run():
        pass
    months = record.results.months("btc_basis")
    assert len(months) == 18
    for month in months:
        first, second = (store.results.get("btc_basis", month) for store in (record, again))
        assert month_digest(first) == month_digest(second)


def _raw_rates(file: Path) -> dict[int, float]:
    rows = duckdb.sql(
        f"select epoch_us(funding_timestamp::timestamptz), funding_rate from read_csv('{file}', header=true)"
    ).fetchall()
    start, end = (datetime(*day, tzinfo=UTC).timestamp() * 1e6 for day in ((2024, 1, 1), (2025, 7, 1)))
    rounded = {round(stamp / 1e6) * 1_000_000: rate for stamp, rate in rows}
    return {stamp: rate for stamp, rate in rounded.items() if start <= stamp < end}
