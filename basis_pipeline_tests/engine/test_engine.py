"""Construction, status, health, routing, checkpoints: the engine from outside (R65, R71, R79-R82, R86-R88)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.errors import ConfigError, OrderError, StateError
from basis_pipeline.domain.orders import Action, Operation, Order
from basis_pipeline.domain.settings import ExecutionMode
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import HOUR
from basis_pipeline.engine.event_driven_strategy_engine import COMPONENTS, EventDrivenStrategyEngine
from basis_pipeline.engine.health import HealthState
from basis_pipeline_tests.builders import START, HandMadeFeed, Moment, Run, at, frictionless, steady, wired

CALM = Moment(prices={"BTC": 50_000.0})


def new_engine(**changes: Any) -> EventDrivenStrategyEngine:
    mode = wired("btc_basis")
    arguments: dict[str, Any] = {
        "config": mode.engine_config(),
        "execution_mode": "backtest",
        "data_provider": HandMadeFeed(mode.settings, steady(CALM, 48)),
        "initial_capital": 100_000.0,
        "share_class": "USDT",
    }
    return EventDrivenStrategyEngine(**(arguments | changes))


def test_the_usage_example_of_the_documents_runs() -> None:  # synchronous
    """Constructor, run_backtest with the end day included, component access, status."""
    engine = new_engine()
    log = engine.run_backtest(start_date="2024-01-01", end_date="2024-01-02")
    assert len(log.closings) == 48
    assert engine.position_monitor.get_current_positions().quantities[3] == pytest.approx(1.323)
    assert engine.exposure_monitor.calculate_exposure is not None
    status = engine.get_status()
    assert (status.mode, status.share_class) == ("btc_basis", "USDT")
    assert status.execution_mode is ExecutionMode.BACKTEST
    assert status.health.overall_status is HealthState.HEALTHY
    assert status.current_timestamp == log.commits[-1].timestamp
    assert status.is_running is False


def test_the_initial_capital_of_the_constructor_is_what_is_credited() -> None:  # R55, R79
    engine = new_engine(initial_capital=50_000.0)
    engine.run_backtest("2024-01-01", "2024-01-01")
    assert engine.log.commits[0].exposure.equity == 50_000.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"initial_capital": 0.0}, "initial_capital 0.0 of btc_basis is not > 0"),
        ({"initial_capital": -1.0}, "is not > 0"),
        ({"initial_capital": float("nan")}, "is not > 0"),
        ({"share_class": "ETH"}, "written for share class USDT, not 'ETH'"),
        ({"share_class": ""}, "not ''"),
        ({"execution_mode": "paper"}, "execution_mode 'paper' is neither backtest nor live"),
    ],
)
def test_the_engine_refuses_to_start_with(change: dict[str, Any], says: str) -> None:  # R79, R98
    with pytest.raises(ConfigError, match=says):
        new_engine(**change)


def test_every_component_is_registered_with_one_health_manager() -> None:  # R81, R82, R87
    engine = new_engine()
    report = engine.get_status().health
    assert tuple(health.component for health in report.components) == COMPONENTS
    assert report.summary == "10 components healthy"
    assert all(hasattr(engine, name) for name in COMPONENTS)
    assert engine.execution_manager._position_update_handler is engine.position_update_handler
    assert engine.position_update_handler._position_monitor is engine.position_monitor


def test_two_engines_share_nothing() -> None:  # no state leaks between runs
    first, second = new_engine(), new_engine()
    first.run_backtest("2024-01-01", "2024-01-01")
    assert second.current_timestamp is None
    assert second.position_monitor.get_current_positions().quantities == (0.0,) * 6
    assert second.log.commits == []


@pytest.mark.parametrize("state", [HealthState.UNHEALTHY, HealthState.CRITICAL, HealthState.NOT_READY])
def test_nothing_is_executed_while_a_component_is_ill(state: HealthState) -> None:  # R88
    engine = new_engine()
    engine.health.report("data_provider", state, 0, "feed is silent")
    engine.run_backtest("2024-01-01", "2024-01-01")
    assert engine.log.orders == []
    assert engine.log.commits[-1].exposure.equity == 100_000.0, "positions, risk and P&L are still reported"
    assert engine.get_status().health.overall_status is state
    assert engine.get_status().health.summary == "data_provider: feed is silent"


def test_a_degraded_component_does_not_stop_the_book() -> None:
    engine = new_engine()
    engine.health.report("data_provider", HealthState.DEGRADED, 0, "slow")
    engine.run_backtest("2024-01-01", "2024-01-01")
    assert len(engine.log.orders) == 6


def test_values_that_are_held_are_marked_and_nothing_is_settled_or_decided_on_them() -> None:  # R97
    """Capital of three steps, cash of which the strategy would trade at once: it waits for the next newer values."""
    engine, (opening, first, second, third) = new_engine(), (START + hour * HOUR for hour in range(4))
    engine.observe(opening)
    orders, equity = len(engine.log.orders), engine.pnl_monitor.state().equity
    for moment in (first, second):
        snapshot = engine.hold(moment)
        assert (snapshot.timestamp, snapshot.market.timestamp, snapshot.market.as_of) == (moment, moment, opening)
        assert (engine.act().exposure.equity, len(engine.log.orders)) == (equity, orders)
    assert {delta.timestamp for delta in engine.log.deltas} == {opening}
    assert engine.health.may_execute
    assert engine.process_timestep(third).market.as_of is None
    assert len(engine.log.orders) == 6
    assert [engine.log.commits[i].market.as_of for i in engine.log.closings] == [opening, opening, None]


def test_an_unknown_component_cannot_report() -> None:
    with pytest.raises(KeyError):
        new_engine().health.report("pnl_calculator", HealthState.CRITICAL, 0)


def order(venue: str, operation: Operation) -> Order:
    return Order(venue=venue, operation=operation, slot=0, counter_slot=1, quantity=1.0, action=Action.ENTRY_FULL)


def test_routing_names_the_venues_that_could() -> None:  # R18, R85
    manager = new_engine().venue_interface_manager
    assert manager.route_to_venue(order("bybit", Operation.TRANSFER)).name == "bybit"
    with pytest.raises(OrderError, match=r"VEN-001.*no client for transfer at 'kraken'.*binance, bybit, wallet"):
        manager.route_to_venue(order("kraken", Operation.TRANSFER))
    with pytest.raises(OrderError, match=r"no client for perp_trade at 'wallet'.*support it: binance, bybit"):
        manager.route_to_venue(order("wallet", Operation.PERP_TRADE))
    with pytest.raises(OrderError, match=r"no client for supply at 'binance'.*support it: none"):
        manager.route_to_venue(order("binance", Operation.SUPPLY))


def test_two_clients_of_one_venue_are_refused() -> None:
    config = wired("btc_basis").engine_config()
    with pytest.raises(ConfigError, match="venue wallet is wired twice"):
        new_engine(config=replace(config, venues=(*config.venues, config.venues[0])))


def test_a_resumed_engine_is_where_it_was() -> None:  # R49, R50: also before it has processed anything
    state = Run(wired("btc_basis"), steady(CALM, 3)).go().engine.state()
    assert Run(wired("btc_basis"), steady(CALM, 3), state=state).engine.state() == state


def test_a_risk_that_lasts_over_a_checkpoint_is_reported_once() -> None:
    """+22% is below warn and stays there: the resumed run must not report it again."""
    high = at(CALM, prices={"BTC": 61_000.0})
    moments = [CALM, *steady(high, 4)]
    whole = Run(frictionless("btc_basis"), moments).go()
    first = Run(frictionless("btc_basis"), moments).go(3)
    second = Run(frictionless("btc_basis"), moments, state=first.engine.state()).go()
    assert first.engine.log.events + second.engine.log.events == whole.engine.log.events
    assert second.engine.state() == whole.engine.state()


def test_a_checkpoint_survives_its_file() -> None:
    state = Run(wired("btc_basis"), [CALM, at(CALM, prices={"BTC": 40_123.456789})]).go().engine.state()
    assert EngineState.from_json(state.to_json(), source="here") == state


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "january.json is not a readable checkpoint"),
        (b"[]", "january.json is not a readable checkpoint"),
        (b'{"schema_version": 99}', r"STATE-002.*schema 99, this version writes 1.*--reopen"),
        (b'{"schema_version": 1, "mode": 5}', "january.json is not a valid checkpoint"),
    ],
)
def test_a_broken_checkpoint_is_refused_by_name(content: bytes, says: str) -> None:
    with pytest.raises(StateError, match=says):
        EngineState.from_json(content, source="january.json")
