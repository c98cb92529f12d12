"""A session that dies at any entry of its journal goes on as if it had not (R41, R49, R52)."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.domain.errors import StateError, SystemFailure
from basis_pipeline.live_journal.database import Kind
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.fakes.accounts import EXCHANGES
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.server import Fault
from basis_pipeline_tests.live.faults import KilledError, dying, dying_at
from basis_pipeline_tests.live.stage import MINUTE, Stage, holds_what_the_venue_holds, stage


def is_entered(there: Stage) -> None:
    """Both legs once, whatever was planned again on the way: neutral to 0.2% (the fee of a purchase is kept in BTC)."""
    short = there.books.perps["BTCUSDT"][0]
    assert short == pytest.approx(-1.331, abs=0.002)
    assert there.books.spot["BTC"] == pytest.approx(-short, rel=2e-3)


@pytest.mark.parametrize("venue", EXCHANGES)
def test_on_every_exchange_a_session_enters_is_paid_funding_and_survives_a_lost_answer(
    tmp_path: Path, venue: str
) -> None:
    with stage(tmp_path, venue) as there:
        order = {"binance": "/order", "bybit": "/order/create", "okx": "/trade/order"}[venue]
        there.server.faults.append(Fault(order, "reset", "after"))
        there.session().run(until=START + 3 * MINUTE)
        paid = there.books.pay_funding("BTCUSDT", 0.0001)
        there.session().run(until=there.books.now + 2 * MINUTE)
        holds_what_the_venue_holds(there)
        is_entered(there)
        assert paid > 0.0 and len(there.books.orders) == 2


@pytest.mark.parametrize("venue", EXCHANGES)
def test_on_every_exchange_a_new_process_finds_an_order_that_left_no_reference(tmp_path: Path, venue: str) -> None:
    with stage(tmp_path, venue) as there:
        with pytest.raises(KilledError):
            there.session(database=dying_at(Kind.SENT, after=False)).run(until=START + MINUTE)
        there.session().run(until=there.books.now + 2 * MINUTE)
        holds_what_the_venue_holds(there)
        is_entered(there)


def test_the_first_session_enters_and_holds_what_the_venue_holds(there: Stage) -> None:
    session = there.session()
    session.run(until=START + 3 * MINUTE)
    holds_what_the_venue_holds(there)
    assert there.books.perps["BTCUSDT"][0] == -1.331
    assert len(there.books.orders) == 2, "one entry, then nothing to do"
    assert [entry.kind for entry in there.entries(Kind.INTENT, Kind.SENT, Kind.FACTS)] == [
        Kind.INTENT, Kind.SENT, Kind.FACTS
    ] * 2  # fmt: skip
    assert session.skipped_ticks == 0


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("entry", range(1, 16))
def test_dying_at_any_entry_loses_nothing_and_doubles_nothing(there: Stage, entry: int, after: bool) -> None:
    with pytest.raises(KilledError):
        there.session(database=dying(entry, after=after)).run(until=START + 3 * MINUTE)
    there.session().run(until=there.books.now + 2 * MINUTE)
    holds_what_the_venue_holds(there)
    is_entered(there)


@pytest.mark.slow
@pytest.mark.parametrize("entry", range(1, 16))
def test_dying_again_while_recovering_changes_nothing_about_it(there: Stage, entry: int) -> None:
    with pytest.raises(KilledError):
        there.session(database=dying(6, after=False)).run(until=START + 3 * MINUTE)
    try:
        there.session(database=dying(entry, after=True)).run(until=there.books.now + 2 * MINUTE)
    except KilledError:
        there.session().run(until=there.books.now + 2 * MINUTE)
    holds_what_the_venue_holds(there)
    is_entered(there)


def test_an_order_whose_fate_is_unknown_ends_the_session_and_the_next_one_finds_it(there: Stage) -> None:
    there.server.faults.append(Fault("/order", "reset", "after"))
    there.server.faults += [Fault("/order", "reset", "before", method="GET")] * 80
    with pytest.raises(SystemFailure, match="fate of operation 1 at binance is not known"):
        there.session().run(until=START + 10 * MINUTE)
    there.server.faults.clear()
    there.session().run(until=there.books.now + 2 * MINUTE)
    holds_what_the_venue_holds(there)
    is_entered(there)


def test_funding_is_booked_once_across_a_restart(there: Stage) -> None:
    paid: list[float] = []

    def pays_at_the_second_minute(books: FakeExchange) -> None:
        if books.now >= START + 2 * MINUTE and not paid:
            paid.append(books.pay_funding("BTCUSDT", 0.0001))

    there.clock.script = pays_at_the_second_minute
    there.session().run(until=START + 2 * MINUTE)
    with pytest.raises(KilledError):  # dies after booking the income, before the state that contains it
        there.session(database=dying(5, after=True)).run(until=START + 4 * MINUTE)
    there.session().run(until=there.books.now + 2 * MINUTE)
    holds_what_the_venue_holds(there)
    assert paid == [pytest.approx(1.331 * 50_000.0 * 0.0001)]


def test_a_gap_in_the_data_skips_the_tick_and_trades_nothing(there: Stage) -> None:
    there.session().run(until=START + MINUTE)
    before = len(there.books.orders)
    session = there.session()
    session.start()
    there.server.faults += [Fault("/ticker/24hr", "reset", "before", method="GET")]
    session.tick()
    assert session.skipped_ticks == 1
    assert len(there.books.orders) == before
    session.tick()
    holds_what_the_venue_holds(there)


def test_a_session_without_a_completed_tick_for_too_long_fails(there: Stage) -> None:
    there.options = {"heartbeat": 150.0}
    session = there.session()
    session.start()
    there.server.faults += [Fault("/ticker/24hr", "reset", "before", method="GET")] * 3
    for _ in range(2):
        there.books.now += MINUTE
        session.tick()
    there.books.now += MINUTE
    with pytest.raises(SystemFailure, match="no tick was completed for 180 s"):
        session.tick()


def test_a_small_difference_is_adjusted_on_the_record(there: Stage) -> None:
    there.session().run(until=START + MINUTE)
    there.books.spot["USDT"] -= 20.0
    there.session().run(until=there.books.now + MINUTE)
    holds_what_the_venue_holds(there)
    notes = [entry.payload.decode() for entry in there.entries(Kind.ACTION)]
    assert any("adjusted to the venues" in note and "binance:BaseToken:USDT" in note for note in notes)


def test_a_large_difference_is_refused_until_somebody_has_looked(there: Stage) -> None:
    there.session().run(until=START + MINUTE)
    there.books.spot["USDT"] -= 5_000.0
    with pytest.raises(StateError, match=r"LIVE-001.*binance:BaseToken:USDT.*worth 5,000\.00.*--acknowledge"):
        there.session().run(until=there.books.now + MINUTE)
    assert len(there.books.orders) == 2, "nothing is traded on a book that is in doubt"
    there.session(acknowledged=True).run(until=there.books.now + MINUTE)
    holds_what_the_venue_holds(there)


def test_a_new_record_does_not_begin_on_open_perps(there: Stage) -> None:
    there.books.margin["USDT"] = 50_000.0
    there.books.place(there.books.market("BTCUSDT", perp=True), "mine", buy=False, quantity=0.1)
    with pytest.raises(StateError, match=r"LIVE-002.*binance:Perp:BTCUSDT"):
        there.session().run(until=START + MINUTE)


def test_a_stop_takes_effect_between_orders(there: Stage) -> None:
    session = there.session()

    def stop_after_the_first_order(books: FakeExchange) -> None:
        if len(books.orders) == 1:
            session.stop("asked to by an operator")

    there.clock.script = stop_after_the_first_order
    session.run(until=START + 10 * MINUTE)
    assert len(there.books.orders) == 1
    holds_what_the_venue_holds(there)
    there.clock.script = lambda books: None
    there.session().run(until=there.books.now + 2 * MINUTE)
    holds_what_the_venue_holds(there)
    is_entered(there)
