"""Each order reaches the exchange at most once and its fate is found, whatever happens in between (R35, R36)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus, Operation, Order, Side
from basis_pipeline.domain.protocols import SettlementKind
from basis_pipeline.engine.position_monitor import PositionMonitor
from basis_pipeline.engine.reconciliation import check_conservation
from basis_pipeline_tests.builders import START, snapshot
from basis_pipeline_tests.fakes.server import Fault, Reply
from basis_pipeline_tests.venues.live_bench import KEY, SECRET, Bench, bench
from basis_pipeline_tests.venues.test_simulated import CASH, MOMENT, SETTINGS, SHORT, SPOT, book, order

MARKET = snapshot(SETTINGS, START, MOMENT)
BUY = order(Operation.SPOT_TRADE, SPOT, 0.5, Side.BUY)
SELL_SHORT = order(Operation.PERP_TRADE, SHORT, 0.5, Side.SELL)
BUSY = Reply(503, {"code": -1008, "msg": "Server is currently overloaded with other requests."})
STORM = Reply(429, {"code": -1003, "msg": "Too many requests."}, {"Retry-After": "1"})
UNKNOWN = Reply(500, {"code": -1007, "msg": "Timeout waiting for response from backend server."})
FUNDED = book(cash=150_000.0)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


def check(bench: Bench, what: Order, answer: ExecutionHandshake) -> None:
    """The answer books to exactly what the exchange holds."""
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    after = PositionMonitor(SETTINGS.universe, FUNDED, 0).update_state(START, answer.deltas, what.operation_id)
    check_conservation(answer, FUNDED, after, MARKET, SETTINGS)
    held = bench.venue.positions(after)
    assert {slot: after.quantities[slot] for slot in held} == pytest.approx(held, abs=1e-8)


@pytest.mark.parametrize("what", [BUY, SELL_SHORT], ids=["spot", "perp"])
def test_a_fill_books_to_what_the_exchange_then_holds(there: Bench, what: Order) -> None:
    answer = there.venue.execute(what, FUNDED, MARKET)
    check(there, what, answer)
    assert there.sent(what) == 1
    assert there.journal.open_intents() == ()
    assert not answer.simulated


def test_by_hand_buying_half_a_bitcoin(there: Bench) -> None:
    """50,000 x 1.0002 = 50,010; 25,005 paid; 0.001 x 0.5 BTC of fee."""
    answer = there.venue.execute(BUY, FUNDED, MARKET)
    amounts = {delta.slot: delta.amount for delta in answer.deltas}
    assert amounts == {SPOT: pytest.approx(0.4995), CASH: pytest.approx(-25_005.0)}
    assert (answer.price, answer.filled) == (pytest.approx(50_010.0), 0.5)
    assert answer.fee == pytest.approx(25.005)
    assert answer.slippage == pytest.approx(0.4995 * 10.0)


TROUBLES = {
    "no answer, executed": Fault("/order", "silence", "after"),
    "no answer, never seen": Fault("/order", "silence", "before"),
    "connection reset, executed": Fault("/order", "reset", "after"),
    "connection reset, never seen": Fault("/order", "reset", "before"),
    "overloaded, executed": Fault("/order", "reply", "after", reply=BUSY),
    "overloaded, never seen": Fault("/order", "reply", "before", reply=BUSY),
    "backend timeout, executed": Fault("/order", "reply", "after", reply=UNKNOWN),
    "rate limit, never seen": Fault("/order", "reply", "before", reply=STORM),
    "a lying refusal, executed": Fault("/order", "reply", "after", reply=Reply(400, {"code": -2010, "msg": "no"})),
    "nonsense, executed": Fault("/order", "reply", "after", reply=Reply(200, {"unexpected": "shape"})),
}


@pytest.mark.parametrize("what", [BUY, SELL_SHORT], ids=["spot", "perp"])
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_whatever_happens_to_the_answer_nothing_is_sent_twice_and_the_fate_is_found(
    there: Bench, trouble: Fault, what: Order
) -> None:
    there.server.faults.append(trouble)
    answer = there.venue.execute(what, FUNDED, MARKET)
    assert len(there.server.requests("/order")) == 1, "one order was sent, whatever came back"
    if trouble.phase == "after":
        assert there.sent(what) == 1
        check(there, what, answer)
    else:
        assert there.sent(what) == 0
        assert answer.status is HandshakeStatus.FAILED
        assert answer.error_code == "VEN-006"
        assert there.clock.time > 1_000.0 + 10.0, "an order may arrive until its receive window has passed"
    assert there.journal.open_intents() == ()


def test_an_exchange_that_stays_silent_leaves_the_intent_open_for_the_next_session(there: Bench) -> None:
    there.server.faults.append(Fault("/order", "silence", "after"))
    there.server.faults += [Fault("/order", "reset", "before", method="GET")] * 60
    answer = there.venue.execute(BUY, FUNDED, MARKET)
    assert answer.status is HandshakeStatus.PENDING
    assert there.clock.time <= 1_000.0 + 120.0
    there.server.faults.clear()
    later = there.again()
    (left,) = later.journal.open_intents()
    facts = later.venue.resolve(left)
    assert facts is not None and facts.filled == 0.5
    assert there.sent(BUY) == 1
    assert later.journal.open_intents() == ()
    assert [settled.facts for settled in later.journal.settled_after(6)] == [facts]


def test_a_late_fill_is_waited_for(there: Bench) -> None:
    there.books.late_polls.append(3)
    check(there, BUY, there.venue.execute(BUY, FUNDED, MARKET))
    assert there.clock.sleeps[:3] == [0.0, 1.0, 2.0]


def test_a_partial_fill_is_confirmed_with_what_was_filled(there: Bench) -> None:
    there.books.fill_fraction.append(0.25)
    answer = there.venue.execute(SELL_SHORT, FUNDED, MARKET)
    assert (answer.status, answer.filled) == (HandshakeStatus.CONFIRMED, 0.125)
    check(there, SELL_SHORT, answer)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (order(Operation.SPOT_TRADE, SPOT, 50.0, Side.BUY), "balance"),
        (order(Operation.PERP_TRADE, SHORT, 0.1, Side.BUY, reduce_only=True), "ReduceOnly"),
    ],
    ids=["more than there is", "nothing to reduce"],
)
def test_what_the_exchange_refuses_has_its_words_and_changes_nothing(there: Bench, what: Order, reason: str) -> None:
    answer = there.venue.execute(what, FUNDED, MARKET)
    assert answer.status is HandshakeStatus.FAILED
    assert reason in answer.error_message
    assert (dict(there.books.spot), there.books.perps) == ({"USDT": 100_000.0}, {})


def test_too_small_and_too_large_orders_are_not_even_sent(there: Bench) -> None:
    small = there.venue.execute(order(Operation.PERP_TRADE, SHORT, 0.0015, Side.SELL), FUNDED, MARKET)
    assert (small.status, small.error_code) == (HandshakeStatus.FAILED, "EXEC-010")
    large = there.venue.execute(order(Operation.PERP_TRADE, SHORT, 50_000.0, Side.SELL), FUNDED, MARKET)
    assert large.error_code == "EXEC-014" and "MAX_TRADE_SIZE_USD" not in large.error_message
    assert there.server.requests("/order") == []


def test_cash_is_moved_between_wallets_of_the_account_and_the_book_sees_one_cash(tmp_path: Path) -> None:
    with bench(tmp_path, usdt=1_000.0, margin=60_000.0) as there:
        answer = there.venue.execute(BUY, book(cash=61_000.0), MARKET)
        assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
        assert there.venue.positions(FUNDED)[CASH] == pytest.approx(61_000.0 - 25_005.0)
        assert len(there.server.requests("/transfer")) == 1


def test_funding_is_booked_once_and_equals_the_exchange(there: Bench) -> None:
    there.venue.execute(SELL_SHORT, FUNDED, MARKET)
    paid = there.books.pay_funding("BTCUSDT", 0.0001)
    held = book(cash=150_000.0, short=-0.5)
    (delta,) = there.venue.settle(SettlementKind.FUNDING, held, MARKET)
    assert (delta.slot, delta.source, delta.amount) == (CASH, DeltaSource.FUNDING, paid)
    assert paid == pytest.approx(0.5 * 50_000.0 * 0.0001)


def test_a_page_of_income_is_not_the_end_of_it(there: Bench) -> None:
    there.venue.execute(SELL_SHORT, FUNDED, MARKET)
    paid = 0.0
    for _ in range(250):
        there.books.now += 1_000
        paid += there.books.pay_funding("BTCUSDT", 0.0001)
    later = snapshot(SETTINGS, there.books.now, MOMENT)
    deltas = there.venue.settle(SettlementKind.FUNDING, book(cash=1.0, short=-0.5), later)
    assert len(deltas) == 250
    assert sum(delta.amount for delta in deltas) == pytest.approx(paid)


def test_expired_credentials_are_one_clear_refusal_without_the_secret(there: Bench) -> None:
    there.skin.expired = True
    answer = there.venue.execute(BUY, FUNDED, MARKET)
    assert answer.status is HandshakeStatus.FAILED
    assert "Invalid API-key" in answer.error_message
    assert SECRET not in repr(answer) and KEY not in repr(answer)
    assert there.sent(BUY) == 0
