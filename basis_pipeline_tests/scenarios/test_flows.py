"""Deposits and withdrawals in every mode: paid in full, never profit, and the book is sized again around them."""

from __future__ import annotations

import pytest

from basis_pipeline.domain.orders import Action
from basis_pipeline.domain.records import Category
from basis_pipeline_tests.builders import Moment, Run, WiredMode, frictionless, steady, wired
from basis_pipeline_tests.scenarios.staking import MODES as STAKING
from basis_pipeline_tests.scenarios.staking import free_of_cost

CALM = Moment(prices={"ETH": 2_000.0, "BTC": 50_000.0, "EIGEN": 4.0, "ETHFI": 2.0}, ratio={"weETH": 1.25}, gas=10.0)
MODES = ("btc_basis", "eth_basis", "pure_lending_usdt", "pure_lending_eth", *STAKING)


def with_flows(mode: str, *flows: float) -> WiredMode:
    """Flows as fractions of the capital, on the second day and each day after it; hedged stacks pay their gas."""
    capital = frictionless(mode).settings.initial_capital
    scheduled = [{"at": f"2024-01-0{2 + n}T00:00:00Z", "amount": part * capital} for n, part in enumerate(flows)]
    if mode.startswith("usdt_eth"):
        return wired(mode, {"flows": scheduled})
    return (free_of_cost if mode in STAKING else frictionless)(mode, {"flows": scheduled})


@pytest.mark.parametrize("mode", MODES)
def test_a_deposit_is_put_to_work_and_is_no_profit(mode: str) -> None:
    run = Run(with_flows(mode, 0.5), steady(CALM, 24 * 3)).go()
    capital = run.settings.initial_capital
    gained = sum(run.cumulative.values())
    assert run.pnl.equity == pytest.approx(1.5 * capital + gained, rel=1e-12)
    assert abs(gained) < 0.012 * capital
    assert {order.action for order in run.orders} == {Action.ENTRY_FULL, Action.ENTRY_PARTIAL}
    idle = run.quantity(run.settings.universe.keys[run.settings.capital_slot])
    assert idle < 0.01 * capital


@pytest.mark.parametrize("mode", MODES)
def test_a_withdrawal_is_paid_in_full_and_the_rest_goes_on(mode: str) -> None:
    run = Run(with_flows(mode, -0.25), steady(CALM, 24 * 4)).go()
    capital = run.settings.initial_capital
    assert run.engine.settlements.pending_withdrawal == 0.0
    paid = [entry.delta.amount for entry in run.engine.log.deltas if entry.delta.source == "withdrawal"]
    assert sum(paid) == pytest.approx(-0.25 * capital, rel=1e-9)
    assert run.pnl.equity == pytest.approx(0.75 * capital + sum(run.cumulative.values()), rel=1e-12)
    assert abs(run.cumulative[Category.RESIDUAL]) < 1e-9 * capital
    assert Action.EXIT_PARTIAL in {order.action for order in run.orders}


@pytest.mark.parametrize("mode", MODES)
def test_money_that_comes_and_goes_leaves_the_book_as_it_was(mode: str) -> None:
    """In by half and out by half again: what is left differs by costs alone, and the pair is as neutral as before."""
    run = Run(with_flows(mode, 0.5, -0.5), steady(CALM, 24 * 5)).go()
    capital = run.settings.initial_capital
    assert run.engine.settlements.pending_withdrawal == 0.0
    assert run.pnl.equity == pytest.approx(capital, rel=0.02)
    assert run.pnl.equity == pytest.approx(capital + sum(run.cumulative.values()), rel=1e-12)
    if run.settings.margin_accounts:
        assert run.engine.log.commits[-1].risk.delta_drift < 0.001
