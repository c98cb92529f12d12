"""Restaking rewards by hand: what is credited, when, on what; and what becomes of it."""

from __future__ import annotations

import pytest

from basis_pipeline.domain.errors import ConfigError, DataError
from basis_pipeline.domain.orders import Action
from basis_pipeline.domain.records import Category
from basis_pipeline.domain.timeline import DAY
from basis_pipeline_tests.builders import START, Moment, Run, at, steady, wired
from basis_pipeline_tests.scenarios.staking import COLLATERAL, EIGEN, ETH, ETHFI, MODES, WEETH, free_of_cost

CALM = Moment(prices={"ETH": 2_000.0, "EIGEN": 4.0, "ETHFI": 2.0}, ratio={"weETH": 1.25}, gas=10.0)
FOUR_DAYS = (EIGEN, START - 2 * DAY, START + 2 * DAY, 0.5)
"""0.5 EIGEN per eETH over four days, two of them before the opening."""
NO_SALE = {"strategy.rewards.dust_delta": 1.0}

_GAS = {"uniswap": {"swap": 180_000}, "etherfi": {"unwrap_reward": 150_000, "stake": 0}}


def month(payout: Moment, *, day: int = 3, days: int = 5) -> list[Moment]:
    """Hours of a calm month, one of which learns of a payout."""
    moments = steady(CALM, 24 * days)
    moments[24 * day] = payout
    return moments


def test_a_reward_is_the_rate_times_the_time_weighted_holding_and_nothing_before_the_opening() -> None:
    """40 eETH for two of four days: 40 x 2/4 x 0.5 = 10 EIGEN of 4 USDT, which is 0.02 ETH."""
    run = Run(free_of_cost("eth_staking_only", NO_SALE), month(at(CALM, rewards=(FOUR_DAYS,))))
    run.go(24 * 3)
    assert run.quantity(EIGEN) == 0.0
    run.go(1)
    assert run.quantity(WEETH) == pytest.approx(32.0, rel=1e-15)
    assert run.quantity(EIGEN) == pytest.approx(10.0, rel=1e-14)
    assert run.step_pnl(Category.STAKING_REWARDS) == pytest.approx(0.02, rel=1e-13)
    run.go()
    assert run.quantity(EIGEN) == pytest.approx(10.0, rel=1e-14)


def test_after_receipt_its_price_is_dust_not_reward() -> None:
    """10 EIGEN fall from 4 to 3 USDT: 10 / 2,000 ETH of dust P&L."""
    moments = month(at(CALM, rewards=(FOUR_DAYS,)))
    moments[-1] = at(CALM, prices={**CALM.prices, "EIGEN": 3.0})
    run = Run(free_of_cost("eth_staking_only", NO_SALE), moments).go()
    assert run.cumulative[Category.STAKING_REWARDS] == pytest.approx(0.02, rel=1e-13)
    assert run.cumulative[Category.DUST] == pytest.approx(-0.005, rel=1e-12)
    assert abs(run.cumulative[Category.RESIDUAL]) < 1e-12


def test_collateral_earns_like_tokens_in_the_wallet() -> None:
    """At a loan to value of 3/4, 40 ETH are 160 eETH of collateral: four times the reward."""
    mode = free_of_cost("eth_leveraged", NO_SALE | {"strategy.target_ltv": 0.75})
    run = Run(mode, month(at(CALM, rewards=(FOUR_DAYS,)))).go()
    assert run.quantity(COLLATERAL) == pytest.approx(128.0, rel=1e-12)
    assert run.quantity(EIGEN) == pytest.approx(40.0, rel=1e-12)


def test_the_holding_is_weighted_by_time_across_a_growing_ratio_and_a_deposit() -> None:
    """Day 1 at 40 eETH, days 2 and 3 at a ratio 1% higher and, from noon of day 3 on, 20 ETH more."""
    grown = at(CALM, ratio={"weETH": 1.2625})
    moments = [*steady(CALM, 24), *steady(grown, 48), at(grown, rewards=((EIGEN, START, START + 3 * DAY, 1.0),))]
    flows = [{"at": "2024-01-03T12:00:00Z", "amount": 20.0}]
    run = Run(free_of_cost("eth_staking_only", NO_SALE | {"flows": flows}), moments).go()
    assert run.quantity(EIGEN) == pytest.approx((40.0 + 40.4 + 40.4 + 20.0 * 0.5) / 3.0, rel=1e-12)


def test_two_tokens_paid_at_the_same_step_are_both_credited() -> None:
    """A top-up is stated for its whole period, here one day: 40 x 0.25 = 10 ETHFI."""
    both = at(CALM, rewards=(FOUR_DAYS, (ETHFI, START, START + DAY, 0.25)))
    run = Run(free_of_cost("eth_staking_only", NO_SALE), month(both)).go()
    assert (run.quantity(EIGEN), run.quantity(ETHFI)) == pytest.approx((10.0, 10.0), rel=1e-12)


def test_wsteth_earns_nothing_and_declares_no_reward_token() -> None:
    mode = wired("eth_staking_only", {"strategy.lst": "wstETH"})
    assert mode.settings.rewards is None
    assert not any("EIGEN" in key or "ETHFI" in key for key in mode.settings.universe.keys)


def test_only_tokens_that_the_staked_token_pays_can_be_asked_for() -> None:
    with pytest.raises(ConfigError, match="weETH does not pay ARB"):
        wired("eth_staking_only", {"strategy.rewards.tokens": ["ARB"]})
    assert wired("eth_staking_only", {"strategy.rewards.tokens": []}).settings.rewards is None


def test_a_reward_without_a_price_is_an_error_that_names_it() -> None:
    run = Run(free_of_cost("eth_staking_only"), month(at(CALM, prices={"ETH": 2_000.0}, rewards=(FOUR_DAYS,))))
    with pytest.raises(DataError, match="reward in wallet:BaseToken:EIGEN is due at 2024-01-04T00:00:00Z"):
        run.go()
    assert run.quantity(EIGEN) == 0.0


def test_a_token_that_is_not_traded_yet_stops_nothing_while_none_is_held() -> None:
    untraded = at(CALM, prices={"ETH": 2_000.0})
    run = Run(free_of_cost("eth_staking_only"), steady(untraded, 48)).go()
    assert run.pnl.equity == pytest.approx(40.0, rel=1e-12)


def test_a_held_token_whose_price_disappears_stops_the_run() -> None:
    moments = month(at(CALM, rewards=(FOUR_DAYS,)))
    moments[-1] = at(CALM, prices={"ETH": 2_000.0})
    with pytest.raises(DataError, match=r"wallet:BaseToken:EIGEN is held at .* and nothing prices it"):
        Run(free_of_cost("eth_staking_only", NO_SALE), moments).go()


def test_a_period_that_is_not_over_is_refused() -> None:
    ahead = at(CALM, rewards=((EIGEN, START, START + 10 * DAY, 0.5),))
    with pytest.raises(DataError, match="not whole days before it"):
        Run(free_of_cost("eth_staking_only"), month(ahead)).go()


def test_a_payout_is_not_paid_again_when_its_step_is_run_again_after_a_restart() -> None:
    mode, moments = free_of_cost("eth_staking_only", NO_SALE), month(at(CALM, rewards=(FOUR_DAYS,)), days=4)
    run = Run(mode, moments)
    run.go(24 * 3 + 1)
    again = Run(mode, moments, state=run.engine.state())
    again.engine.process_timestep(START + 3 * DAY)
    assert again.quantity(EIGEN) == run.quantity(EIGEN) > 0.0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cut", [1, 30, 24 * 3, 24 * 3 + 1, 24 * 3 + 7])
def test_a_resumed_run_ends_in_the_same_bits(mode: str, cut: int) -> None:
    """The holding history, what is wrapped and the carry window are part of the checkpoint."""
    wired = free_of_cost(mode)
    moments = month(at(CALM, rewards=(FOUR_DAYS,)))
    whole = Run(wired, moments).go()
    first = Run(wired, moments).go(cut)
    restored = type(first.engine.state()).from_json(first.engine.state().to_json(), source="test")
    resumed = Run(wired, moments, state=restored).go()
    assert resumed.engine.state().to_json() == whole.engine.state().to_json()


@pytest.mark.parametrize("mode", MODES)
def test_dust_is_sold_in_every_mode_that_earns_it(mode: str) -> None:
    """A large payout is worth more than 0.2% of equity: it is unwrapped and sold for ETH at once, after settlements."""
    large = at(CALM, rewards=((EIGEN, START, START + 2 * DAY, 10.0),))
    run = Run(free_of_cost(mode), month(large)).go()
    sales = [order for order in run.orders if order.action is Action.SELL_DUST]
    assert [order.operation for order in sales] == ["unwrap_reward", "swap"]
    assert run.quantity(EIGEN) == 0.0
    assert sales[1].quantity == pytest.approx(run.engine.log.deltas[_reward(run)].delta.amount, rel=1e-12)
    assert abs(run.cumulative[Category.RESIDUAL]) < 1e-9 * run.pnl.equity
    assert run.cumulative[Category.STAKING_REWARDS] > 0.0


def _reward(run: Run) -> int:
    return next(n for n, entry in enumerate(run.engine.log.deltas) if entry.delta.source == "reward")


def test_a_sale_brings_its_worth_less_slippage_and_pays_the_unwrapping_once() -> None:
    """200 EIGEN of 4 USDT: 800 USDT at 10 bp, and 330,000 gas at 10 gwei."""
    mode = free_of_cost(
        "eth_staking_only",
        {
            "reserve_fraction": 0.01,
            **{f"venues.{venue}.gas_units": units for venue, units in _GAS.items()},
            "venues.uniswap.swaps": {"EIGEN": {"slippage_bp": {10_000: 10.0}}},
            "strategy.rewards.tokens": ["EIGEN"],
        },
    )
    staked = 40.0 * 0.99
    moments = month(at(CALM, rewards=((EIGEN, START, START + DAY, 200.0 / staked),)))
    run = Run(mode, moments).go(24 * 3)
    before = run.quantity(ETH)
    run.go()
    assert run.quantity(ETH) - before == pytest.approx(800.0 * 0.999 / 2_000.0 - 330_000 * 10e-9, rel=1e-9)
    costs = run.cumulative[Category.TRANSACTION_COSTS]
    assert costs == pytest.approx(-(800.0 * 0.001 / 2_000.0 + 330_000 * 10e-9), rel=1e-9)


def test_below_both_thresholds_nothing_is_sold() -> None:
    """100 x the gas of the sale is 100 x 330,000 x 10 gwei x 2,000 USDT = 660 USDT; 0.2% of equity is 160."""
    gas = {f"venues.{venue}.gas_units": units for venue, units in _GAS.items()}
    for tokens, sold in ((164.0, False), (166.0, True)):
        moments = month(at(CALM, rewards=((EIGEN, START, START + DAY, tokens / 39.6),)))
        run = Run(free_of_cost("eth_staking_only", gas | {"reserve_fraction": 0.01}), moments).go()
        assert (run.quantity(EIGEN) == 0.0) is sold, tokens


def test_the_proceeds_are_staked_by_the_drift_that_follows() -> None:
    """1,000 EIGEN bring 2 ETH, 5% of the book: more than the 2% that a leg may be off its target."""
    run = Run(free_of_cost("eth_staking_only"), month(at(CALM, rewards=((EIGEN, START, START + DAY, 25.0),)))).go()
    assert [str(order.action) for order in run.orders] == ["entry_full", "sell_dust", "sell_dust", "entry_partial"]
    assert run.quantity(WEETH) == pytest.approx(42.0 / 1.25, rel=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_a_stop_sells_the_dust_with_everything_else(mode: str) -> None:
    """The protocol's ratio collapses by a third: drawdown, exit in full, a reward below its threshold included."""
    moments = month(at(CALM, rewards=(FOUR_DAYS,)), days=4)
    slashed = at(CALM, ratio={"weETH": 1.25 * 0.9})
    run = Run(free_of_cost(mode, NO_SALE | {"max_drawdown": 0.05, "strategy.carry_gate": False}), [*moments, slashed])
    run.go()
    last = [order for order in run.orders if order.action is Action.EXIT_FULL]
    assert last and last[0].operation == "unwrap_reward"
    assert run.quantity(EIGEN) == 0.0


def test_a_payout_after_the_exit_is_for_the_days_before_it() -> None:
    """Everything is sold after one day of a period of two: 40 eETH x 1/2 x 0.5."""
    slashed = at(CALM, ratio={"weETH": 1.25 * 0.5})
    paid = at(slashed, rewards=((EIGEN, START, START + 2 * DAY, 0.5),))
    run = Run(free_of_cost("eth_staking_only", NO_SALE), [*steady(CALM, 24), *steady(slashed, 48), paid]).go()
    assert run.quantity(WEETH) == 0.0
    assert run.quantity(EIGEN) == pytest.approx(10.0, rel=1e-12)
