"""The redemption queue: a withdrawal that waits instead of paying slippage, and nothing else that does (G5, B6)."""

from __future__ import annotations

import pytest

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.records import Category
from basis_pipeline.domain.timeline import DAY
from basis_pipeline.engine.steering.halting import BY_QUEUE, leaving
from basis_pipeline_tests.builders import START, Moment, Run, at, steady, wired
from basis_pipeline_tests.scenarios.staking import ETH, WEETH, free_of_cost

CALM = Moment(prices={"ETH": 2_000.0}, ratio={"weETH": 1.25}, gas=10.0)
RECEIVABLE = "wallet:Receivable:ETH"
QUEUE = {"strategy.exit_route": "queue", "gas_reserve": 0.02}
TEN_OUT = {"flows": [{"at": "2024-01-02T00:00:00Z", "amount": -10.0}]}


def days(count: int) -> list[Moment]:
    return steady(CALM, 24 * count + 1)


def test_the_queue_owes_the_eth_of_the_request_and_pays_it_a_week_later() -> None:
    """8 weETH at 1.25 are 10 ETH, whatever the ratio does meanwhile; the claim is equity and earns nothing."""
    moments = days(10)
    moments[30:] = steady(at(CALM, ratio={"weETH": 1.2625}), len(moments) - 30)
    run = Run(free_of_cost("eth_staking_only", QUEUE | TEN_OUT), moments).go(25)
    assert [order.operation for order in run.orders] == [Operation.STAKE, Operation.REDEEM]
    assert run.quantity(RECEIVABLE) == pytest.approx(10.0, rel=1e-12)
    assert run.quantity(WEETH) == pytest.approx((40.0 - 10.0 - 0.02) / 1.25, rel=1e-12)
    assert run.pnl.equity == pytest.approx(40.0, rel=1e-12)
    run.go(24 * 7 - 1)
    assert run.quantity(RECEIVABLE) == pytest.approx(10.0, rel=1e-12)
    run.go(1)
    assert run.engine.current_timestamp == START + 8 * DAY
    assert run.quantity(RECEIVABLE) == 0.0
    assert run.pnl.equity == pytest.approx(0.02 + 29.98 * 1.01, rel=1e-12)
    assert run.cumulative[Category.STAKING_YIELD] == pytest.approx(0.2998, rel=1e-10)
    assert run.engine.settlements.pending_withdrawal == 0.0


def test_the_queue_costs_no_slippage_and_the_pool_no_time() -> None:
    """10 ETH sold on the pool at 1% slippage cost 0.1; in the queue nothing."""
    slippage = {"venues.curve.swaps": {"weETH": {"slippage_bp": {10_000: 100.0}}}}
    pool = Run(free_of_cost("eth_staking_only", slippage | TEN_OUT), days(9)).go()
    queue = Run(free_of_cost("eth_staking_only", slippage | QUEUE | TEN_OUT), days(9)).go()
    assert pool.cumulative[Category.TRANSACTION_COSTS] == pytest.approx(-0.1, rel=0.02)
    assert queue.cumulative[Category.TRANSACTION_COSTS] == 0.0


def test_nothing_is_asked_for_twice_while_the_queue_works_and_a_deposit_pays_first() -> None:
    """5 ETH that arrive meanwhile go to the withdrawal; what the queue brings too much is staked again."""
    flows = [*TEN_OUT["flows"], {"at": "2024-01-04T00:00:00Z", "amount": 5.0}]
    run = Run(free_of_cost("eth_staking_only", QUEUE | {"flows": flows}), days(11)).go()
    assert [order.operation for order in run.orders].count(Operation.REDEEM) == 1
    assert run.engine.settlements.pending_withdrawal == 0.0
    assert run.quantity(WEETH) == pytest.approx((35.0 - 0.02) / 1.25, rel=1e-10)


def test_a_checkpoint_in_the_queue_goes_on_with_it() -> None:
    mode = free_of_cost("eth_staking_only", QUEUE | TEN_OUT)
    whole, first = Run(mode, days(10)).go(), Run(mode, days(10)).go(60)
    assert first.quantity(RECEIVABLE) > 0.0
    resumed = Run(mode, days(10), state=first.engine.state()).go()
    assert resumed.engine.state().to_json() == whole.engine.state().to_json()


def test_a_stop_sells_on_the_pool_even_where_withdrawals_queue() -> None:
    """What is in the queue is out of reach; the stop sells the rest at once, and it pays the withdrawal."""
    slashed = at(CALM, ratio={"weETH": 0.9})
    run = Run(free_of_cost("eth_staking_only", QUEUE | TEN_OUT), [*days(2), slashed, slashed])
    run.go(24 * 2 + 2)
    assert run.orders[-1].operation is Operation.SWAP
    assert run.orders[-1].quantity == pytest.approx(29.98 / 1.25, rel=1e-12)
    assert run.quantity(RECEIVABLE) == pytest.approx(10.0, rel=1e-12)
    run.go()
    assert run.engine.settlements.pending_withdrawal == 0.0
    assert run.quantity(ETH) == pytest.approx(29.98 / 1.25 * 0.9 + 0.02 - 10.0, rel=1e-12)


@pytest.mark.parametrize(
    ("mode", "overrides", "words"),
    [
        ("eth_leveraged", QUEUE, "does not fit a levered stack"),
        ("eth_staking_only", {"strategy.exit_route": "queue"}, "needs a gas_reserve"),
    ],
)
def test_a_queue_that_cannot_work_is_refused(mode: str, overrides: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        wired(mode, overrides)


def told_to_leave_by_the_queue(run: Run) -> None:
    manager = run.engine.strategy_manager
    manager.state = leaving(manager.state, BY_QUEUE, run.engine.position_update_handler.latest.exposure.equity)


def test_a_book_that_is_told_to_leaves_by_the_queue_as_a_whole_and_stays_out() -> None:
    """39.98 ETH are staked; nothing is entered again with what the queue brings a week later."""
    run = Run(free_of_cost("eth_staking_only", QUEUE), days(10)).go(24)
    told_to_leave_by_the_queue(run)
    run.go(1)
    assert [order.operation for order in run.orders] == [Operation.STAKE, Operation.REDEEM]
    assert (run.quantity(RECEIVABLE), run.quantity(WEETH)) == (pytest.approx(39.98, rel=1e-12), 0.0)
    run.go()
    assert [order.operation for order in run.orders] == [Operation.STAKE, Operation.REDEEM]
    assert run.quantity(ETH) == pytest.approx(40.0, rel=1e-12)


def test_a_book_in_danger_does_not_wait_for_the_queue_that_it_was_told_to_leave_by() -> None:
    slashed = at(CALM, ratio={"weETH": 0.9})
    run = Run(free_of_cost("eth_staking_only", QUEUE), [*days(2), slashed, slashed]).go(24 * 2 + 1)
    told_to_leave_by_the_queue(run)
    run.go(1)
    assert [order.operation for order in run.orders] == [Operation.STAKE, Operation.SWAP]


def test_a_book_that_leaves_by_the_pool_cannot_be_made_to_wait() -> None:
    run = Run(free_of_cost("eth_staking_only", {}), days(3)).go(24)
    told_to_leave_by_the_queue(run)
    run.go(1)
    assert [order.operation for order in run.orders] == [Operation.STAKE, Operation.SWAP]
