"""The reward stream on the real data, against DuckDB over the raw reward files and the published positions."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.results.sql.catalog import connect
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.runs.conftest import STAKING_MODES

pytestmark = [pytest.mark.real_data]
HELD = {"eth_staking_only": "etherfi:LST:weETH", "usdt_eth_staking_hedged_simple": "etherfi:LST:weETH"}


def _payouts(raw: Path) -> str:
    """(token, start, end exclusive, credited, rate for the whole period) from the raw files, as SQL."""
    eigen, ethfi = (raw / "rewards" / f"{name}_raw.csv" for name in ("eigen_distributions", "ethfi_topups"))
    return f"""
        select 'EIGEN' as token, staking_period_start::timestamp as first,
               staking_period_end::timestamp + interval 1 day as behind,
               staking_period_end::timestamp + interval 1 day as credited,
               eigen_earned / (eth_restaked + eth_not_restaked) as rate
        from read_csv('{eigen}')
        union all
        select 'ETHFI', staking_period_start::timestamp, staking_period_end::timestamp + interval 1 day,
               top_up_date::timestamp + interval 1 day, ethfi_per_eeth_distributed
        from read_csv('{ethfi}')
    """


def _midnight_ratios(raw: Path) -> str:
    """(day, ETH per weETH at its 00:00), as SQL; the hours between are interpolated and say nothing."""
    return f"""
        select strptime(timestamp[:19], '%Y-%m-%d %H:%M:%S') as day, oracle_price_eth::double as ratio
        from read_csv('{raw / "aave_v3/oracle/weETH_ETH_oracle.csv"}', comment='#', all_varchar=true)
        where timestamp like '% 00:00:00%'
    """


@pytest.mark.parametrize("mode", STAKING_MODES)
def test_every_reward_is_the_raw_rate_times_the_mean_hourly_holding(
    mode: str, staking_record: Workspace, real_raw: Path
) -> None:
    """Hours before the opening count as nothing held; the position closes an hour as it began the next."""
    held = HELD.get(mode, "aave_v3:aToken:aweETH")
    with connect(staking_record.results) as connection:
        paid = connection.execute(
            "select split_part(position_key, ':', 3), timestamp, delta_amount from deltas "
            f"where mode = '{mode}' and source = 'reward' order by all"
        ).fetchall()
        expected = connection.execute(f"""
            select token, credited, rate * sum(underlying_quantity * ratio) / (epoch(behind - first) / 3600)
            from ({_payouts(real_raw)}) join positions on timestamp >= first and timestamp < behind
            join ({_midnight_ratios(real_raw)}) on day = date_trunc('day', timestamp)
            where mode = '{mode}' and position_key = '{held}' and credited < timestamp '2025-07-01'
            group by token, first, behind, credited, rate order by all
        """).fetchall()
    assert len(paid) == len(expected) == 46
    for (token, stamp, amount), (expected_token, expected_stamp, expected_amount) in zip(paid, expected, strict=True):
        assert (token, stamp) == (expected_token, expected_stamp)
        assert amount == pytest.approx(expected_amount, rel=1e-9)


def test_rewards_add_half_to_nine_tenths_of_a_percent_a_year_to_staking(staking_record: Workspace) -> None:
    """Priced on the pools at receipt, not at the vendor's constant 3.50 USD, which would give 1.35%."""
    with connect(staking_record.results) as connection:
        earned, days = connection.execute(
            "select sum(pnl), count(distinct timestamp) / 24.0 from pnl_attribution "
            "where mode = 'eth_staking_only' and category = 'staking_rewards'"
        ).fetchall()[0]
    assert 0.005 < earned / 40.0 * 365 / days < 0.009


@pytest.mark.parametrize("mode", STAKING_MODES)
def test_dust_is_sold_when_it_is_worth_it_and_never_lost(mode: str, staking_record: Workspace) -> None:
    """What was received is what was sold and what is held; each sale was worth 0.2% of equity or more."""
    with connect(staking_record.results) as connection:
        received, sold, held = connection.execute(f"""
            select (select sum(delta_amount) from deltas where mode = '{mode}' and source = 'reward'
                    and position_key = 'wallet:BaseToken:EIGEN'),
                   (select sum(filled) from orders where mode = '{mode}' and action = 'sell_dust'
                    and operation = 'swap' and position_key = 'wallet:BaseToken:EIGEN'),
                   (select max_by(quantity, timestamp) from positions where mode = '{mode}'
                    and position_key = 'wallet:BaseToken:EIGEN')
        """).fetchall()[0]
        smallest = connection.execute(
            "select min(filled * price / equity_usd) from orders join timesteps using (mode, timestamp) "
            f"where mode = '{mode}' and action = 'sell_dust' and operation = 'swap'"
        ).fetchall()[0][0]
    assert received == pytest.approx(sold + held, rel=1e-12)
    assert smallest > 0.0019
