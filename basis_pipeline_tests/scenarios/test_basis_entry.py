"""The first loop of a basis book: every cent of it, in the shipped configuration and in variants of it (G3; R57)."""

from __future__ import annotations

from math import log10
from typing import Any

import pytest

from basis_pipeline.domain.records import Category
from basis_pipeline_tests.builders import Moment, Run, at, frictionless, steady, wired

CALM = Moment(prices={"BTC": 50_000.0})
WALLET, BINANCE, BYBIT = (f"{venue}:BaseToken:USDT" for venue in ("wallet", "binance", "bybit"))
SPOT, SHORT_BINANCE, SHORT_BYBIT = "binance:BaseToken:BTC", "binance:Perp:BTCUSDT", "bybit:Perp:BTCUSDT"


def slip(basis_points_at_10k: float, notional: float) -> float:
    """Shipped curves rise by one basis point per decade between 10,000 and 100,000 USD."""
    return (basis_points_at_10k + log10(notional / 10_000.0)) * 1e-4


def test_the_shipped_entry_to_the_cent() -> None:
    """Deployable 99,500; 2/3 of it buys 1.32497 BTC, which is 794 + 529 lots of 0.001."""
    run = Run(wired("btc_basis"), steady(CALM, 1)).go()
    budget = 2 / 3 * 99_500.0
    quantity = budget / (50_000.0 * (1 + slip(2, budget)) * 1.001)
    assert (int(0.6 * quantity * 1_000), int(0.4 * quantity * 1_000)) == (794, 529)

    planned = 1.323 * 50_000.0
    purchases = planned * (1 + slip(2, planned)) * 1.001
    to_binance, to_bybit = 0.6 * 99_500.0 / 3 + purchases, 0.4 * 99_500.0 / 3
    assert run.quantity(WALLET) == pytest.approx(100_000.0 - to_binance - to_bybit - 2.0, abs=1e-9)

    spot_costs, short_costs = {}, {}
    for lots, fee in ((0.794, 5e-4), (0.529, 5.5e-4)):
        notional = lots * 50_000.0
        spot_costs[lots] = notional * (1 + slip(2, planned)) * 1.001  # half of a purchase pays what the whole one does
        short_costs[lots] = notional * (1 - slip(3, notional)) * fee
    assert run.quantity(BINANCE) == pytest.approx(to_binance - sum(spot_costs.values()) - short_costs[0.794], abs=1e-8)
    assert run.quantity(BYBIT) == pytest.approx(to_bybit - short_costs[0.529], abs=1e-9)
    assert run.entry(SHORT_BINANCE) == pytest.approx(50_000.0 * (1 - slip(3, 39_700.0)), rel=1e-15)
    assert run.entry(SHORT_BYBIT) == pytest.approx(50_000.0 * (1 - slip(3, 26_450.0)), rel=1e-15)

    shorts_below_market = sum(lots * 50_000.0 * slip(3, lots * 50_000.0) for lots in (0.794, 0.529))
    costs = 2.0 + sum(spot_costs.values()) - 1.323 * 50_000.0 + sum(short_costs.values()) + shorts_below_market
    assert run.equity == pytest.approx(100_000.0 - costs, abs=1e-8)
    assert run.cumulative[Category.TRANSACTION_COSTS] == pytest.approx(-costs, abs=1e-8)
    assert run.pnl.flow == 100_000.0
    assert run.pnl.cumulative == pytest.approx(-costs, abs=1e-8)


def test_cash_comes_first_and_spot_and_short_alternate() -> None:  # R3-R6
    run = Run(frictionless("btc_basis"), steady(CALM, 2)).go()
    assert run.orders_at(0) == [
        f"transfer 86200 {WALLET} -> {BINANCE}",
        f"transfer 13266.66667 {WALLET} -> {BYBIT}",
        f"spot_trade 0.796 {SPOT} buy",
        f"perp_trade 0.796 {SHORT_BINANCE} sell",
        f"spot_trade 0.53 {SPOT} buy",
        f"perp_trade 0.53 {SHORT_BYBIT} sell",
    ]
    assert run.orders_at(1) == [], "a calm market is no reason to trade"
    assert [order.operation_id for order in run.orders] == [1, 2, 3, 4, 5, 6]


def test_fills_refer_to_the_venues_own_price_and_marks_value_them() -> None:
    """Spot at binance 50,010; bybit's perp trades at 50,100 but is marked at 50,060 from the start.

    Selling 0.53 at 50,100 against a mark of 50,060 earns 21.20 at once, and buying 1.326 at 50,010 what is worth 50,000
    loses 13.26: both are basis, not cost.
    """
    moment = at(CALM, last={SPOT: 50_010.0, SHORT_BYBIT: 50_100.0}, mark={SHORT_BYBIT: 50_060.0})
    run = Run(frictionless("btc_basis"), [moment]).go()
    spot, short = run.quantity(SPOT), -run.quantity(SHORT_BYBIT)
    assert run.entry(SHORT_BYBIT) == 50_100.0
    assert run.step_pnl(Category.BASIS) == pytest.approx(short * 40.0 - spot * 10.0, abs=1e-9)
    assert run.step_pnl(Category.TRANSACTION_COSTS) == pytest.approx(0.0, abs=1e-9)
    assert run.equity == pytest.approx(100_000.0 + short * 40.0 - spot * 10.0, abs=1e-8)


def test_a_fee_in_the_base_token_is_bought_on_top_in_whole_lots() -> None:
    """0.1% of what is bought stays with the venue; the order is raised to lots so that the spot leg still arrives."""
    base = {"venues.binance.spot_fee_in": "base", "venues.binance.spot.taker_fee_bp": 10}
    run = Run(frictionless("btc_basis", base), steady(CALM, 3)).go()
    bought = [order.quantity for order in run.orders if order.slot == run.slot(SPOT)]
    assert bought == pytest.approx([0.79580, 0.53054], abs=1e-12)
    assert run.quantity(SPOT) == pytest.approx(sum(bought) * 0.999, rel=1e-14)
    shorts = -run.quantity(SHORT_BINANCE) - run.quantity(SHORT_BYBIT)
    assert 0.0 <= run.quantity(SPOT) - shorts < 2e-5
    assert run.equity == pytest.approx(100_000.0 - sum(bought) * 0.001 * 50_000.0, abs=1e-8)


def test_a_book_with_fees_in_the_base_token_can_be_sold_again() -> None:
    """Holdings that are no multiple of a lot leave less than a lot behind instead of a rejected order."""
    asked = {"venues.binance.spot_fee_in": "base", "flows": [{"at": "2024-01-01T02:00:00Z", "amount": -50_000.0}]}
    run = Run(wired("btc_basis", asked), steady(CALM, 5)).go()
    assert run.engine.settlements.withdrawals == ()
    assert abs(run.quantity(SPOT) + run.quantity(SHORT_BINANCE) + run.quantity(SHORT_BYBIT)) < 3e-5


@pytest.mark.parametrize("bars", [1, 2])
def test_funds_in_transit_are_a_receivable_and_trades_wait_for_them(bars: int) -> None:
    """Transfers leave at step 0 and arrive after `bars` steps; equity never blinks and nothing is bought before."""
    late: dict[str, Any] = {"venues.wallet.transfer_latency_bars": bars, "margin_ratio.derisk": 0.21}
    run = Run(frictionless("btc_basis", late), steady(CALM, bars + 2)).go(1)
    assert [line.split()[0] for line in run.orders_at(0)] == ["transfer", "transfer"]
    assert run.quantity("binance:Receivable:USDT") == pytest.approx(86_200.0)
    assert run.quantity(BINANCE) == 0.0
    run.go()
    assert run.quantity("binance:Receivable:USDT") == run.quantity("bybit:Receivable:USDT") == 0.0
    assert [line.split()[0] for line in run.orders_at(bars)] == ["spot_trade", "perp_trade"] * 2
    assert all(not run.orders_at(step) for step in range(1, bars + 2) if step != bars)
    assert [commit.exposure.equity for commit in run.engine.log.commits] == pytest.approx(
        [100_000.0] * len(run.engine.log.commits), abs=1e-8
    )
    assert run.engine.state().strategy.reference_equity == pytest.approx(100_000.0)
    assert run.engine.state().arrivals == ()


def test_a_plan_too_small_for_its_venue_is_declined_and_tried_again_after_2_percent_or_a_day() -> None:
    """100 USDT is 0.001 BTC: below binance's minimum of 100 USDT per perp order."""
    prices = [50_000.0] * 3 + [50_900.0] * 2 + [51_100.0] * 30
    run = Run(wired("btc_basis", {"initial_capital": 100.0}), [Moment(prices={"BTC": p}) for p in prices]).go()
    declined = [event.timestamp for event in run.engine.log.events if "declined" in event.message]
    assert [run.feed.timestamps.index(timestamp) for timestamp in declined] == [0, 5, 29]
    assert run.orders == []
    assert run.equity == 100.0


def test_orders_keep_to_the_lots_and_minimums_of_their_venues() -> None:
    """2,000 USDT: binance's share is 0.015 BTC, bybit's 0.010; no order is below 100 (binance) or 5 USDT (bybit)."""
    run = Run(frictionless("btc_basis", {"initial_capital": 2_000.0}), steady(CALM, 2)).go()
    assert run.quantity(SHORT_BINANCE) == pytest.approx(-0.015)
    assert run.quantity(SHORT_BYBIT) == pytest.approx(-0.010)
    assert run.quantity(SPOT) == pytest.approx(0.025)
