"""Margin, flows, stops and repairs of a basis book, each worked by hand without fees so that equity is conserved.

The book at 50,000: deployable 99,500, spot 1.326 = shorts 0.796 (binance) + 0.530 (bybit), margin 33,166.67, ratio .5.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.events import RiskEvent, SettlementEvent, Severity
from basis_pipeline.domain.records import Category, RiskLevel
from basis_pipeline.domain.state import PositionState
from basis_pipeline_tests.builders import Moment, Run, at, frictionless, path, steady

CALM = Moment(prices={"BTC": 50_000.0})
WALLET, BINANCE, BYBIT = (f"{venue}:BaseToken:USDT" for venue in ("wallet", "binance", "bybit"))
SPOT, SHORT_BINANCE, SHORT_BYBIT = "binance:BaseToken:BTC", "binance:Perp:BTCUSDT", "bybit:Perp:BTCUSDT"


def jump(price: float, overrides: dict[str, Any] | None = None, **rest: Any) -> Run:
    """Enter at 50,000, then the price jumps and stays."""
    far = Moment(prices={"BTC": price}, **rest)
    return Run(frictionless("btc_basis", overrides), [CALM, far, far]).go()


def held(run: Run) -> list[float]:
    return [run.quantity(key) for key in (SPOT, SHORT_BINANCE, SHORT_BYBIT)]


def test_below_derisk_spot_is_sold_and_shorts_covered_to_the_sized_ratio() -> None:
    """+26%: ratio .24/1.26 = .19. Restored: 2/3 x 99,500 / 63,000 = 1.0529 BTC = 631 + 421 lots."""
    run = jump(63_000.0)
    assert run.reasons[1].startswith("exit_partial: margin ratio 0.1")
    assert held(run) == pytest.approx([1.052, -0.631, -0.421])
    assert run.ratio("binance") == pytest.approx(0.5, rel=3e-3)
    assert run.ratio("bybit") == pytest.approx(0.5, rel=3e-3)
    assert run.equity == pytest.approx(100_000.0, abs=1e-7)
    assert run.orders_at(2) == []


def test_an_emergency_restores_a_quarter_more_than_the_sized_ratio() -> None:
    """+36%: ratio .14/1.36 = .10. To 1.25 x .5 = .625: s = 1/1.625; 0.61538 x 99,500 / 68,000 = 0.9005 = 540 + 360."""
    run = jump(68_000.0)
    assert run.reasons[1].startswith("exit_partial: emergency, margin ratio 0.1")
    assert held(run) == pytest.approx([0.900, -0.540, -0.360])
    assert run.ratio("binance") == pytest.approx(0.625, rel=3e-3)
    levels = [commit.risk.level for commit in run.engine.log.commits]
    assert max(levels) is RiskLevel.CRITICAL
    assert run.engine.state().strategy.halted == "", "an emergency is no halt"


def test_between_warn_and_derisk_nothing_is_done_but_said() -> None:
    """+22%: ratio .28/1.22 = .23, below warn .25 and above derisk .20."""
    run = jump(61_000.0)
    assert run.orders_at(1) == run.orders_at(2) == []
    later = [event for event in run.engine.log.events if event.timestamp > run.feed.timestamps[0]]
    reported = [event for event in later if isinstance(event, RiskEvent)]
    assert len(reported) == 1, "the change is an event, its persistence is not"
    found = {finding.venue: finding for finding in reported[0].findings}
    assert found.keys() == {"binance", "bybit"}
    assert all(f.level is RiskLevel.WARNING and f.limit == 0.25 for f in found.values())
    assert found["bybit"].value == pytest.approx((0.4 * 99_500 / 3 - 0.53 * 11_000) / (0.53 * 61_000))


def test_above_relever_spot_and_shorts_are_added() -> None:
    """-20%: ratio .7/.8 = .875 > .8. Restored: 66,333.33 / 40,000 = 1.6583 = 995 + 663 lots, paid from cash alone."""
    run = jump(40_000.0)
    assert run.reasons[1].startswith("entry_partial: margin ratio 0.87")
    assert held(run) == pytest.approx([1.658, -0.995, -0.663])
    assert all("roll" not in line for line in run.orders_at(1))
    assert run.ratio("bybit") == pytest.approx(0.5, rel=3e-3)
    assert run.equity == pytest.approx(100_000.0, abs=1e-7)


def test_profit_is_rolled_into_cash_where_the_floor_would_be_broken() -> None:
    """-50%: unrealised profit 25,000 per BTC is no cash. At binance: margin 19,900 - 0.796 x 25,000 = 0 planned cash,
    floor 5% of 1.592 x 25,000 = 1,990, so 1,990 / 25,000 -> 0.080 BTC are closed and reopened.
    """
    run = jump(25_000.0)
    rolls = [line for line in run.orders_at(1) if line.endswith("roll")]
    assert rolls[:2] == [f"perp_trade 0.08 {SHORT_BINANCE} buy roll", f"perp_trade 0.08 {SHORT_BINANCE} sell roll"]
    assert held(run) == pytest.approx([2.653, -1.592, -1.061])
    assert run.quantity(BINANCE) >= 0.05 * 1.592 * 25_000.0 - 1.0
    assert run.equity == pytest.approx(100_000.0, abs=1e-7)
    assert run.ratio("binance") == pytest.approx(0.5, rel=3e-3)


def test_cash_is_levelled_where_that_lifts_every_venue_to_warn() -> None:
    """binance marks its perp at 62,700 while all else is at 55,000: .196 there, .364 at bybit, .258 together."""
    mark = {SHORT_BINANCE: 62_700.0}
    run = jump(55_000.0, mark=mark, last=mark, high=mark, low=mark)
    balances = 0.6 * 99_500 / 3 - 0.796 * 12_700 + 0.4 * 99_500 / 3 - 0.53 * 5_000
    together = balances / (0.796 * 62_700 + 0.53 * 55_000)
    assert together == pytest.approx(0.2581, abs=1e-4)
    (line,) = run.orders_at(1)
    assert line.startswith("transfer")
    assert line.endswith(f"{BYBIT} -> {BINANCE}")
    assert run.ratio("binance") == pytest.approx(together, rel=1e-9)
    assert run.ratio("bybit") == pytest.approx(together, rel=1e-9)


def test_the_split_is_restored_where_levelling_would_not_be_enough() -> None:
    """The same mark at 57,500: together .239, below warn."""
    mark = {SHORT_BINANCE: 62_700.0}
    run = jump(57_500.0, mark=mark, last=mark, high=mark, low=mark)
    assert {line.split()[0] for line in run.orders_at(1)} == {"spot_trade", "perp_trade", "transfer"}


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


def test_a_static_book_is_liquidated_where_a_managed_one_survives() -> None:  # M11
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


def flows(*pairs: tuple[str, float]) -> dict[str, Any]:
    return {"flows": [{"at": f"2024-01-01T{time}Z", "amount": amount} for time, amount in pairs]}


def test_a_deposit_enlarges_both_legs() -> None:
    """110,000: 2/3 x 109,450 / 50,000 = 1.4593 = 875 + 583 lots."""
    run = Run(frictionless("btc_basis", flows(("02:00:00", 10_000.0))), steady(CALM, 4)).go()
    assert held(run) == pytest.approx([1.458, -0.875, -0.583])
    assert run.pnl.cumulative == pytest.approx(0.0, abs=1e-7)
    assert run.equity == pytest.approx(110_000.0, abs=1e-7)
    assert run.quantity(WALLET) >= 550.0


def test_a_withdrawal_takes_free_cash_first_and_the_rest_after_unwinding() -> None:
    """10,000 asked: the wallet's 533.33 at once, the rest one step later; 90,000 stay deployed: 716 + 477 lots."""
    run = Run(frictionless("btc_basis", flows(("02:00:00", -10_000.0))), steady(CALM, 5)).go()
    paid = [commit.pnl.flow for commit in run.engine.log.closing_commits]
    free = 100_000.0 - 99_500.0 / 3 - 1.326 * 50_000.0
    assert paid == pytest.approx([100_000.0, 0.0, -free, -(10_000.0 - free), 0.0], abs=1e-7)
    assert held(run) == pytest.approx([1.193, -0.716, -0.477])
    assert run.equity == pytest.approx(90_000.0, abs=1e-7)
    assert run.engine.settlements.withdrawals == ()
    assert run.quantity(WALLET) >= 449.0


def test_a_withdrawal_of_more_than_there_is_empties_the_book_and_stays_pending() -> None:
    run = Run(frictionless("btc_basis", flows(("02:00:00", -150_000.0))), steady(CALM, 8)).go()
    assert held(run) == [0.0, 0.0, 0.0]
    assert run.equity == pytest.approx(0.0, abs=1e-6)
    assert run.engine.settlements.pending_withdrawal == pytest.approx(50_000.0, abs=1e-6)
    assert run.pnl.cumulative == pytest.approx(0.0, abs=1e-6)


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


def test_sales_at_a_spot_venue_without_shorts_still_reach_the_margin_accounts() -> None:
    """Spot at okx, shorts at binance and bybit: what is sold at okx is the margin that an emergency needs."""
    run = jump(68_000.0, {"strategy.spot_venue": "okx"})
    assert run.ratio("binance") == pytest.approx(0.625, rel=3e-3)
    assert run.ratio("bybit") == pytest.approx(0.625, rel=3e-3)
    assert run.quantity("okx:BaseToken:USDT") == pytest.approx(0.0, abs=25.0)


def test_an_exit_brings_everything_home_from_every_venue() -> None:
    charge = at(CALM, funding={"binance": -0.3, "bybit": -0.3})
    run = Run(frictionless("btc_basis", {"strategy.spot_venue": "okx"}), [CALM, charge, CALM]).go()
    assert run.quantity(WALLET) == pytest.approx(run.equity, abs=1e-7)


def test_a_book_that_was_emptied_is_entered_again_by_the_next_deposit() -> None:
    """Everything leaves to the last cent, so that no reference is left to measure a deviation from."""
    asked = flows(("02:00:00", -100_000.0), ("06:00:00", 50_000.0))
    run = Run(frictionless("btc_basis", asked), steady(CALM, 10)).go(6)
    assert run.equity == pytest.approx(0.0, abs=1e-9)
    run.go()
    assert run.reasons[-1] == "entry_full: no position yet"
    assert held(run) == pytest.approx([0.663, -0.398, -0.265], abs=1.1e-3)
    assert run.equity == pytest.approx(50_000.0, abs=1e-7)
