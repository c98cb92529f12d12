"""Targets are pure functions of the view: what to hold with an equity at a price."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from basis_pipeline.domain.protocols import StrategyView
from basis_pipeline_tests.builders import START, Moment, Run, frictionless, snapshot, steady, wired

CALM = Moment(prices={"BTC": 50_000.0})
FREE = frictionless("btc_basis")
FUNDED = Run(FREE, steady(CALM, 1)).go().engine.log.commits[0]
"""The chain right after the capital arrived: 100,000 USDT in the wallet, nothing else."""


def view(equity: float, price: float = 50_000.0, **rest: float) -> StrategyView:
    market = snapshot(FREE.settings, START, Moment(prices={"BTC": price}))
    return StrategyView(replace(FUNDED, market=market), equity, **rest)


def test_the_default_basis_book() -> None:
    targets = FREE.strategy.targets(view(100_000.0))
    slot = FREE.settings.universe.slot
    assert targets.quantities == {
        slot("binance:Perp:BTCUSDT"): pytest.approx(-0.796),
        slot("bybit:Perp:BTCUSDT"): pytest.approx(-0.530),
        slot("binance:BaseToken:BTC"): pytest.approx(1.326),
    }
    assert targets.margins == {
        slot("binance:BaseToken:USDT"): pytest.approx(0.6 * 99_500 / 3),
        slot("bybit:BaseToken:USDT"): pytest.approx(0.4 * 99_500 / 3),
    }
    assert targets.wallet == {slot("wallet:BaseToken:USDT"): pytest.approx(500.0)}


def test_a_multiple_of_the_margin_ratio_moves_the_split() -> None:  # decisions: Emergency margin
    targets = FREE.strategy.targets(view(100_000.0, margin_multiple=1.25))
    spot = targets.quantities[FREE.settings.universe.slot("binance:BaseToken:BTC")] * 50_000.0
    assert sum(targets.margins.values()) / spot == pytest.approx(0.625, rel=2e-3)


def test_what_is_asked_back_is_kept_in_the_wallet() -> None:
    targets = FREE.strategy.targets(view(90_000.0, pending_withdrawal=10_000.0))
    assert targets.wallet == {0: pytest.approx(10_450.0)}


@settings(deadline=None)
@given(st.floats(0.0, 1e9), st.floats(100.0, 1e6), st.floats(0.2, 5.0))
def test_spot_is_exactly_the_sum_of_the_shorts_and_never_more_than_the_equity(
    equity: float, price: float, multiple: float
) -> None:  # decisions: Sizing of a buy
    targets = FREE.strategy.targets(view(equity, price, margin_multiple=multiple))
    spot = FREE.settings.universe.slot("binance:BaseToken:BTC")
    shorts = [quantity for slot, quantity in targets.quantities.items() if slot != spot]
    assert targets.quantities[spot] == -sum(shorts)
    assert all(quantity <= 0.0 for quantity in shorts)
    spent = targets.quantities[spot] * price + sum(targets.margins.values()) + sum(targets.wallet.values())
    assert spent <= equity * (1.0 + 1e-9) + 1e-6


def test_flat_is_nothing_anywhere() -> None:
    targets = FREE.strategy.flat(view(100_000.0))
    assert set(targets.quantities.values()) | set(targets.margins.values()) == {0.0}
    assert targets.wallet == {}


def test_lending_supplies_everything_but_reserve_and_gas() -> None:
    mode = wired("pure_lending_eth", {"reserve_fraction": 0.01})
    market = snapshot(mode.settings, START, Moment(prices={"ETH": 2_500.0}))
    targets = mode.strategy.targets(StrategyView(replace(FUNDED, market=market), equity=40.0 * 2_500.0))
    universe = mode.settings.universe
    assert targets.quantities == {universe.slot("aave_v3:aToken:aWETH"): pytest.approx(40.0 * 0.99 - 0.02)}
    assert targets.wallet == {universe.slot("wallet:BaseToken:ETH"): pytest.approx(0.42)}
