"""Pure lending to the last digit: entry, growth, gas, flows (R73)."""

from __future__ import annotations

from typing import Any

import pytest

from basis_pipeline.domain.records import Category
from basis_pipeline_tests.builders import Moment, Run, at, frictionless, steady, wired

USDT, A_USDT = "wallet:BaseToken:USDT", "aave_v3:aToken:aUSDT"
ETH, WETH, A_WETH = "wallet:BaseToken:ETH", "wallet:BaseToken:WETH", "aave_v3:aToken:aWETH"
GAS = 20.0
SUPPLY, WITHDRAW, WRAP, UNWRAP = (units * GAS * 1e-9 for units in (250_000, 220_000, 45_000, 35_000))
"""ETH per operation at 20 gwei, from the gas units of the shipped venue files."""


def moment(index: float, **rest: Any) -> Moment:
    return Moment(prices={"ETH": 2_500.0}, gas=GAS, index={A_USDT: index, A_WETH: index}, **rest)


def test_usdt_is_supplied_less_the_gas_charged_in_usdt() -> None:  # no ETH in this mode: gas leaves in USDT
    run = Run(wired("pure_lending_usdt"), [moment(1.05)]).go()
    gas = SUPPLY * 2_500.0
    assert gas == pytest.approx(12.5)
    assert run.orders_at(0) == ["supply 99987.5 wallet:BaseToken:USDT -> aave_v3:aToken:aUSDT"]
    assert run.quantity(A_USDT) == pytest.approx((100_000.0 - gas) / 1.05, rel=1e-15)
    assert run.quantity(USDT) == 0.0
    assert run.equity == pytest.approx(100_000.0 - gas, rel=1e-15)
    assert run.cumulative[Category.TRANSACTION_COSTS] == pytest.approx(-gas)


def test_equity_grows_exactly_with_the_liquidity_index() -> None:  # C: supply yield = scaled x index growth
    run = Run(frictionless("pure_lending_usdt"), [moment(1.05), moment(1.06), moment(1.0584)]).go(2)
    assert run.equity == pytest.approx(100_000.0 * 1.06 / 1.05, rel=1e-14)
    assert run.step_pnl(Category.SUPPLY_YIELD) == pytest.approx(100_000.0 * 0.01 / 1.05, rel=1e-12)
    run.go()
    assert run.step_pnl(Category.SUPPLY_YIELD) == pytest.approx(-100_000.0 * 0.0016 / 1.05, rel=1e-12)
    assert run.equity == pytest.approx(100_000.0 * 1.0584 / 1.05, rel=1e-14)
    assert len(run.orders) == 1, "growth is no reason to trade"


def test_eth_is_wrapped_and_supplied_and_the_gas_reserve_stays() -> None:
    run = Run(wired("pure_lending_eth"), [moment(1.02)]).go()
    supplied = 40.0 - 0.02 - WRAP - SUPPLY
    assert run.orders_at(0) == [
        f"wrap {supplied:.10g} {ETH} -> {WETH}",
        f"supply {supplied:.10g} {WETH} -> {A_WETH}",
    ]
    assert run.quantity(A_WETH) == pytest.approx(supplied / 1.02, rel=1e-14)
    assert run.quantity(ETH) == pytest.approx(0.02, abs=1e-12)
    assert run.quantity(WETH) == 0.0
    assert run.pnl.equity == pytest.approx(40.0 - WRAP - SUPPLY, rel=1e-14)
    assert run.pnl.equity_usd == pytest.approx((40.0 - WRAP - SUPPLY) * 2_500.0, rel=1e-14)


def test_the_price_of_eth_is_no_profit_in_eth_and_all_the_profit_in_usd() -> None:
    run = Run(frictionless("pure_lending_eth"), [moment(1.0), at(moment(1.0), prices={"ETH": 3_000.0})]).go()
    assert run.pnl.step == pytest.approx(0.0, abs=1e-12)
    assert run.pnl.step_usd == pytest.approx(40.0 * 500.0, rel=1e-12)
    assert run.step_pnl(Category.DELTA) == pytest.approx(0.0, abs=1e-12)


def flows(*pairs: tuple[str, float]) -> dict[str, Any]:
    return {"flows": [{"at": f"2024-01-01T{time}Z", "amount": amount} for time, amount in pairs]}


def test_a_withdrawal_is_paid_in_full_gas_included() -> None:
    """Asked for 1,000 at 02:00: unwound at 02:00 with its gas on top, paid at 03:00; the ladder is free again."""
    run = Run(wired("pure_lending_usdt", flows(("02:00:00", -1_000.0))), steady(moment(1.05), 5)).go()
    gas = WITHDRAW * 2_500.0
    assert run.orders_at(2) == [f"withdraw {1_000 + gas:.10g} {A_USDT} -> {USDT}"]
    assert run.engine.settlements.withdrawals == ()
    assert run.equity == pytest.approx(100_000.0 - SUPPLY * 2_500.0 - gas - 1_000.0, rel=1e-14)
    assert run.quantity(USDT) == pytest.approx(0.0, abs=1e-9)
    paid = [commit.pnl.flow for commit in run.engine.log.closing_commits]
    assert paid == pytest.approx([100_000.0, 0.0, 0.0, -1_000.0, 0.0])
    assert not any("declined" in reason for reason in run.reasons)


def test_a_withdrawal_leaves_the_gas_that_pays_for_it() -> None:
    """The first payment must not take the ETH that unwinding costs, or nothing could ever be withdrawn again."""
    asked = flows(("02:00:00", -10.0), ("04:00:00", -5.0))
    run = Run(wired("pure_lending_eth", asked), steady(moment(1.0), 7)).go()
    assert run.engine.settlements.withdrawals == ()
    costs = WRAP + SUPPLY + 2 * (WITHDRAW + UNWRAP)
    assert run.pnl.equity == pytest.approx(40.0 - 15.0 - costs, rel=1e-12)
    assert run.quantity(ETH) == pytest.approx(0.02, abs=1e-12)


def test_a_deposit_is_supplied_and_a_dust_deposit_waits() -> None:
    run = Run(wired("pure_lending_usdt", flows(("01:30:00", 5_000.0), ("03:00:00", 20.0))), steady(moment(1.0), 5)).go()
    gas = SUPPLY * 2_500.0
    assert run.orders_at(1) == [], "credited at the first refresh at or after its stamp"
    assert run.orders_at(2) == [f"supply {5_000 - gas:.10g} {USDT} -> {A_USDT}"]
    assert run.orders_at(3) == []
    assert run.quantity(USDT) == pytest.approx(20.0, abs=1e-9)
    assert run.pnl.cumulative == pytest.approx(-2 * gas, abs=1e-9)


@pytest.mark.parametrize("gwei", [5.3, 11.7, 43.8, 7.123456789, 60.000001])
def test_any_gas_price_leaves_a_wallet_of_exactly_nothing(gwei: float) -> None:
    """100,000 - (100,000 - gas) - gas is float noise of 1e-11, which must not read as an overdraft."""
    for price in (1_800.07, 2_281.87, 2_500.0, 3_333.33):
        run = Run(wired("pure_lending_usdt"), [at(moment(1.05), gas=gwei, prices={"ETH": price})]).go()
        assert run.quantity(USDT) == 0.0
