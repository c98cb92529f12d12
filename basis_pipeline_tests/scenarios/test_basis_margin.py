"""The margin band of a basis book: derisk, emergency, re-lever, rolls, levelling; by hand, without fees.

The book is that of `basis_book`.
"""

from __future__ import annotations

import pytest

from basis_pipeline.domain.events import RiskEvent
from basis_pipeline.domain.records import Category, RiskLevel
from basis_pipeline_tests.builders import Moment, Run, at, frictionless
from basis_pipeline_tests.scenarios.basis_book import (
    BINANCE,
    BYBIT,
    CALM,
    SHORT_BINANCE,
    held,
    jump,
)


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


def test_what_a_plan_only_passes_through_is_no_risk_event() -> None:
    """Between its legs an entry is all delta; only refreshes and closing records are reported."""
    run = jump(63_000.0)
    reported = [event for event in run.engine.log.events if isinstance(event, RiskEvent)]
    passed_through = [f.dimension for commit in run.engine.log.commits for f in commit.risk.findings]
    assert "delta_drift" in passed_through
    assert [{finding.dimension for finding in event.findings} for event in reported] == [{"margin_ratio"}, set()]
    assert [event.timestamp for event in reported] == run.feed.timestamps[1:2] * 2


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


def test_funding_beyond_the_cash_is_paid_from_open_profit() -> None:
    """After -50% binance holds 1,990 USDT and 0.716 x 25,000 of open profit; it is charged 6% of 39,800 = 2,388."""
    low = Moment(prices={"BTC": 25_000.0})
    charge = at(low, funding={"binance": -0.06, "bybit": -0.06})
    run = Run(frictionless("btc_basis"), [CALM, low, charge, low]).go(2)
    cash, entry = run.quantity(BINANCE), run.entry(SHORT_BINANCE)
    paid = 0.06 * 1.592 * 25_000.0
    assert cash < paid
    run.go()
    refreshed = next(c for c in run.engine.log.commits if c.timestamp == run.feed.timestamps[2])
    slot = run.slot(SHORT_BINANCE)
    assert refreshed.positions.quantities[slot] == -1.592
    assert refreshed.positions.entry_prices[slot] == pytest.approx(25_000.0, rel=1e-12)
    left = cash - paid + 1.592 * (entry - 25_000.0)
    assert refreshed.positions.quantities[run.slot(BINANCE)] == pytest.approx(left, abs=1e-7)
    assert refreshed.exposure.equity == pytest.approx(100_000.0 - 0.06 * 2.653 * 25_000.0, abs=1e-7)
    assert run.cumulative[Category.FUNDING] == pytest.approx(-0.06 * 2.653 * 25_000.0, rel=1e-12)
    assert run.cumulative[Category.RESIDUAL] == pytest.approx(0.0, abs=1e-7)


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


def test_sales_at_a_spot_venue_without_shorts_still_reach_the_margin_accounts() -> None:
    """Spot at okx, shorts at binance and bybit: what is sold at okx is the margin that an emergency needs."""
    run = jump(68_000.0, {"strategy.spot_venue": "okx"})
    assert run.ratio("binance") == pytest.approx(0.625, rel=3e-3)
    assert run.ratio("bybit") == pytest.approx(0.625, rel=3e-3)
    assert run.quantity("okx:BaseToken:USDT") == pytest.approx(0.0, abs=25.0)
