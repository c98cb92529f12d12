"""The four staking modes as they ship, over thirteen real months, against arithmetic on their own tables.

Every category of the attribution is computed again by DuckDB from what was held (`positions`), what was settled
(`deltas`) and what was paid (`orders`); where each figure comes from stands in its query.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection

from basis_pipeline.results.sql.catalog import connect
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.runs.conftest import CONFIGS, STAKING_MODES

pytestmark = [pytest.mark.real_data]
FIRST, LAST = "2024-06", "2025-06"
ETH_MODES = ("eth_staking_only", "eth_leveraged")
HEDGED_MODES = ("usdt_eth_staking_hedged_simple", "usdt_eth_staking_hedged_leveraged")
BARE = {"strategy.carry_gate": False, "strategy.rewards.tokens": []}
"""The simulation that the hedged modes are compared with knows neither."""

INTERVALS = """
create view prices as
    select distinct mode, timestamp, price_usd as eth from exposures where asset = 'ETH';
create view held as
    select p.mode, p.timestamp, position_key as key, quantity, underlying_quantity as underlying,
        underlying_quantity / nullif(quantity, 0) as index,
        abs(value_usd) / nullif(underlying_quantity, 0) as unit_value,
        abs(value_usd) / nullif(underlying_quantity, 0) / eth as ratio, eth
    from positions p join prices using (mode, timestamp)
    where position_key like '%:aToken:%' or position_key like '%:debtToken:%' or position_key like '%:LST:%';
create view intervals as
    select *, lag(quantity) over w as q0, lag(index) over w as i0, lag(ratio) over w as r0
    from held window w as (partition by mode, key order by timestamp);
"""
"""Holdings between two steps: q0 is what the step before closed with, so nothing traded since is in it."""

CATEGORY = {
    "supply_yield": "sum(q0 * (index - i0) * unit_value {unit}) filter (key like '%:aToken:%')",
    "borrow_costs": "-sum(q0 * (index - i0) * unit_value {unit}) filter (key like '%:debtToken:%')",
    "staking_yield": "sum(q0 * i0 * (ratio - r0) * eth {unit}) filter (key not like '%:debtToken:%')",
}


@pytest.fixture(scope="module")
def tables(staking_record: Workspace) -> Iterator[DuckDBPyConnection]:
    with connect(staking_record.results) as connection:
        connection.execute(INTERVALS)
        yield connection


@pytest.fixture(scope="module")
def bare(real_validated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBPyConnection]:
    """The hedged modes as the independent simulation knows them."""
    root = tmp_path_factory.mktemp("bare")
    (root / "validated").symlink_to(real_validated)
    workspace = Workspace(root, CONFIGS)
    for mode, lst in product(HEDGED_MODES, ("weETH", "wstETH")):
        overrides, name = BARE | {"strategy.lst": lst}, f"{mode}_{lst}"
        for _ in plan_backtest(workspace, mode, first=FIRST, last=LAST, overrides=overrides, experiment=name).run():
            pass
    with connect(workspace.results) as connection:
        yield connection


def _one(tables: DuckDBPyConnection, sql: str) -> tuple[float, ...]:
    return tables.execute(sql).fetchall()[0]


def _attributed(tables: DuckDBPyConnection, mode: str, category: str) -> tuple[float, float]:
    sums = f"select sum(pnl), sum(pnl_usd) from pnl_attribution where mode = '{mode}' and category = '{category}'"
    share, usd = _one(tables, sums)
    return share, usd


@pytest.mark.parametrize("mode", STAKING_MODES)
@pytest.mark.parametrize("category", list(CATEGORY))
def test_yields_and_interest_follow_from_what_was_held(mode: str, category: str, tables: DuckDBPyConnection) -> None:
    share_unit = "/ eth" if mode in ETH_MODES else ""
    share, usd = (CATEGORY[category].format(unit=unit) for unit in (share_unit, ""))
    expected = _one(tables, f"select coalesce({share}, 0), coalesce({usd}, 0) from intervals where mode = '{mode}'")
    actual = _attributed(tables, mode, category)
    capital = 40.0 if mode in ETH_MODES else 100_000.0
    assert actual[0] == pytest.approx(expected[0], rel=1e-9, abs=1e-9 * capital)
    assert actual[1] == pytest.approx(expected[1], rel=1e-9, abs=1e-4)
    levered = "leveraged" in mode
    assert (expected[0] != 0.0) == (levered or category == "staking_yield")


@pytest.mark.parametrize("mode", STAKING_MODES)
def test_costs_are_what_the_orders_state(mode: str, tables: DuckDBPyConnection) -> None:
    unit = "/ eth" if mode in ETH_MODES else ""
    expected = _one(
        tables,
        f"select -sum((fee + slippage + gas) {unit}), -sum(fee + slippage + gas) "
        f"from orders join prices using (mode, timestamp) where mode = '{mode}'",
    )
    assert _attributed(tables, mode, "transaction_costs") == pytest.approx(expected, rel=1e-9)
    assert expected[1] < 0.0


@pytest.mark.parametrize("mode", STAKING_MODES)
def test_funding_is_what_was_settled(mode: str, tables: DuckDBPyConnection) -> None:
    expected, count = _one(
        tables,
        "select coalesce(sum(-reference_quantity * price * rate), 0), count(*) from deltas "
        f"where source = 'funding' and mode = '{mode}'",
    )
    assert _attributed(tables, mode, "funding_pnl")[0] == pytest.approx(expected, rel=1e-9)
    settlements = 3 * 395 - 1  # of 395 days; at the first one nothing was held yet
    assert count == (0 if mode in ETH_MODES else 2 * settlements)


@pytest.mark.parametrize("mode", STAKING_MODES)
def test_the_attribution_closes_at_every_step_in_share_class_and_usd(mode: str, tables: DuckDBPyConnection) -> None:
    residual, gap, gap_usd = _one(
        tables,
        f"""
        select max(abs(residual) / equity_share_class), max(abs(total - step_pnl) / equity_share_class),
            max(abs(total_usd - step_pnl_usd) / equity_usd)
        from timesteps join (
            select mode, timestamp, sum(pnl) as total, sum(pnl_usd) as total_usd,
                sum(pnl) filter (category = 'residual') as residual
            from pnl_attribution group by all
        ) using (mode, timestamp) where mode = '{mode}'
        """,
    )
    assert residual <= 1e-12
    assert max(gap, gap_usd) <= 1e-12


@pytest.mark.parametrize("mode", HEDGED_MODES)
def test_the_hedged_delta_stays_in_its_band(mode: str, tables: DuckDBPyConnection) -> None:
    """The yield lengthens the stack by 3% a year: never more than the 2% that are rebalanced, hourly closings."""
    drift, entry = _one(
        tables,
        "select max(abs(net_delta_usd) / equity_usd), min_by(abs(net_delta_usd) / equity_usd, timestamp) "
        f"from timesteps where mode = '{mode}'",
    )
    assert drift < 0.02
    assert entry < 0.001


@pytest.mark.parametrize(
    ("mode", "lst", "expected"),
    [
        ("usdt_eth_staking_hedged_simple", "weETH", 0.068),
        ("usdt_eth_staking_hedged_simple", "wstETH", 0.070),
        ("usdt_eth_staking_hedged_leveraged", "weETH", 0.063),
        ("usdt_eth_staking_hedged_leveraged", "wstETH", 0.067),
    ],
)
def test_hedged_modes_land_near_an_independent_simulation(
    mode: str, lst: str, expected: float, bare: DuckDBPyConnection
) -> None:
    """An independent plain loop on the same files, thirteen months, same triggers.

    It takes fees without slippage and moves funds for nothing; here slippage of spot and perps, transfer fees and the
    gas of every group are paid as well, and pools are dearer the larger the order. That is worth 0.1 to 0.3 points.
    """
    (final,) = _one(
        bare,
        f"select max_by(equity_share_class, timestamp) from experiments.timesteps where experiment = '{mode}_{lst}'",
    )
    assert final / 100_000.0 - 1.0 == pytest.approx(expected, abs=0.004)


@pytest.mark.parametrize("mode", STAKING_MODES)
def test_nobody_is_liquidated_and_nothing_is_ever_negative(mode: str, tables: DuckDBPyConnection) -> None:
    liquidated, lowest = _one(
        tables,
        f"select (select count(*) from deltas where source = 'liquidation' and mode = '{mode}'), min(quantity) "
        f"from positions where position_key not like '%:Perp:%' and mode = '{mode}'",
    )
    assert liquidated == 0
    assert lowest >= 0.0
