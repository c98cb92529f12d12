"""Every stress month calls forth the protective action one expects of it, and nothing that could not have happened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection

from basis_pipeline.results.sql.catalog import connect
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.made_once import made_once
from basis_pipeline_tests.runs import stress_table
from basis_pipeline_tests.runs.conftest import CONFIGS
from basis_pipeline_tests.runs.stress_table import BASIS, DIRECTIONAL, HEDGED, LENDING, MODES, STAKING, Cell

PAIRS = (*BASIS, *HEDGED)
LEVERED = ("eth_leveraged", "usdt_eth_staking_hedged_leveraged")
Table = dict[tuple[str, str], Cell]


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBPyConnection]:
    root = made_once(tmp_path_factory, "stress", stress_table.run_stress)
    with connect(Workspace(root, CONFIGS).results) as connection:
        yield connection


@pytest.fixture(scope="module")
def table(experiments: DuckDBPyConnection) -> Table:
    return stress_table.cells(experiments)


def test_the_page_says_what_the_engine_does(table: Table) -> None:
    assert stress_table.PAGE.read_text(encoding="utf-8") == stress_table.page(table), "run `make stress`"


@pytest.mark.parametrize("mode", PAIRS)
def test_in_a_crash_shorts_gain_and_are_put_to_use_and_the_recovery_is_deleveraged(mode: str, table: Table) -> None:
    cell = table[mode, "crash"]
    assert cell.said("entry_partial: margin ratio")
    assert cell.said("exit_partial: margin ratio")
    assert cell.drawdown < 0.005


@pytest.mark.parametrize("mode", PAIRS)
def test_in_a_squeeze_shorts_are_reduced_before_their_venue_does_it(mode: str, table: Table) -> None:
    """The price rises by 65% within five days; unmanaged, two thirds in spot would be liquidated at 43%."""
    cell = table[mode, "squeeze"]
    assert cell.said("exit_partial: margin ratio")
    assert cell.margin is not None
    assert cell.margin > 0.12
    assert cell.drawdown < 0.005


@pytest.mark.parametrize("mode", [*STAKING, *HEDGED])
def test_off_the_peg_nothing_is_staked_and_nothing_staked_is_sold(
    mode: str, table: Table, experiments: DuckDBPyConnection
) -> None:
    cell = table[mode, "depeg"]
    assert cell.said("suspended: staked tokens sell at a discount")
    assert not cell.said("exit_")
    waited = experiments.execute(
        "select count(*) filter (operation = 'atomic_delever' or operation = 'swap' and position_key like '%:LST:%'), "
        "min(timestamp) filter (operation in ('stake', 'atomic_lever')) "
        f"from experiments.orders where mode = '{mode}' and month = '2024-05'"
    ).fetchall()[0]
    assert waited[0] == 0
    assert waited[1].day > 14, "the deposit of the 11th is staked when the discount is below 2.5%"
    assert cell.profit > 0.0


@pytest.mark.parametrize("mode", PAIRS)
def test_a_pair_is_halved_while_it_pays_funding(mode: str, table: Table) -> None:
    cell = table[mode, "funding_flip"]
    (reduced,) = cell.said("exit_partial: funding")
    assert "below -5.00%" in reduced
    later = [*cell.said("funding is received again"), *table[mode, "borrow_spike"].said("funding is received again")]
    assert len(later) == 1
    assert -0.02 < cell.profit < 0.0


@pytest.mark.parametrize("mode", LEVERED)
def test_dear_debt_is_not_added_to(mode: str, table: Table) -> None:
    cell = table[mode, "borrow_spike"]
    assert cell.said("suspended: borrowing costs")
    assert cell.health is not None
    assert cell.health > 1.2


@pytest.mark.parametrize("mode", [*LENDING, "eth_leveraged"])
def test_additions_wait_for_gas_in_proportion(mode: str, table: Table, experiments: DuckDBPyConnection) -> None:
    """A deposit of 5% is not worth gas of more than 1% of it, and there is none to pay for before the 12th."""
    cell = table[mode, "gas_spike"]
    assert cell.said("declined: gas of")
    paid = "select max(gas) from experiments.orders where mode = '{}' and month = '2024-08'"
    (dearest,) = experiments.execute(paid.format(mode)).fetchall()[0]
    assert dearest < 150.0


@pytest.mark.parametrize("mode", DIRECTIONAL)
def test_a_directional_book_in_the_way_of_every_move_is_stopped(
    mode: str, table: Table, experiments: DuckDBPyConnection
) -> None:
    """A stop is 2 sd away and size x sd at most 0.1% of equity: one stop costs 0.2%, fees, and what the bar gapped."""
    crash = table[mode, "crash"]
    assert crash.stops[0] >= 10
    assert crash.profit > -0.06, "40% were lost within two days, twice the book's drawdown stop"
    assert all(table[mode, episode].drawdown < 0.10 for episode in stress_table.EPISODES)
    (worst,) = experiments.execute(
        "select min(delta_amount / equity_share_class) from experiments.deltas as d join experiments.timesteps "
        f"using (mode, timestamp) where mode = '{mode}' and d.source = 'stop_loss' and position_key not like '%:Perp:%'"
    ).fetchall()[0]
    assert -0.006 < worst < -0.002


@pytest.mark.parametrize("mode", MODES)
def test_nothing_happened_that_could_not_have(mode: str, experiments: DuckDBPyConnection) -> None:
    """No liquidation, no failed order, no negative balance, no instant redemption, and every cent explained."""
    ask = lambda sql: experiments.execute(sql).fetchall()[0][0]  # noqa: E731 - the same where everywhere
    assert ask(f"select count(*) from experiments.deltas where source = 'liquidation' and mode = '{mode}'") == 0
    assert ask(f"select count(*) from experiments.orders where status <> 'success' and mode = '{mode}'") == 0
    assert ask(f"select count(*) from experiments.orders where operation = 'redeem' and mode = '{mode}'") == 0
    negative = f"position_key not like '%:Perp:%' and quantity < 0 and mode = '{mode}'"
    assert ask(f"select count(*) from experiments.positions where {negative}") == 0
    residual = f"category = 'residual' and mode = '{mode}'"
    worst = f"select max(abs(pnl_usd)) from experiments.pnl_attribution where {residual}"
    assert ask(worst) < 1e-9 * ask(f"select min(equity_usd) from experiments.timesteps where mode = '{mode}'")


@pytest.mark.parametrize("mode", PAIRS)
def test_the_delta_of_a_neutral_book_stays_in_its_band(mode: str, experiments: DuckDBPyConnection) -> None:
    (drift,) = experiments.execute(
        f"select max(abs(net_delta_usd) / equity_usd) from experiments.timesteps where mode = '{mode}'"
    ).fetchall()[0]
    assert drift < 0.02


def test_every_dimension_is_on_record_at_every_step(experiments: DuckDBPyConnection) -> None:
    mode = "usdt_eth_staking_hedged_leveraged"
    counts = experiments.execute(
        f"select dimension, venue, count(distinct timestamp) from experiments.risk where mode = '{mode}' group by all"
    ).fetchall()
    steps = experiments.execute(f"select count(*) from experiments.timesteps where mode = '{mode}'").fetchall()[0][0]
    regular = {(dimension, venue): count for dimension, venue, count in counts if dimension != "rewards"}
    assert set(regular) == {
        ("margin_ratio", "binance"),
        ("margin_ratio", "bybit"),
        ("health_factor", "aave_v3"),
        ("loan_to_value", "aave_v3"),
        ("borrow_apr", "aave_v3"),
        ("peg_discount", ""),
        ("delta_drift", ""),
        ("funding_apr", ""),
        ("drawdown", ""),
    }
    assert set(regular.values()) == {steps}


def test_a_page_of_another_run_would_be_noticed(table: Table) -> None:
    cell = table["btc_basis", "squeeze"]
    changed = table | {("btc_basis", "squeeze"): cell._replace(costs=cell.costs + 1.0)}
    assert stress_table.page(changed) != stress_table.page(table)
    assert Path(stress_table.PAGE).name == "stress.md"
