"""The carry gate by hand: what leverage earned in thirty days, against what leaving and coming back cost (G6, G8)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from basis_pipeline.domain.orders import Action, Operation
from basis_pipeline.domain.timeline import DAY
from basis_pipeline.engine.steering.carry_gate import CarryGate
from basis_pipeline_tests.builders import START, Moment, Run
from basis_pipeline_tests.scenarios.staking import COLLATERAL, DEBT, EIGEN, free_of_cost

LEVERED = ("eth_leveraged", "usdt_eth_staking_hedged_leveraged")
TWENTY_FOUR_BP = {"venues.curve.swaps": {"weETH": {"slippage_bp": {10_000: 24.0}}}}


def growing(days: int, *, staking: float, borrowing: float, since: Moment | None = None) -> Iterator[Moment]:
    """Hourly moments of `days` whose ratio and borrow index step up at midnight by a simple rate a year."""
    ratio, index = (since.ratio["weETH"], since.index[DEBT]) if since else (1.0, 1.0)
    for day in range(days):
        moment = Moment(
            prices={"ETH": 2_000.0, "EIGEN": 4.0},
            ratio={"weETH": ratio * (1.0 + staking * day / 365)},
            index={DEBT: index * (1.0 + borrowing * day / 365)},
            gas=10.0,
        )
        yield from [moment] * 24


def carry_of(run: Run) -> float | None:
    gate = run.engine.strategy_manager._carry_gate
    assert isinstance(gate, CarryGate)
    return gate.carry


def test_carry_is_growth_of_the_ratio_less_growth_of_the_debt_over_thirty_days() -> None:
    run = Run(free_of_cost("eth_leveraged"), list(growing(31, staking=0.03, borrowing=0.05)))
    run.go(24 * 30)
    assert carry_of(run) is None
    run.go(1)
    assert carry_of(run) == pytest.approx(-0.02, rel=1e-9)


def test_rewards_count_at_their_market_value_and_a_long_period_with_its_share_of_the_window() -> None:
    """0.5 EIGEN of 4 USDT per eETH for 60 days, of which 30 count: 0.0005 ETH in 30 days is 0.0005 x 365/30 a year."""
    moments = list(growing(31, staking=0.0, borrowing=0.0))
    paid = ((EIGEN, START - 50 * DAY, START + 10 * DAY, 0.5),)
    moments[24 * 20] = Moment(
        prices=moments[0].prices, ratio=moments[0].ratio, index=moments[0].index, gas=10.0, rewards=paid
    )
    run = Run(free_of_cost("eth_leveraged"), moments).go()
    assert carry_of(run) == pytest.approx(0.5 * 0.5 * 4.0 / 2_000.0 * 365 / 30, rel=1e-9)


@pytest.mark.parametrize(("borrowing", "leaves"), [(0.0095, False), (0.0100, True)])
def test_leverage_is_taken_off_only_where_ninety_days_of_it_cost_more_than_the_sale(
    borrowing: float, leaves: bool
) -> None:
    """The sale costs 24 bp of the debt, ninety days cost c x 90/365 of it: the two meet at c = -0.97% a year."""
    assert (0.0095 * 90 / 365 < 24e-4) and (0.0100 * 90 / 365 > 24e-4)
    mode = free_of_cost("eth_leveraged", TWENTY_FOUR_BP)
    run = Run(mode, list(growing(32, staking=0.0, borrowing=borrowing))).go()
    assert (run.quantity(DEBT) == 0.0) is leaves
    if leaves:
        assert run.orders[-1].operation is Operation.ATOMIC_DELEVER
        assert run.orders[-1].action is Action.EXIT_PARTIAL
        assert "carry of leverage -1.00% a year" in run.reasons[-1]


@pytest.mark.parametrize("mode", LEVERED)
def test_leverage_comes_back_when_it_pays_for_coming_and_leaving_again(mode: str) -> None:
    """At -3% a year the debt goes; then +4%: it returns once the window's mean says so, at its target."""
    bad = list(growing(40, staking=0.0, borrowing=0.03))
    run = Run(free_of_cost(mode, TWENTY_FOUR_BP), bad).go()
    assert run.quantity(DEBT) == 0.0
    assert run.quantity(COLLATERAL) > 0.0
    good = list(growing(60, staking=0.04, borrowing=0.0, since=bad[-1]))
    moments = [*bad, *good]
    whole = Run(free_of_cost(mode, TWENTY_FOUR_BP), moments).go()
    assert whole.quantity(DEBT) > 0.0
    borrowed = [order.action for order in whole.orders if Operation.BORROW in [step.operation for step in order.steps]]
    assert borrowed == [Action.ENTRY_FULL, Action.ENTRY_PARTIAL]
    target = whole.settings.gated_ltv
    assert whole.engine.log.commits[-1].risk.loan_to_value == pytest.approx(target, abs=0.02)


def test_the_hedge_stays_whole_while_leverage_goes() -> None:
    run = Run(free_of_cost(LEVERED[1], TWENTY_FOUR_BP), list(growing(33, staking=0.0, borrowing=0.03))).go()
    assert run.quantity(DEBT) == 0.0
    leaving = [order.operation for order in run.orders if order.action is Action.EXIT_PARTIAL]
    assert leaving[0] is Operation.ATOMIC_DELEVER
    assert Operation.PERP_TRADE not in leaving
    closing = run.engine.log.commits[-1]
    assert abs(closing.exposure.net_delta) / closing.exposure.equity < 0.02


def test_without_the_gate_leverage_stays_whatever_it_costs() -> None:
    mode = free_of_cost("eth_leveraged", {"strategy.carry_gate": False})
    run = Run(mode, list(growing(33, staking=0.0, borrowing=0.03))).go()
    assert [str(order.operation) for order in run.orders] == ["atomic_lever"]


def test_a_checkpoint_inside_the_window_leads_to_the_same_bits() -> None:
    mode, moments = free_of_cost("eth_leveraged", TWENTY_FOUR_BP), list(growing(33, staking=0.0, borrowing=0.03))
    whole = Run(mode, moments).go()
    resumed = Run(mode, moments, state=Run(mode, moments).go(500).engine.state()).go()
    assert resumed.engine.state().to_json() == whole.engine.state().to_json()
