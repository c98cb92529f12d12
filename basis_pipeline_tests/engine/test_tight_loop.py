"""Order by order: execute, reconcile, chain, and what happens when one of them fails (R4-R6, R33-R40)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import AccountingError, BacktestError, EngineError, PositionError, SystemFailure
from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus, OrderState
from basis_pipeline.domain.records import Category, Trigger
from basis_pipeline.domain.tolerance import EXACT, Tolerance
from basis_pipeline.engine.health import HealthState
from basis_pipeline.venues.faults import hide_fee, keep_silent, lose_leg, overdraw, reject, repeat
from basis_pipeline_tests.builders import Run, steady, wired
from basis_pipeline_tests.engine.faulty import CALM, DriftsAfterwards, RecordingClock, SlowVenue, run_with

WALLET_SLOT, BINANCE_SLOT = 0, 1


def test_orders_run_one_at_a_time_in_their_order_each_followed_by_the_chain() -> None:  # R4, R5, R6, R20
    """Every commit after the refresh is the book after exactly one more order."""
    run = Run(wired("btc_basis"), steady(CALM, 1)).go()
    refresh, *after_orders = run.engine.log.commits
    assert refresh.trigger is Trigger.POSITION_REFRESH
    assert [commit.trigger for commit in after_orders] == [Trigger.EXECUTION_MANAGER] * 6
    assert [commit.sequence for commit in run.engine.log.commits] == [1, 2, 3, 4, 5, 6, 7]
    quantities = list(refresh.positions.quantities)
    for commit, entry in zip(after_orders, run.engine.log.orders, strict=True):
        assert entry.sequence == commit.sequence
        assert entry.result.handshake is not None
        for delta in entry.result.handshake.deltas:
            quantities[delta.slot] += delta.amount
        assert commit.positions.quantities == pytest.approx(quantities, abs=1e-9)
        assert entry.result.trail == ("idle", "routing", "executing", "reconciling", "success")


def test_every_commit_is_one_consistent_chain() -> None:  # R1, R7, R9: XM from PM, RM and LM from XM
    run = Run(wired("btc_basis"), steady(CALM, 2)).go()
    engine = run.engine
    for commit in engine.log.commits:
        assert engine.exposure_monitor.calculate_exposure(commit.positions, commit.market) == commit.exposure
        assert commit.risk.delta_drift == pytest.approx(abs(commit.exposure.excess_delta) / commit.exposure.equity)
        assert commit.pnl.equity == commit.exposure.equity
        assert sum(commit.exposure.values) == commit.exposure.equity


def test_a_rejected_order_raises_in_a_backtest_and_names_itself() -> None:  # R38, R96
    run = run_with("binance", answers={1: reject})
    with pytest.raises(BacktestError) as caught:
        run.go()
    assert "order 3 (spot_trade 0.794 at binance) ended as failure at 2024-01-01T00:00:00Z" in str(caught.value)
    assert "after 2 completed orders: rejected by fault injection" in str(caught.value)
    assert run.faulty.execute_calls == 1, "one attempt, no retry"
    assert run.clock.sleeps == []


def test_under_replan_the_rest_of_the_batch_is_skipped_and_the_step_closes() -> None:
    run = run_with("binance", policy="replan", answers={1: reject}).go(1)
    states = [entry.result.state for entry in run.engine.log.orders]
    assert states == [OrderState.SUCCESS] * 2 + [OrderState.FAILURE] + [OrderState.SKIPPED] * 3
    failed, skipped = run.engine.log.orders[2].result, run.engine.log.orders[3].result
    assert failed.trail == ("idle", "routing", "executing", "failure")
    assert skipped.trail == ("idle", "skipped")
    assert skipped.handshake is None
    assert len(run.engine.log.closings) == 1
    assert run.quantity("binance:BaseToken:BTC") == 0.0
    assert run.equity == pytest.approx(99_998.0), "two transfers were done and paid for"


def test_the_next_step_plans_again_from_what_is_there() -> None:  # plans are target-based
    run = run_with("binance", policy="replan", answers={1: reject}).go(2)
    assert [entry.result.state for entry in run.engine.log.orders[6:]] == [OrderState.SUCCESS] * 4
    assert run.quantity("binance:BaseToken:BTC") == pytest.approx(1.323)
    assert run.equity == pytest.approx(Run(wired("btc_basis"), steady(CALM, 2)).go().equity)
    assert [order.operation_id for order in run.orders] == list(range(1, 11)), "ids of skipped orders are not reused"


def failed_with_gas(handshake: ExecutionHandshake) -> ExecutionHandshake:
    """A reverted transaction: nothing moved, 7 USDT of gas are gone."""
    gas = PositionDelta(WALLET_SLOT, -7.0, DeltaSource.GAS, handshake.operation_id, fee=7.0)
    return ExecutionHandshake(
        operation_id=handshake.operation_id, status=HandshakeStatus.FAILED, deltas=(gas,), gas=7.0, error_message="rev"
    )


def test_the_gas_of_a_failed_order_stays_spent_and_is_a_cost() -> None:
    run = run_with("wallet", policy="replan", answers={1: failed_with_gas}).go(1)
    assert run.quantity("wallet:BaseToken:USDT") == 100_000.0 - 7.0
    assert run.step_pnl(Category.TRANSACTION_COSTS) == -7.0
    assert run.step_pnl(Category.RESIDUAL) == 0.0
    assert run.engine.log.orders[0].result.state is OrderState.FAILURE


def test_two_failed_comparisons_and_a_good_one_make_three_compares_and_one_application() -> None:
    run = run_with("wallet", policy="retry", drift={WALLET_SLOT: 1.0}, drift_calls=2).go(1)
    first = run.engine.log.orders[0].result
    assert first.trail == ("idle", "routing", "executing", "reconciling", "retry", "reconciling", "retry",
                           "reconciling", "success")  # fmt: skip
    assert first.reconciliation is not None
    assert (first.reconciliation.success, first.reconciliation.attempt) == (True, 3)
    assert run.clock.sleeps == [1.0, 2.0], "a wait before each repetition and none after the last"
    assert run.faulty.position_calls == 3 + 5, "three for the first order, one for each of the others"
    assert run.equity == pytest.approx(Run(wired("btc_basis"), steady(CALM, 1)).go().equity, rel=1e-15)
    assert len(run.engine.log.commits) == 7


def test_a_lasting_difference_is_a_system_failure_with_what_was_completed() -> None:  # R35, R39, R40
    run = run_with("binance", DriftsAfterwards, "retry", executions=2, drift={BINANCE_SLOT: 0.5})
    with pytest.raises(SystemFailure) as caught:
        try:
            run.go()
        except Exception:  # noqa: BLE001 - exactly what must not swallow it
            pytest.fail("a system failure was swallowed")
    assert run.clock.sleeps == [1.0, 2.0, 4.0]
    assert [result.state for result in caught.value.completed] == [OrderState.SUCCESS] * 3  # type: ignore[attr-defined]
    assert "binance:BaseToken:USDT: expected " in caught.value.reason
    assert isinstance(caught.value, SystemExit)
    status = run.engine.get_status()
    assert status.health.overall_status is HealthState.CRITICAL
    assert "execution_manager" in status.health.summary
    assert not run.engine.health.may_execute


@pytest.mark.parametrize(
    ("seconds", "sleeps"), [(10.0, [1.0, 2.0, 4.0]), (114.0, [1.0, 2.0]), (118.0, [1.0]), (119.5, [])]
)
def test_no_attempt_starts_after_the_deadline_of_two_minutes(seconds: float, sleeps: list[float]) -> None:  # R36
    clock = RecordingClock()
    mode = wired("btc_basis", {"error_policy": "retry"})
    venues = [
        SlowVenue(venue, clock, seconds, drift={WALLET_SLOT: 1.0}) if venue.name == "wallet" else venue
        for venue in mode.engine_config().venues
    ]
    with pytest.raises(SystemFailure):
        Run(mode, steady(CALM, 1), venues=venues, clock=clock).go()
    assert clock.sleeps == sleeps
    assert clock.time <= 1_000.0 + 120.0


def test_a_backtest_never_compares_twice() -> None:  # R33, R38
    run = run_with("wallet", drift={WALLET_SLOT: 1e-9})
    with pytest.raises(BacktestError, match=r"POS-001.*do not reconcile.*wallet:BaseToken:USDT: expected"):
        run.go()
    assert run.faulty.position_calls == 1
    assert run.clock.sleeps == []


def nan_leg(handshake: ExecutionHandshake) -> ExecutionHandshake:
    return replace(handshake, deltas=tuple(replace(d, amount=float("nan")) for d in handshake.deltas))


def foreign_slot(handshake: ExecutionHandshake) -> ExecutionHandshake:
    return replace(handshake, deltas=(*handshake.deltas, PositionDelta(99, 1.0, DeltaSource.TRADE)))


def better_price(handshake: ExecutionHandshake) -> ExecutionHandshake:
    """The venue credits a cent more than it says."""
    first, *rest = handshake.deltas
    return replace(handshake, deltas=(first, *(replace(delta, amount=delta.amount + 0.01) for delta in rest)))


@pytest.mark.parametrize("call", [1, 2, 3], ids=["spot", "perp", "second spot"])
@pytest.mark.parametrize(
    ("distort", "error", "code"),
    [
        (reject, BacktestError, "ENGINE-002"),
        (hide_fee, AccountingError, "PNL-002"),
        (lose_leg, AccountingError, "PNL-002"),
        (better_price, AccountingError, "PNL-002"),
        (nan_leg, AccountingError, "PNL-002"),
        (repeat, PositionError, "POS-003"),
        (foreign_slot, PositionError, "POS-002"),
        (overdraw, EngineError, ""),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_every_fault_of_a_venue_is_noticed(
    distort: Callable[[ExecutionHandshake], ExecutionHandshake], error: type[EngineError], code: str, call: int
) -> None:  # reconciliation is no tautology
    run = run_with("binance", answers={call: distort})
    with pytest.raises(error) as caught:
        run.go()
    assert caught.value.code.startswith(code)


def test_a_fault_leaves_the_book_as_it_was_before_the_order() -> None:  # R12
    run = run_with("binance", answers={2: hide_fee})
    with pytest.raises(AccountingError):
        run.go()
    last = run.engine.log.commits[-1]
    assert run.engine.position_monitor.get_current_positions() == last.positions
    assert run.engine.pnl_monitor.state().equity == last.pnl.equity
    assert run.engine.risk_monitor.state.equity == last.pnl.equity
    assert run.engine.position_monitor.last_operation == 3


def test_the_checkpoint_after_a_system_failure_is_the_last_consistent_book() -> None:  # R41
    """Positions of an order that never reconciled are in doubt: the checkpoint holds what P&L was computed from."""
    run = run_with("binance", DriftsAfterwards, "retry", executions=2, drift={BINANCE_SLOT: 0.5})
    with pytest.raises(SystemFailure):
        run.go()
    state, last = run.engine.state(), run.engine.log.commits[-1]
    assert [state.positions[key].quantity for key in run.settings.universe.keys] == list(last.positions.quantities)
    assert state.pnl.equity == last.pnl.equity


def test_gas_of_a_failed_order_that_does_not_reconcile_is_a_failure_too() -> None:
    run = run_with("wallet", policy="retry", answers={1: failed_with_gas}, drift={WALLET_SLOT: 1.0})
    with pytest.raises(SystemFailure, match="wallet:BaseToken:USDT"):
        run.go()
    assert run.clock.sleeps == [], "nothing is waited for that the order did not do"


def test_an_order_whose_fate_is_unknown_stops_a_live_session_with_what_was_completed() -> None:  # R39
    run = run_with("binance", policy="retry", answers={2: keep_silent})
    with pytest.raises(SystemFailure, match=r"fate of operation .* at binance is not known: no answer") as caught:
        run.go()
    assert [result.state for result in caught.value.completed] == [OrderState.SUCCESS] * 3  # type: ignore[attr-defined]
    assert run.faulty.execute_calls == 2, "nothing is sent again, and nothing after it"
    assert run.engine.get_status().health.overall_status is HealthState.CRITICAL


def test_an_unknown_fate_ends_a_backtest_under_every_policy() -> None:  # R38
    with pytest.raises(BacktestError, match="fate of operation"):
        run_with("binance", answers={1: keep_silent}).go()
    with pytest.raises(BacktestError, match="fate of operation"):
        run_with("binance", policy="replan", answers={1: keep_silent}).go()


@pytest.mark.parametrize(
    ("gap", "size", "price", "allowed"),
    [
        (0.0001, 1.0, 50_000.0, True),
        (0.00011, 1.0, 50_000.0, False),
        (-0.00011, 1.0, 4_000.0, True),
        (0.5, 0.0, 1.0, True),
        (float("nan"), 1.0, 1.0, False),
    ],
    ids=["relative", "too much", "below half a USDT", "dust on nothing", "not a number"],
)
def test_a_tolerance_is_relative_with_a_floor_in_money(gap: float, size: float, price: float, allowed: bool) -> None:
    assert Tolerance(relative=1e-4, usdt=0.5).allows(gap, size, price) is allowed
    assert not EXACT.allows(5e-324, 1.0, 1.0), "what is simulated has no excuse"
