"""Deltas: what a book depends on, seen from USDT and from a coin (V3, V5)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from basis_pipeline_tests.builders import START, Moment, Run, frictionless, snapshot, steady


def test_a_coin_book_is_neutral_when_it_holds_exactly_its_equity_in_the_coin() -> None:
    run = Run(frictionless("pure_lending_eth"), [Moment(prices={"ETH": 2_500.0}, gas=1.0)]).go()
    exposure = run.engine.log.commits[-1].exposure
    assert exposure.asset_deltas == (pytest.approx(40.0),)
    assert exposure.net_delta == 0.0, "the share coin is not counted"
    assert exposure.excess_delta == pytest.approx(0.0, abs=1e-7)
    assert exposure.gross == pytest.approx(100_000.0)


def test_debt_to_others_shows_as_excess_in_a_coin_book() -> None:
    """USDT in an ETH book are 10,000 that do not move with ETH: 4 ETH short of its equity."""
    keys = {"component_config.position_monitor.position_subscriptions": ["wallet:BaseToken:USDT"]}
    run = Run(frictionless("pure_lending_eth", keys), [Moment(prices={"ETH": 2_500.0}, gas=1.0)]).go()
    last = run.engine.log.commits[-1]
    quantities = list(last.positions.quantities)
    quantities[run.slot("wallet:BaseToken:USDT")] = 10_000.0
    exposure = run.engine.exposure_monitor.calculate_exposure(
        replace(last.positions, quantities=tuple(quantities)), last.market
    )
    assert exposure.equity == pytest.approx(110_000.0)
    assert exposure.excess_delta == pytest.approx(-10_000.0)


def test_spot_and_shorts_net_at_the_reference_price_and_gross_adds_them() -> None:
    """Marks differ between venues; the delta of 1.326 against 0.796 + 0.530 is zero all the same."""
    run = Run(frictionless("btc_basis"), steady(Moment(prices={"BTC": 50_000.0}), 1)).go()
    positions = run.engine.position_monitor.get_current_positions()
    torn = Moment(prices={"BTC": 51_000.0}, mark={"binance:Perp:BTCUSDT": 51_500.0, "bybit:Perp:BTCUSDT": 50_500.0})
    exposure = run.engine.exposure_monitor.calculate_exposure(positions, snapshot(run.settings, START, torn))
    assert exposure.net_delta == exposure.excess_delta == pytest.approx(0.0, abs=1e-9)
    assert exposure.gross == pytest.approx(2 * 1.326 * 51_000.0)
    assert exposure.equity == pytest.approx(100_000.0 + 1.326 * 1_000.0 - 0.796 * 1_500.0 - 0.53 * 500.0)
