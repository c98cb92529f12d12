"""A levered stack of staked ETH, worked through by hand."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.errors import OrderError
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.protocols import SettlementKind
from basis_pipeline.domain.quote import Holdings
from basis_pipeline.domain.quotes import quote_order
from basis_pipeline.domain.records import Category
from basis_pipeline.venues.simulated.aave import SimulatedAave
from basis_pipeline_tests.builders import Moment, Run, at, frictionless, snapshot, steady, wired

ETH, LST = "wallet:BaseToken:ETH", "etherfi:LST:weETH"
HELD, OWED = "aave_v3:aToken:aweETH", "aave_v3:debtToken:debtWETH"
CALM = Moment(prices={"ETH": 2_500.0}, ratio={"weETH": 1.04}, index={HELD: 1.0, OWED: 1.0})
NO_RESERVE = {"reserve_fraction": 0.0}


def entered(moments: list[Moment], overrides: dict[str, object] | None = None) -> Run:
    return Run(frictionless("eth_leveraged", NO_RESERVE | (overrides or {})), moments)


def loan_to_value(run: Run) -> float:
    value = run.engine.log.commits[-1].risk.loan_to_value
    assert value is not None
    return value


def test_the_entry_borrows_and_mints_in_one_transaction() -> None:
    """E = 40 ETH at l = .75: collateral 160 ETH, debt 120; five steps, one order, one handshake."""
    run = entered([CALM]).go()
    (order,) = run.orders
    assert [step.operation for step in order.steps] == [
        Operation.FLASH_BORROW,
        Operation.STAKE,
        Operation.SUPPLY,
        Operation.BORROW,
        Operation.FLASH_REPAY,
    ]
    assert run.quantity(HELD) == pytest.approx(160.0 / 1.04, rel=1e-12)
    assert run.quantity(OWED) == pytest.approx(120.0, rel=1e-12)
    assert run.quantity(ETH) == pytest.approx(0.0, abs=1e-9)
    assert run.equity == pytest.approx(40.0 * 2_500.0, rel=1e-12)
    assert len(run.engine.log.commits) == 2  # the refresh, and the one handshake


def test_a_flash_fee_is_borrowed_and_the_target_loan_to_value_still_met() -> None:
    """5 bp: F = .75 x 40 / (1.0005 - .75); debt = 1.0005 F; the book loses 5 bp of F."""
    run = entered([CALM], {"venues.instadapp.flash_fee_bp": 5}).go()
    loan = 0.75 * 40.0 / (1.0005 - 0.75)
    assert run.quantity(OWED) == pytest.approx(1.0005 * loan, rel=1e-12)
    assert run.quantity(HELD) == pytest.approx((40.0 + loan) / 1.04, rel=1e-12)
    assert loan_to_value(run) == pytest.approx(0.75, rel=1e-12)
    assert run.cumulative[Category.TRANSACTION_COSTS] == pytest.approx(-0.0005 * loan, rel=1e-9)


def test_gas_leaves_the_stack_at_its_target_loan_to_value() -> None:
    """Without a reserve 1.25 M units at 20 gwei come off the equity, not off the collateral alone."""
    mode = wired("eth_leveraged", NO_RESERVE)
    run = Run(mode, [at(CALM, gas=20.0)]).go()
    gas = 1_250_000 * 20.0 * 1e-9
    assert loan_to_value(run) == pytest.approx(0.75, rel=1e-12)
    assert run.quantity(OWED) == pytest.approx(3.0 * (40.0 - gas), rel=1e-12)


def test_a_withdrawal_is_unwound_through_the_pool_at_the_same_loan_to_value() -> None:
    """10 of 40 ETH: the stack shrinks by a quarter, 30 ETH of debt are repaid out of the sale."""
    flow = {"flows": [{"at": "2024-01-01T02:00:00Z", "amount": -10.0}]}
    run = entered(steady(CALM, 5), flow).go()
    (_, delever) = run.orders
    assert [step.operation for step in delever.steps] == [
        Operation.FLASH_BORROW,
        Operation.REPAY,
        Operation.WITHDRAW,
        Operation.SWAP,
        Operation.FLASH_REPAY,
    ]
    assert run.quantity(OWED) == pytest.approx(90.0, rel=1e-9)
    assert run.quantity(HELD) == pytest.approx(120.0 / 1.04, rel=1e-9)
    assert loan_to_value(run) == pytest.approx(0.75, rel=1e-9)
    assert run.equity == pytest.approx(30.0 * 2_500.0, rel=1e-9)


def test_a_fall_of_health_below_its_trigger_restores_the_loan_to_value() -> None:
    """The ratio falls by 11%: HF 1.267 -> 1.127 is fine, by 12% -> 1.115 is not; E = 160 x .88 - 120 = 20.8 ETH."""
    fallen = at(CALM, ratio={"weETH": 1.04 * 0.88})
    run = entered([CALM, fallen, fallen], {"max_drawdown": 1.0, "position_deviation_threshold": 1.0}).go()
    assert "health factor 1.1147 below 1.12" in run.reasons[1]
    assert loan_to_value(run) == pytest.approx(0.75, rel=1e-9)
    assert run.equity == pytest.approx(20.8 * 2_500.0, rel=1e-9)
    assert run.quantity(OWED) == pytest.approx(3.0 * 20.8, rel=1e-9)
    assert len(run.orders) == 2


def test_health_below_emergency_leaves_the_market_and_halts() -> None:
    """By 18%: HF 1.039; everything is sold, repaid, and nothing is entered again though the ratio recovers."""
    fallen = at(CALM, ratio={"weETH": 1.04 * 0.82})
    run = entered([CALM, fallen, CALM, CALM], {"max_drawdown": 1.0}).go()
    assert "health_factor: leave the market and halt" in run.reasons[1]
    assert (run.quantity(HELD), run.quantity(OWED)) == (0.0, 0.0)
    assert run.quantity(ETH) == pytest.approx(160.0 * 0.82 - 120.0, rel=1e-9)
    assert len(run.orders) == 2


def liquidated(collateral: float, debt: float, **account: float) -> tuple[float, float, float]:
    """What a liquidation leaves of collateral and debt worth these many ETH, and the penalty it states."""
    run = entered([CALM, CALM], {"max_drawdown": 1.0}).go(1)
    settings = replace(run.settings, lending=replace(run.settings.lending, **account))
    market = snapshot(settings, run.feed.timestamps[1], at(CALM, ratio={"weETH": 1.0}, prices={"ETH": 1.0}))
    held, owed = run.slot(HELD), run.slot(OWED)
    positions = run.engine.position_monitor.get_current_positions()
    quantities = list(positions.quantities)
    quantities[held], quantities[owed] = collateral, debt
    aave = SimulatedAave("aave_v3", settings)
    deltas = aave.settle(SettlementKind.LIQUIDATION, replace(positions, quantities=tuple(quantities)), market)
    for delta in deltas:
        quantities[delta.slot] += delta.amount
    return quantities[held], quantities[owed], sum(delta.fee for delta in deltas)


def test_liquidation_takes_half_the_debt_and_a_bonus() -> None:
    """Collateral 100, debt 96, threshold .95, bonus .01: repaid 48, seized 48.48; left 51.52 / 48, HF 1.0197."""
    held, owed, penalty = liquidated(100.0, 96.0)
    assert (held, owed, penalty) == pytest.approx((51.52, 48.0, 0.48), rel=1e-12)
    assert 0.95 * held / owed == pytest.approx(1.0197, abs=5e-5)


def test_aaves_own_example_of_a_liquidation() -> None:
    """https://docs.aave.com/faq/liquidations, example 1: 10 ETH against 5 ETH of debt, with a health factor just below
    1, at a bonus of 5%: half of it, 2.5, is repaid, and 2.5 + 0.125 ETH are claimed.
    """
    held, owed, penalty = liquidated(10.0, 5.0, liquidation_threshold=0.499, liquidation_bonus=0.05)
    assert (10.0 - held, 5.0 - owed, penalty) == pytest.approx((2.5 + 0.125, 2.5, 0.125), rel=1e-12)
    assert liquidated(10.0, 5.0, liquidation_threshold=0.5) == (10.0, 5.0, 0.0), "a health factor of 1 is healthy"


def test_reality_gets_there_first() -> None:
    """The ratio falls by 25% within an hour: 160 -> 120 ETH against a debt of 120, HF .95: liquidated, then closed.

    Half of the debt, 60 ETH, is repaid for 60.6 ETH of collateral; 59.4 against 60 is HF .9405, so the rest goes too:
    59.4 / 1.01 are repaid, and what the collateral does not cover is the protocol's loss. Nothing is left to act on.
    """
    fallen = at(CALM, ratio={"weETH": 1.04 * 0.75})
    run = entered([CALM, fallen, fallen], {"max_drawdown": 1.0}).go(2)
    assert run.quantity(HELD) == pytest.approx(0.0, abs=1e-9)
    assert run.quantity(OWED) == pytest.approx(0.0, abs=1e-9)
    assert run.equity == pytest.approx(0.0, abs=1e-6)
    assert run.step_pnl(Category.LIQUIDATION) == pytest.approx(0.0, abs=1e-9)
    assert run.step_pnl(Category.STAKING_YIELD) == pytest.approx(-40.0, rel=1e-9)
    run.go()
    assert len(run.orders) == 1


def test_a_group_that_ends_above_the_venues_limit_is_refused() -> None:
    run = entered([CALM]).go()
    (order,) = run.orders
    borrow = replace(order.steps[3], quantity=150.0)
    group = replace(order, steps=(*order.steps[:3], borrow, order.steps[4]))
    universe = run.settings.universe
    holdings = Holdings([40.0 if key == ETH else 0.0 for key in universe.keys], [0.0] * len(universe))
    market = snapshot(run.settings, run.feed.timestamps[0], CALM)
    with pytest.raises(OrderError, match=r"loan to value of 0\.937500, above 0\.93"):
        quote_order(group, holdings, market, run.settings)
