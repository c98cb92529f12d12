"""Properties of single components on states that real runs lead to."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import AccountingError, PositionError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Action, ExecutionHandshake
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.protocols import StrategyView
from basis_pipeline.domain.records import Positions
from basis_pipeline.engine.planning.order_planner import OrderPlanner
from basis_pipeline.engine.position_monitor import PositionMonitor
from basis_pipeline.engine.reconciliation import check_conservation
from basis_pipeline_tests.builders import Moment, Run, frictionless, path, snapshot, wired

PATIENT = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
Filled = tuple[ExecutionHandshake, Positions, MarketSnapshot]


@cache
def eventful() -> tuple[Run, list[Filled]]:
    """A run through entry, derisk, re-lever with rolls; each order with the positions before it."""
    run = Run(wired("btc_basis"), list(path("BTC", [50_000.0, 63_500.0, 50_000.0, 30_000.0, 15_000.0, 20_000.0]))).go()
    commits = {commit.sequence: commit for commit in run.engine.log.commits}
    before = [commits[entry.sequence - 1] for entry in run.engine.log.orders]
    filled = [
        (entry.result.handshake, commit.positions, commit.market)
        for entry, commit in zip(run.engine.log.orders, before, strict=True)
        if entry.result.handshake
    ]
    return run, filled


def apply(handshake: ExecutionHandshake, before: Positions, run: Run) -> Positions:
    monitor = PositionMonitor(run.settings.universe, before, 0)
    return monitor.update_state(0, handshake.deltas, handshake.operation_id)


def test_the_run_that_is_tampered_with_is_eventful_and_sound() -> None:
    run, filled = eventful()
    assert len(filled) == len(run.orders) > 25
    assert {order.tag for order in run.orders} == {"", "roll"}
    for handshake, before, market in filled:
        check_conservation(handshake, before, apply(handshake, before, run), market, run.settings)


@PATIENT
@given(st.data())
def test_no_tampering_with_an_amount_or_a_stated_cost_goes_unnoticed(data: st.DataObject) -> None:
    """Anything of a hundredth of a cent per 10,000 USDT of the position, up or down, in any leg or any stated cost."""
    run, filled = eventful()
    handshake, before, market = filled[data.draw(st.integers(0, len(filled) - 1), label="order")]
    universe = run.settings.universe
    honest = apply(handshake, before, run)
    held = max(abs(q * p) for q, p in zip((*before.quantities, *honest.quantities), market.last * 2, strict=True))
    by = data.draw(st.floats(1e-6, 0.5), label="USDT per USDT held") * data.draw(st.sampled_from([-1.0, 1.0])) * held
    what = data.draw(st.sampled_from(["amount", "fee", "slippage", "gas"]), label="what")
    if what == "amount":
        victim = data.draw(st.integers(0, len(handshake.deltas) - 1), label="leg")
        delta = handshake.deltas[victim]
        assume(universe.instruments[delta.slot].position_type is not PositionType.PERP)
        forged = replace(delta, amount=delta.amount + by / market.last[delta.slot])
        deltas = tuple(forged if n == victim else d for n, d in enumerate(handshake.deltas))
        tampered = replace(handshake, deltas=deltas)
    else:
        tampered = replace(handshake, **{what: getattr(handshake, what) + by})
    with pytest.raises((AccountingError, PositionError)):
        check_conservation(tampered, before, apply(tampered, before, run), market, run.settings)


@PATIENT
@given(
    st.floats(5_000.0, 2e6),
    st.floats(0.35, 0.7),
    st.floats(0.6, 1.3),
    st.sampled_from([{"binance": 1.0}, {"binance": 0.6, "bybit": 0.4}, {"binance": 0.4, "bybit": 0.3, "okx": 0.3}]),
)
def test_a_plan_reaches_its_targets_and_never_overdraws(
    capital: float, spot_fraction: float, move: float, hedge: dict[str, float]
) -> None:  # projected = executed, and every intermediate state is sound
    """From any sized book to any other price: the venue executes what was planned, to the digit."""
    keys = {"initial_capital": capital, "strategy.spot_fraction": spot_fraction, "strategy.hedge_allocation": hedge}
    run = Run(wired("eth_basis", keys), [Moment(prices={"ETH": 2_500.0})]).go()
    planner = OrderPlanner(run.settings, run.mode.strategy.hedge)
    before = run.engine.log.commits[-1]
    market = snapshot(run.settings, before.timestamp, Moment(prices={"ETH": 2_500.0 * move}))
    exposure = run.engine.exposure_monitor.calculate_exposure(before.positions, market)
    there = replace(before, market=market, exposure=exposure)
    targets = run.mode.strategy.targets(StrategyView(there, exposure.equity))
    plan = planner.plan(targets, before.positions, market, Action.ENTRY_PARTIAL)
    assert not plan.refusal
    monitor = PositionMonitor(run.settings.universe, before.positions, 0)
    venues = {venue.name: venue for venue in run.mode.engine_config().venues}
    for number, order in enumerate(plan.orders, start=1):
        positions = monitor.get_current_positions()
        handshake = venues[order.venue].execute(replace(order, operation_id=number), positions, market)
        assert handshake.error_message == ""
        assert tuple((delta.slot, delta.amount) for delta in handshake.deltas) == order.expected
        monitor.update_state(0, handshake.deltas, number)
    reached = monitor.get_current_positions().quantities
    for slot, target in targets.quantities.items():
        rules = run.settings.rules_of(run.settings.universe.instruments[slot].key.venue).trades[slot]
        small = max(rules.min_notional, run.settings.steering_limits.min_trade) * len(hedge) / market.last[slot]
        assert abs(reached[slot] - target) <= max(small, 1e-9)


AMOUNTS = st.lists(st.tuples(st.integers(0, 3), st.floats(-1e6, 1e6)), min_size=1, max_size=4)


@PATIENT
@given(st.lists(AMOUNTS, min_size=1, max_size=8), st.data())
def test_the_position_monitor_applies_each_operation_once_or_not_at_all(
    operations: list[list[tuple[int, float]]], data: st.DataObject
) -> None:  # R25
    """Against a plain sum; anything that would make an owned quantity negative leaves everything as it was."""
    universe = frictionless("btc_basis").settings.universe
    start = (1e6,) * 4 + (0.0,) * 2
    monitor = PositionMonitor(universe, Positions(start, (0.0,) * 6), 0)
    expected = list(start)
    for number, operation in enumerate(operations, start=1):
        deltas = [PositionDelta(slot, amount, DeltaSource.TRANSFER, number) for slot, amount in operation]
        before = monitor.get_current_positions()
        try:
            monitor.update_state(0, deltas, number)
        except PositionError:
            assert monitor.get_current_positions() == before
            monitor.roll_back()
            continue
        if data.draw(st.booleans(), label="commit"):
            monitor.commit()
            for slot, amount in operation:
                expected[slot] += amount
            with pytest.raises(PositionError, match="POS-003"):
                monitor.update_state(0, deltas, number)
        else:
            monitor.roll_back()
        assert monitor.get_current_positions().quantities == pytest.approx(expected, abs=1e-5)
    assert min(monitor.get_current_positions().quantities) >= 0.0
