"""Repairs of legs that drifted apart, orders in parts, transfers that take time; by hand, mostly without fees.

The book is that of `basis_book`.
"""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.state import PositionState
from basis_pipeline_tests.builders import Run, at, frictionless, path, steady, wired
from basis_pipeline_tests.scenarios.basis_book import (
    CALM,
    SHORT_BINANCE,
    SHORT_BYBIT,
    flows,
    held,
)

_KINDS = (("binance", "spot"), ("binance", "perp"), ("bybit", "perp"))


def missing_short(quantity: float) -> Run:
    """Part of bybit's short is gone, closed at its entry price so that equity is the same."""
    start = Run(frictionless("btc_basis"), steady(CALM, 4)).go(2)
    state = start.engine.state()
    positions = state.positions | {SHORT_BYBIT: PositionState(quantity, 50_000.0 if quantity else 0.0)}
    return Run(start.mode, steady(CALM, 4), state=replace(state, positions=positions)).go()


def test_legs_that_drifted_apart_by_more_than_2_percent_are_repaired() -> None:
    run = missing_short(-0.50)
    assert held(run) == pytest.approx([1.326, -0.796, -0.530])
    assert run.orders_at(2) == [f"perp_trade 0.03 {SHORT_BYBIT} sell"]
    assert missing_short(-0.51).orders_at(2) == [], "0.02 of 1.326 is inside the band"


def test_a_naked_leg_is_a_breach_and_hedged_at_once() -> None:
    """0.53 BTC unhedged are 26% of equity."""
    run = missing_short(0.0)
    assert run.reasons[0].startswith("exit_partial: delta drift 26.5")
    assert held(run) == pytest.approx([1.326, -0.796, -0.530])


@pytest.mark.parametrize("largest", [66_300.0, 40_000.0, 10_000.0, 777.0])
def test_no_order_is_larger_than_its_venue_takes(largest: float) -> None:
    """The purchase of 66,300 USDT, the shorts, and at +26% their reduction: the same book in as few orders as fit."""
    limits = {f"venues.{name}.{kind}.max_notional": largest for name, kind in _KINDS}
    asked = flows(("02:00:00", -100_000.0))
    run = Run(frictionless("btc_basis", limits | asked), [CALM, at(CALM, prices={"BTC": 63_000.0}), *steady(CALM, 3)])
    prices = [50_000.0, 63_000.0, 50_000.0]
    whole = Run(frictionless("btc_basis", asked), [CALM, at(CALM, prices={"BTC": 63_000.0}), *steady(CALM, 3)])
    for step, price in enumerate(prices):
        run.go(1)
        whole.go(1)
        assert held(run) == pytest.approx(held(whole), abs=1e-9)
        traded = [float(line.split()[1]) for line in run.orders_at(step) if "_trade " in line]
        assert max(traded) * price <= largest * (1.0 + 1e-12)
    entry = [line for line in run.orders_at(0) if line.startswith("spot_trade")]
    clip = math.floor(largest / 0.5) * 1e-5
    assert len(entry) == sum(math.ceil(leg / clip - 1e-9) for leg in (0.796, 0.530))
    assert held(run) == [0.0, 0.0, 0.0]


def test_a_venue_that_takes_no_whole_lot_declines_the_plan() -> None:
    limits = {"venues.binance.perp.max_notional": 40.0, "venues.binance.perp.min_notional": 5.0}
    run = Run(frictionless("btc_basis", limits), steady(CALM, 2)).go()
    assert run.orders_at(0) == []
    assert run.reasons[0].endswith("one lot of binance:Perp:BTCUSDT is above the largest order of 40 USDT")


@pytest.mark.parametrize("bars", [1, 3, 24])
@pytest.mark.parametrize("mode", ["btc_basis", "eth_basis"])
def test_late_transfers_do_not_keep_a_book_from_being_enlarged(mode: str, bars: int) -> None:
    """-24% with a price that never rests: cash is sent once, and what has arrived is spent on spot and shorts."""
    asset = {"btc_basis": "BTC", "eth_basis": "ETH"}[mode]
    late = {f"venues.{name}.transfer_latency_bars": bars for name in ("wallet", "binance", "bybit")}
    late |= {"strategy.largest_move": 0.1, "margin_ratio.derisk": 0.21}
    start = 50_000.0 if asset == "BTC" else 2_500.0
    falling = [start * (1.0 - 0.24 * min(1.0, n / 60)) * (1.0 + 0.002 * (-1) ** n) for n in range(200)]
    calm = [start] * (bars + 2)
    run = Run(wired(mode, late), list(path(asset, calm + falling))).go(len(calm))
    spot, shorts = f"binance:BaseToken:{asset}", (f"binance:Perp:{asset}USDT", f"bybit:Perp:{asset}USDT")
    before, entered, equity = run.quantity(spot), len(run.orders), run.equity
    assert before > 0.0
    run.go()
    assert run.quantity(spot) > 1.15 * before
    assert run.quantity(spot) + sum(map(run.quantity, shorts)) == pytest.approx(0.0, abs=2e-3 * before)
    assert len(run.orders) - entered < 30
    assert run.equity > 0.997 * equity
    assert run.engine.settlements.arrivals == ()


@pytest.mark.parametrize("largest", [30_000.0, 10_000.0, 777.0])
def test_splitting_a_trade_saves_no_slippage(largest: float) -> None:
    """With the shipped curves and no fees: in however many orders, the book pays what it would in one.

    Spot is one purchase although it is bought in two slices, one per short. The shipped curves start at 2 bp for
    spot and 3 bp for perps, and rise by 1 bp per decade beyond 10,000.
    """
    free = {f"venues.{name}.{kind}.taker_fee_bp": 0.0 for name, kind in _KINDS}
    free |= {f"venues.{name}.transfer_fee_usdt": 0.0 for name in ("wallet", "binance", "bybit")}
    limits = {f"venues.{name}.{kind}.max_notional": largest for name, kind in _KINDS}
    whole = Run(wired("btc_basis", free), steady(CALM, 1)).go()
    split = Run(wired("btc_basis", free | limits), steady(CALM, 1)).go()
    assert len(split.orders) > len(whole.orders)
    assert split.equity == pytest.approx(whole.equity, rel=1e-13)
    first, second = (-whole.quantity(key) for key in (SHORT_BINANCE, SHORT_BYBIT))
    parts = ((first + second, 2.0), (first, 3.0), (second, 3.0))
    paid = sum(base * 5.0 * (at_10k + math.log10(base * 5.0)) for base, at_10k in parts)
    assert 100_000.0 - split.equity == pytest.approx(paid, rel=1e-3), "bp of units of 10,000 are USDT"
