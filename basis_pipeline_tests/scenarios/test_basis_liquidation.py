"""What a bar, a liquidation or a stop does to a basis book; by hand, without fees.

The book is that of `basis_book`.
"""

from __future__ import annotations

import pytest

from basis_pipeline.domain.events import SettlementEvent, Severity
from basis_pipeline.domain.records import Category
from basis_pipeline_tests.builders import Moment, Run, at, frictionless, path, steady
from basis_pipeline_tests.scenarios.basis_book import (
    CALM,
    SHORT_BINANCE,
    SPOT,
    WALLET,
    held,
)

ONE_VENUE = {"strategy.hedge_allocation": {"binance": 1.0}}


def liquidated(fee: float) -> Run:
    """Spot and one short of 1.326 BTC. The bar reaches 72,000 and closes at 60,000; liquidation is near 71,440."""
    wick = Moment(prices={"BTC": 60_000.0}, high={SHORT_BINANCE: 72_000.0})
    overrides = ONE_VENUE | {"venues.binance.margin.liquidation_fee": fee}
    return Run(frictionless("btc_basis", overrides), [CALM, wick, at(CALM), at(CALM)]).go()


def test_a_liquidation_inside_a_bar_closes_at_its_price_and_halts() -> None:
    run = liquidated(0.0125)
    cash = 99_500.0 / 3
    price = (cash + 1.326 * 50_000.0) / (1.326 * 1.05)
    assert 71_430.0 < price < 71_450.0
    left = cash - 1.326 * (price - 50_000.0) - 0.0125 * 1.326 * price
    assert left == pytest.approx((0.05 - 0.0125) * 1.326 * price, rel=1e-12), "maintenance margin less the fee"
    wallet = 100_000.0 - cash - 1.326 * 50_000.0
    assert run.equity == pytest.approx(wallet + left + 1.326 * 60_000.0, abs=1e-7)
    assert held_one(run) == [0.0, 0.0]
    assert run.quantity(WALLET) == pytest.approx(run.equity)
    assert run.cumulative[Category.LIQUIDATION] == pytest.approx(-1.326 * (price - 60_000.0) - 0.0125 * 1.326 * price)
    events = [event for event in run.engine.log.events if isinstance(event, SettlementEvent)]
    assert [event.kind for event in events if event.severity is Severity.CRITICAL] == ["liquidation", "liquidation"]
    assert run.reasons[-1] == "exit_full: liquidation: leave the market and halt"
    assert run.engine.state().strategy.halted == "liquidation"
    assert run.orders_at(2) == run.orders_at(3) == [], "no new entry after a halt"


def held_one(run: Run) -> list[float]:
    return [run.quantity(SPOT), run.quantity(SHORT_BINANCE)]


def test_a_liquidation_never_takes_more_than_the_cash_of_its_venue() -> None:
    """A fee of 6% is more than the 5% that are left: the cash ends at zero, not below."""
    run = liquidated(0.06)
    wallet = 100_000.0 - 99_500.0 / 3 - 1.326 * 50_000.0
    assert run.equity == pytest.approx(wallet + 1.326 * 60_000.0, abs=1e-7)


def test_a_wick_that_stays_below_the_liquidation_price_does_nothing() -> None:
    price = (99_500.0 / 3 + 1.326 * 50_000.0) / (1.326 * 1.05)
    wick = Moment(prices={"BTC": 52_000.0}, high={SHORT_BINANCE: price - 0.01})
    run = Run(frictionless("btc_basis", ONE_VENUE), [CALM, wick, CALM]).go()
    assert held_one(run) == pytest.approx([1.326, -1.326])
    beyond = at(wick, high={SHORT_BINANCE: price + 0.01})
    run = Run(frictionless("btc_basis", ONE_VENUE), [CALM, beyond, CALM]).go()
    assert held_one(run) == [0.0, 0.0]


def test_a_static_book_is_liquidated_where_a_managed_one_survives() -> None:
    """s = .5, the price doubles in steps of 2%: liquidation of the unmanaged book at 0.95 / 1.05 = +90.5%."""
    prices = [50_000.0 * 1.02**n for n in range(36)]
    half = {"strategy.spot_fraction": 0.5}
    static = half | {"component_config.risk_monitor.enabled_risk_types": []}
    unmanaged = Run(frictionless("btc_basis", static), list(path("BTC", prices))).go()
    managed = Run(frictionless("btc_basis", half), list(path("BTC", prices))).go()
    closed = [e for e in unmanaged.engine.log.events if isinstance(e, SettlementEvent) and e.kind == "liquidation"]
    step = unmanaged.feed.timestamps.index(closed[0].timestamp)
    assert prices[step - 1] < 50_000.0 * 2 / 1.05 < prices[step]
    assert unmanaged.equity < 100_000.0
    assert managed.equity == pytest.approx(100_000.0, abs=1e-6)
    assert not any(isinstance(e, SettlementEvent) and e.kind == "liquidation" for e in managed.engine.log.events)


def test_the_drawdown_stop_leaves_the_market_for_good() -> None:
    """Funding of -30% costs 0.3 x 66,300 = 19.9% of equity: everything returns to the wallet, nothing re-enters."""
    charge = at(CALM, funding={"binance": -0.3, "bybit": -0.3})
    run = Run(frictionless("btc_basis"), [CALM, charge, *steady(CALM, 30)]).go()
    lost = 0.3 * 1.326 * 50_000.0
    assert run.cumulative[Category.FUNDING] == pytest.approx(-lost, rel=1e-12)
    assert held(run) == [0.0, 0.0, 0.0]
    assert run.quantity(WALLET) == pytest.approx(100_000.0 - lost, abs=1e-7)
    assert run.engine.state().strategy.halted == "drawdown"
    assert all(not run.orders_at(step) for step in range(2, 32))


def test_an_exit_brings_everything_home_from_every_venue() -> None:
    charge = at(CALM, funding={"binance": -0.3, "bybit": -0.3})
    run = Run(frictionless("btc_basis", {"strategy.spot_venue": "okx"}), [CALM, charge, CALM]).go()
    assert run.quantity(WALLET) == pytest.approx(run.equity, abs=1e-7)
