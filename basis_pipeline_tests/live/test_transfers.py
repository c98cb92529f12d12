"""Funds between exchanges in a live session: sent once, booked when they arrive, never assumed (R18, R41)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import StateError, SystemFailure
from basis_pipeline.engine.health import HealthState
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.operator import transfer_ended
from basis_pipeline_tests.fakes.server import Fault, Reply
from basis_pipeline_tests.live.faults import KilledError, dying
from basis_pipeline_tests.live.fleet import (
    MINUTE,
    THREE,
    Fleet,
    fleet,
    holds_what_the_venues_hold,
    is_entered,
    nothing_twice,
    said,
)

WITHDRAW = {"binance": "/capital/withdraw/apply", "bybit": "/asset/withdraw/create", "okx": "/asset/withdrawal"}
HISTORY = {"binance": "/withdraw/history", "bybit": "/withdraw/query-record", "okx": "/withdrawal-history"}


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path) as made:
        yield made


def test_the_first_loop_sends_funds_and_enters_when_they_have_arrived(there: Fleet) -> None:
    """Margins of 30% and 20% of a third of the capital, then a quantity bought and sold short in the same parts."""
    there.live_for(1)
    holds_what_the_venues_hold(there)
    assert [w.amount for w in there.network.withdrawals] == pytest.approx([10_000.0, 20_000.0 / 3], abs=1e-5)
    assert there.in_transit == pytest.approx(50_000.0 / 3, abs=1e-5)
    assert not there.books("binance").orders
    there.live_for(6)
    holds_what_the_venues_hold(there)
    is_entered(there)
    assert len(there.network.withdrawals) == 2


def test_equity_does_not_notice_that_funds_are_on_their_way(there: Fleet) -> None:
    """Only the fees: 2 USDT of withdrawals, then 0.1% of 66,500 bought and 0.05% sold short, 2 bp worse than asked."""
    there.live_for(8)
    states = list(LiveJournal(there.reading(), there.clock.wall).states())
    equity = [state.pnl.equity for state in states]
    assert equity[0] == 100_000.0
    assert equity[1:5] == pytest.approx([99_998.0] * 4)
    bought, sold = 1.33 * 50_000.0 * (0.001 + 0.0002), 1.33 * 50_000.0 * (0.0005 + 0.0002)
    assert equity[-1] == pytest.approx(99_998.0 - bought - sold, abs=0.1)


@pytest.mark.parametrize("source", THREE)
@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_withdrawal_whose_answer_is_lost_is_made_once(tmp_path: Path, source: str, phase: str) -> None:
    """Bybit's history does not tell our id: there the amount and the time do."""
    with fleet(tmp_path, usdt={source: 100_000.0}) as there:
        there.accounts[source].server.faults.append(Fault(WITHDRAW[source], "reset", phase))  # type: ignore[arg-type]
        there.live_for(10)
        holds_what_the_venues_hold(there)
        is_entered(there)
        assert len(there.network.withdrawals) == 2


@pytest.mark.parametrize("source", THREE)
def test_a_withdrawal_that_was_made_though_it_was_refused_is_found(tmp_path: Path, source: str) -> None:
    refusal = {
        "binance": Reply(400, {"code": -4026, "msg": "You have insufficient balance."}),
        "bybit": Reply(200, {"retCode": 131001, "retMsg": "no", "result": {}, "retExtInfo": {}, "time": 0}),
        "okx": Reply(200, {"code": "58207", "data": [], "msg": "Withdrawal failed due to address error"}),
    }[source]
    with fleet(tmp_path, usdt={source: 100_000.0}) as there:
        there.accounts[source].server.faults.append(Fault(WITHDRAW[source], "reply", "after", reply=refusal))
        there.live_for(8)
        holds_what_the_venues_hold(there)
        is_entered(there)
        assert len(there.network.withdrawals) == 2


def test_a_withdrawal_that_nobody_can_tell_of_ends_the_session_and_the_next_one_finds_it(there: Fleet) -> None:
    server = there.accounts["binance"].server
    server.faults.append(Fault(WITHDRAW["binance"], "reset", "after"))
    server.faults += [Fault(HISTORY["binance"], "reset", "before", method="GET")] * 80
    with pytest.raises(SystemFailure, match="fate of operation 1 at binance is not known"):
        there.live_for(10)
    server.faults.clear()
    there.live_for(10)
    holds_what_the_venues_hold(there)
    is_entered(there)


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("entry", range(1, 25))
def test_dying_at_any_entry_of_the_journal_moves_nothing_twice(there: Fleet, entry: int, after: bool) -> None:
    with pytest.raises(KilledError):
        there.live_for(8, database=dying(entry, after=after))
    there.live_for(10)
    holds_what_the_venues_hold(there)
    is_entered(there)
    assert len(there.network.withdrawals) == 2


@pytest.mark.slow
@pytest.mark.parametrize("entry", range(1, 17))
def test_dying_again_and_again_while_funds_are_on_their_way_loses_none(there: Fleet, entry: int) -> None:
    there.live_for(1)
    for _ in range(3):
        try:
            there.live_for(2, database=dying(entry, after=True))
        except KilledError:
            there.clock.sleep(30.0)
    there.live_for(10)
    holds_what_the_venues_hold(there)
    is_entered(there)
    assert len(there.network.withdrawals) == 2


def test_funds_that_arrive_while_no_session_runs_are_taken_in_by_the_next(there: Fleet) -> None:
    there.live_for(1)
    there.clock.sleep(3_600.0)
    assert there.in_transit == 0.0
    there.live_for(2)
    holds_what_the_venues_hold(there)
    is_entered(there)


def test_a_venue_that_lists_a_deposit_twice_is_believed_once(there: Fleet) -> None:
    there.network.mishaps += ["lists twice", "lists twice"]
    there.live_for(10)
    holds_what_the_venues_hold(there)
    is_entered(there)
    there.live_for(5)
    holds_what_the_venues_hold(there)


def test_a_withdrawal_that_comes_back_is_booked_back(there: Fleet) -> None:
    """Amount and fee; the plan for it can then not be carried, and is made again a day later."""
    there.network.mishaps.append("returns")
    there.live_for(8)
    holds_what_the_venues_hold(there)
    assert there.last_state.pnl.equity == pytest.approx(99_999.0), "one fee was paid, of the other withdrawal"
    assert "declined" in said(there)
    there.clock.sleep(86_400.0)
    there.live_for(10)
    holds_what_the_venues_hold(there)
    is_entered(there)


def test_less_than_was_sent_is_booked_as_it_came_and_nobody_explains_the_rest(there: Fleet) -> None:
    there.network.mishaps.append("shortens")
    there.live_for(10)
    holds_what_the_venues_hold(there)
    is_entered(there)
    assert "adjustment" in said(there) or "-7.5 USDT at bybit" in said(there)


def test_a_deposit_that_never_comes_is_reported_and_never_assumed(there: Fleet) -> None:
    there.network.mishaps.append("loses")
    session = there.live_for(150)
    assert session.engine is not None
    health = {part.component: part.state for part in session.engine.get_status().health.components}
    assert health["transit"] is HealthState.DEGRADED
    assert said(there).count("transfer overdue") == 1
    assert "10,000 USDT left binance at 2024-01-01T00:00:00Z as 1001" in said(there)
    holds_what_the_venues_hold(there)
    assert there.last_state.pnl.equity == pytest.approx(99_998.0)
    assert not there.books("binance").orders, "nothing is bought with funds that have not arrived"
    there.live_for(70)
    assert said(there).count("transfer overdue") == 3, "again by the next session, and an hour later"


@pytest.mark.parametrize(("came", "equity"), [(0.0, 89_998.0), (9_000.0, 98_998.0)])
def test_an_operator_says_what_came_of_funds_that_no_venue_tells_of(there: Fleet, came: float, equity: float) -> None:
    """Written off, or credited by hand: what is missing is a loss that nothing explains, and is booked once."""
    there.network.mishaps.append("loses")
    there.live_for(6)
    lost = next(entry.key for entry in there.entries(Kind.INTENT))
    there.books("bybit").spot["USDT"] += came
    assert "have arrived" in transfer_ended(there.path, f"{lost}={came}")
    there.live_for(1)
    assert there.last_state.positions["bybit:Receivable:USDT"].quantity == 0.0
    assert there.last_state.positions["bybit:BaseToken:USDT"].quantity == pytest.approx(came, abs=20.0)
    assert min(state.pnl.equity for state in there.states()) <= equity + 1e-6
    with pytest.raises(StateError, match=f"LIVE-005.*{lost} has ended already"):
        transfer_ended(there.path, f"{lost}={came}")
    with pytest.raises(StateError, match="no transfer 'nonsense'"):
        transfer_ended(there.path, "nonsense=1")


def test_late_funds_arrive_in_the_end(there: Fleet) -> None:
    there.network.mishaps.append("delays")
    there.live_for(170)
    holds_what_the_venues_hold(there)
    is_entered(there)
    assert "TRANSFER-004" in said(there)


def test_an_order_that_fails_in_the_middle_of_a_plan_is_made_good_at_the_next_tick(there: Fleet) -> None:
    """The second venue refuses its short: what was to come after it is skipped, and planned again from what is held."""
    no_margin = Reply(200, {"retCode": 110007, "retMsg": "no", "result": {}, "retExtInfo": {}, "time": 0})
    there.live_for(3)
    there.accounts["bybit"].server.faults.append(Fault("/order/create", "reply", "before", reply=no_margin))
    there.live_for(6)
    holds_what_the_venues_hold(there)
    is_entered(there)


def test_one_venue_without_prices_is_a_tick_without_trades_at_all(there: Fleet) -> None:
    session = there.session()
    session.start()
    there.accounts["okx"].server.faults.append(Fault("/market/ticker", "reset", "before", method="GET"))
    session.tick()
    assert session.skipped_ticks == 1
    assert not there.network.withdrawals
    nothing_twice(there)


def test_funding_is_booked_at_each_venue_by_itself(there: Fleet) -> None:
    there.live_for(6)
    paid = {name: account.books.pay_funding("BTCUSDT", 0.0001) for name, account in there.accounts.items()}
    there.live_for(2)
    holds_what_the_venues_hold(there)
    funding = [entry.key.partition(":")[0] for entry in there.entries(Kind.INCOME) if entry.key[:7] != "transit"]
    assert sorted(funding) == sorted(THREE)
    assert paid == pytest.approx({"binance": 3.325, "bybit": 1.995, "okx": 1.33}, rel=0.01)


def test_eth_basis_does_the_same(tmp_path: Path) -> None:
    with fleet(tmp_path, mode="eth_basis") as there:
        there.live_for(8)
        holds_what_the_venues_hold(there)
        shorts = [there.short(name) for name in there.accounts]
        assert shorts == pytest.approx([13.3, 7.98, 5.32], abs=0.06)


def test_margin_is_moved_to_where_a_short_has_lost_it_and_only_once(there: Fleet) -> None:
    """OKX alone marks 30% higher: its margin ratio falls to 0.2 / 1.3, all three together are far from trouble."""
    there.live_for(6)
    there.books("okx").set_price("BTC", 50_000.0, 65_000.0)
    session = there.session()
    session.run(until=there.clock.wall() + 2 * MINUTE)
    moved = there.network.withdrawals[2:]
    assert {w.address for w in moved} == {"0x0kx"}
    traded = sum(len(account.books.orders) for account in there.accounts.values())
    there.live_for(10)
    holds_what_the_venues_hold(there)
    assert there.network.withdrawals[2:] == moved, "nothing is sent again while it is on its way"
    assert sum(len(account.books.orders) for account in there.accounts.values()) == traded
    ratios = there.margin_ratios()
    assert ratios["bybit"] == pytest.approx(ratios["okx"], rel=0.02)
