"""Staking over real months against closed forms of the raw files.

A stack that nobody manages, with loan to value l at its entry, grows as (r s - l b) / (1 - l): r, s, b are the end over
start quotients of the LST ratio, of the collateral's liquidity index and of the WETH borrow index. Dead-bands are wide
open, carry gate, rewards and reserve off, equity counts in ETH; what the entry cost is stated in gas. All between 00:00
stamps, because ratios and indices are observed at midnight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection

from basis_pipeline.results.sql.catalog import connect
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.made_once import made_once
from basis_pipeline_tests.runs import raw_series
from basis_pipeline_tests.runs.conftest import CONFIGS
from basis_pipeline_tests.runs.raw_series import FIRST_DAY, LAST_DAY

pytestmark = [pytest.mark.real_data]

UNMANAGED = {
    "reserve_fraction": 0.0,
    "position_deviation_threshold": 1e6,
    "strategy.health_factor_derisk": 1.04,
    "strategy.health_factor_emergency": 1.02,
    "strategy.ltv_band": 1.0,
    "strategy.carry_gate": False,
    "strategy.rewards.tokens": [],
}
LEVERAGED = [(lst, ltv) for lst in ("weETH", "wstETH") for ltv in (0.65, 0.75, 0.80)]
PUBLISHED = {
    ("weETH", 0.65): 1.03369,
    ("weETH", 0.75): 1.03536,
    ("weETH", 0.80): 1.03682,
    ("wstETH", 0.65): 1.04158,
    ("wstETH", 0.75): 1.04641,
    ("wstETH", 0.80): 1.05063,
}
"""Growth by an independent loop over the same files."""


def _name(lst: str, ltv: float) -> str:
    return f"{lst}-{round(100 * ltv)}"


@pytest.fixture(scope="module")
def experiments(real_validated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBPyConnection]:
    """Unmanaged stacks of both tokens at four loans to value, 0 being plain staking, over thirteen real months."""

    def run(root: Path) -> None:
        (root / "validated").symlink_to(real_validated)
        for lst, ltv in [("weETH", 0.0), ("wstETH", 0.0), *LEVERAGED]:
            plan = plan_backtest(
                Workspace(root, CONFIGS),
                "eth_leveraged" if ltv else "eth_staking_only",
                first=FIRST_DAY[:7],
                last=LAST_DAY[:7],
                overrides=UNMANAGED | {"strategy.lst": lst, "strategy.target_ltv": ltv},
                experiment=_name(lst, ltv),
            )
            for _ in plan.run():
                pass

    with connect(Workspace(made_once(tmp_path_factory, "unmanaged", run), CONFIGS).results) as connection:
        yield connection


@pytest.fixture
def ask(experiments: DuckDBPyConnection) -> Callable[[str], tuple[float, ...]]:
    return lambda sql: experiments.execute(sql).fetchall()[0]


Ask = Callable[[str], tuple[float, ...]]


def _equity(ask: Ask, name: str, day: str) -> float:
    rows = "from experiments.timesteps where experiment"
    return ask(f"select equity_share_class {rows} = '{name}' and timestamp = '{day}'")[0]


@pytest.mark.parametrize(("lst", "ltv"), LEVERAGED)
def test_an_unmanaged_stack_grows_as_its_closed_form(lst: str, ltv: float, ask: Ask, real_raw: Path) -> None:
    name = _name(lst, ltv)
    owned, owed = ask(
        f"""
        select sum(value_usd) filter (position_key like '%:aToken:%'),
            -sum(value_usd) filter (position_key like '%:debtToken:%')
        from experiments.positions where experiment = '{name}' and timestamp = '{FIRST_DAY}'
        """
    )
    entered = owed / owned
    assert entered == pytest.approx(ltv, rel=1e-12)
    r = raw_series.quotient(real_raw, "ratio", lst)
    s = raw_series.quotient(real_raw, "supplied", lst)
    b = raw_series.quotient(real_raw, "borrowed", "WETH")
    growth = (r * s - entered * b) / (1.0 - entered)
    start, end = _equity(ask, name, FIRST_DAY), _equity(ask, name, LAST_DAY)
    assert end / start == pytest.approx(growth, rel=1e-9)
    assert growth == pytest.approx(PUBLISHED[lst, ltv], abs=6e-6)


@pytest.mark.parametrize("lst", ["weETH", "wstETH"])
def test_plain_staking_grows_as_the_protocol_ratio(lst: str, ask: Ask, real_raw: Path) -> None:
    name, r = _name(lst, 0.0), raw_series.quotient(real_raw, "ratio", lst)
    start, end = _equity(ask, name, FIRST_DAY), _equity(ask, name, LAST_DAY)
    assert end / start == pytest.approx(r, rel=1e-9)
    assert r == pytest.approx({"weETH": 1.0301177146, "wstETH": 1.0329734329}[lst], abs=5e-11)


@pytest.mark.parametrize(("lst", "ltv"), [("weETH", 0.0), *LEVERAGED])
def test_the_entry_costs_its_gas_and_nothing_else(lst: str, ltv: float, ask: Ask, real_raw: Path) -> None:
    """Minting and lending happen at the protocol's own ratio: 150,000 units of gas, or 1,250,000 for the group."""
    units = 1_250_000 if ltv else 150_000
    gas = units * raw_series.gas_price(real_raw, FIRST_DAY) * 1e-9
    assert _equity(ask, _name(lst, ltv), FIRST_DAY) == pytest.approx(40.0 - gas, rel=1e-12)


@pytest.mark.parametrize(("lst", "ltv"), LEVERAGED)
def test_the_net_delta_of_a_stack_at_entry_is_its_equity(lst: str, ltv: float, ask: Ask) -> None:
    delta, equity, excess = ask(
        f"""
        select min_by(net_delta, sequence), min_by(equity_share_class, timestamp), max(abs(excess_delta_usd))
        from experiments.timesteps join experiments.exposures using (experiment, timestamp, sequence)
        where experiment = '{_name(lst, ltv)}' and timestamp = '{FIRST_DAY}' and asset = 'ETH'
        """
    )
    assert delta == pytest.approx(equity, rel=1e-12)
    assert excess == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("lst", "ltv"), LEVERAGED)
def test_the_health_factor_of_an_eth_stack_hardly_moves(lst: str, ltv: float, ask: Ask) -> None:
    """Collateral and debt are both ETH: yield and interest move it by less than 0.001, prices not at all."""
    mine = f"experiment = '{_name(lst, ltv)}'"
    lowest, first, orders = ask(
        "select min(min_health_factor), min_by(min_health_factor, timestamp), "
        f"(select count(*) from experiments.orders where {mine}) from experiments.timesteps where {mine}"
    )
    assert first == pytest.approx(0.95 / ltv, rel=1e-12)
    assert first - lowest < 0.001
    assert orders == 1
