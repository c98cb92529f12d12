"""Oracles worked out by hand that concern one formula or one settlement."""

from __future__ import annotations

import pytest

from basis_pipeline.domain.accounting import fill_perp, funding_payment, scale, unscale
from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import PositionError
from basis_pipeline.domain.records import Category
from basis_pipeline_tests.builders import Moment, Run, at, frictionless, steady

CALM = Moment(prices={"BTC": 50_000.0})


def test_supplied_balances_grow_with_the_index() -> None:
    assert unscale(scale(100.0, 1.05), 1.10) == pytest.approx(104.7619, abs=5e-5)


def test_debt_grows_with_the_borrow_index() -> None:
    assert unscale(scale(50.0, 1.02), 1.08) == pytest.approx(52.941, abs=5e-4)


def test_a_short_receives_positive_funding() -> None:
    assert funding_payment(-1.0, 50_000.0, 1e-4) == pytest.approx(5.0)
    assert funding_payment(1.0, 50_000.0, 1e-4) == pytest.approx(-5.0)
    assert funding_payment(-1.0, 50_000.0, -1e-4) == pytest.approx(-5.0)


def test_average_entry_partial_close_and_flip() -> None:
    opened = fill_perp(0.0, 0.0, -1.0, 50_000.0)
    more = fill_perp(*opened[:2], -1.0, 60_000.0)
    assert more == (-2.0, 55_000.0, 0.0)
    closed = fill_perp(*more[:2], 0.5, 50_000.0)
    assert closed == (-1.5, 55_000.0, 2_500.0)
    flipped = fill_perp(*closed[:2], 2.0, 56_000.0)
    assert flipped == (0.5, 56_000.0, -1_500.0)


def test_funding_of_several_perps_is_settled_once_and_on_the_size_before_trades() -> None:  # R29
    """At 08:00 the book is also derisked by several orders: funding is what was held before, each venue once."""
    crash = {"prices": {"BTC": 66_000.0}, "funding": {"binance": 1e-4, "bybit": 2e-4}}
    run = Run(frictionless("btc_basis"), [at(CALM, **crash) if n == 8 else CALM for n in range(9)]).go(8)
    held = {venue: run.quantity(f"{venue}:Perp:BTCUSDT") for venue in ("binance", "bybit")}
    run.go()
    assert len(run.orders_at(8)) >= 5
    settled = [entry.delta for entry in run.engine.log.deltas if entry.delta.source is DeltaSource.FUNDING]
    assert [delta.reference_quantity for delta in settled] == [held["binance"], held["bybit"]]
    expected = -held["binance"] * 66_000.0 * 1e-4 - held["bybit"] * 66_000.0 * 2e-4
    assert sum(delta.amount for delta in settled) == pytest.approx(expected, rel=1e-12)
    assert run.step_pnl(Category.FUNDING) == pytest.approx(expected, rel=1e-12)
    assert run.engine.state().settled == dict.fromkeys(("funding:binance", "funding:bybit"), run.feed.timestamps[8])


def test_funding_at_the_entry_itself_is_not_paid_on_what_is_opened_there() -> None:
    run = Run(frictionless("btc_basis"), [at(CALM, funding={"binance": 1e-2, "bybit": 1e-2}), CALM]).go()
    assert run.quantity("binance:Perp:BTCUSDT") < 0.0
    assert run.cumulative[Category.FUNDING] == 0.0


def test_the_same_refresh_twice_settles_once() -> None:
    paying = at(CALM, funding={"binance": 1e-3, "bybit": 1e-3})
    run = Run(frictionless("btc_basis"), [CALM, paying]).go()
    before, equity = run.cumulative, run.equity
    run.engine.process_timestep(run.feed.timestamps[1])
    assert run.equity == equity
    assert run.cumulative == before


def test_the_first_step_acts() -> None:  # R56, R57
    run = Run(frictionless("btc_basis"), steady(CALM, 1)).go()
    assert len(run.orders) == 6


def test_an_undeclared_key_and_an_undeclared_slot_raise() -> None:  # R26
    run = Run(frictionless("btc_basis"), steady(CALM, 1)).go()
    with pytest.raises(PositionError, match="deribit:BaseToken:BTC is not declared"):
        run.slot("deribit:BaseToken:BTC")
    stranger = PositionDelta(len(run.settings.universe), 1.0, DeltaSource.TRANSFER)
    with pytest.raises(PositionError, match="does not declare"):
        run.engine.position_monitor.update_state(0, (stranger,))
