"""The journal loses nothing that it said it has, and never holds the same decision twice (R41)."""

from __future__ import annotations

import itertools
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import StateError, StorageError
from basis_pipeline.domain.intents import Booking, Facts, Fate, Intent, IntentJournal
from basis_pipeline.domain.orders import Action, Operation, Order, Side
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline_tests.builders import Run, steady, wired
from basis_pipeline_tests.engine.faulty import CALM
from basis_pipeline_tests.live.faults import full_at

OWNER = "btc_basis@dev"


def journal(path: Path, owner: str = OWNER) -> LiveJournal:
    ticks = itertools.count(1)
    return LiveJournal.open(path, belongs_to=owner, now=lambda: next(ticks))


def intent(book: LiveJournal, operation_id: int) -> Intent:
    order = Order(
        venue="binance",
        operation=Operation.SPOT_TRADE,
        slot=1,
        counter_slot=0,
        quantity=0.25,
        action=Action.ENTRY_FULL,
        side=Side.BUY,
        operation_id=operation_id,
    )
    return Intent(intent_id=book.next_id(operation_id), timestamp=60_000_000, order=order)


BOUGHT = Facts(
    fate=Fate.EXECUTED,
    reference="42",
    executed_at=60_000_001,
    filled=0.25,
    price=100.0,
    fee=0.025,
    fee_token="USDT",
    bookings=(Booking("binance:BaseToken:BTC", 0.25), Booking("binance:BaseToken:USDT", -25.025)),
)


def test_an_intent_stays_open_until_its_fate_is_known(tmp_path: Path) -> None:
    book: LiveJournal = journal(tmp_path / "journal.sqlite")
    as_seen_by_venues: IntentJournal = book
    first, second = intent(book, 7), intent(book, 8)
    as_seen_by_venues.intend(first)
    as_seen_by_venues.intend(second)
    as_seen_by_venues.sent(second.intent_id, "0xabc")
    assert [(i.intent, i.reference) for i in book.open_intents()] == [(first, ""), (second, "0xabc")]
    as_seen_by_venues.settle(first.intent_id, BOUGHT)
    assert [i.intent for i in book.open_intents()] == [second]
    assert [(s.intent, s.facts) for s in book.settled_after(6)] == [(first, BOUGHT)]
    assert book.settled_after(7) == ()
    assert book.last_operation == 8


def test_everything_is_there_after_reopening_and_ids_stay_the_same(tmp_path: Path) -> None:
    book = journal(tmp_path / "journal.sqlite")
    book.intend(intent(book, 7))
    book.close()
    again = journal(tmp_path / "journal.sqlite")
    assert again.next_id(7) == book.next_id(7)
    assert [i.intent.order.operation_id for i in again.open_intents()] == [7]


def test_ids_are_short_alphanumeric_and_differ_between_journals(tmp_path: Path) -> None:
    one, other = journal(tmp_path / "one.sqlite"), journal(tmp_path / "other.sqlite")
    largest = one.next_id(2**63 - 1)
    assert len(largest) <= 32 and largest.isalnum()
    assert one.next_id(1) != other.next_id(1)


def test_the_same_intent_is_refused_the_second_time(tmp_path: Path) -> None:
    book = journal(tmp_path / "journal.sqlite")
    book.intend(intent(book, 7))
    with pytest.raises(StateError, match=r"JOURNAL-002.*must not be sent again"):
        book.intend(intent(book, 7))


def test_a_fate_may_be_told_twice_but_not_differently(tmp_path: Path) -> None:
    book = journal(tmp_path / "journal.sqlite")
    asked = intent(book, 7)
    book.intend(asked)
    book.settle(asked.intent_id, BOUGHT)
    book.settle(asked.intent_id, BOUGHT)
    assert len(list(book.entries(Kind.FACTS))) == 1
    with pytest.raises(StateError, match="JOURNAL-003"):
        book.settle(asked.intent_id, Facts(fate=Fate.REJECTED))


def test_a_line_of_income_is_booked_by_the_state_saved_after_it(tmp_path: Path) -> None:
    book, run = journal(tmp_path / "journal.sqlite"), Run(wired("btc_basis"), steady(CALM, 2)).go(1)
    assert book.income("binance", "funding-1", b"{}")
    assert book.income("binance", "funding-1", b"{}"), "the tick died before its state was saved: book it again"
    book.save_state(run.engine.state(), b"tick")
    assert not book.income("binance", "funding-1", b"{}")
    assert book.income("bybit", "funding-1", b"{}")
    assert len(list(book.entries(Kind.INCOME))) == 2


def test_a_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    book, run = journal(tmp_path / "journal.sqlite"), Run(wired("btc_basis"), steady(CALM, 2)).go(2)
    assert book.last_state() is None
    book.save_state(run.engine.state(), b"tick")
    assert book.last_state() == run.engine.state()
    assert [state.timestamp for state in book.states()] == [run.engine.current_timestamp]


def test_a_state_and_its_record_are_written_both_or_neither(tmp_path: Path) -> None:
    run, path = Run(wired("btc_basis"), steady(CALM, 2)).go(1), tmp_path / "journal.sqlite"
    full = LiveJournal(full_at(Kind.STATE).open(path, belongs_to=OWNER), lambda: 0)
    with pytest.raises(StorageError, match="full"):
        full.save_state(run.engine.state(), b"tick")
    full.close()
    book = journal(path)
    assert list(book.entries()) == []
    book.save_state(run.engine.state(), b"tick")
    assert [entry.kind for entry in book.entries()] == [Kind.TICK, Kind.STATE]


@pytest.mark.parametrize("statement", ["update entries set key = 'x'", "delete from entries"])
def test_entries_cannot_be_changed_or_deleted(tmp_path: Path, statement: str) -> None:
    book = journal(tmp_path / "journal.sqlite")
    book.intend(intent(book, 7))
    with (
        sqlite3.connect(tmp_path / "journal.sqlite") as other,
        pytest.raises(sqlite3.IntegrityError, match="only grows"),
    ):
        other.execute(statement)
    other.close()


def test_a_journal_of_another_mode_or_environment_is_refused(tmp_path: Path) -> None:
    journal(tmp_path / "journal.sqlite").close()
    with pytest.raises(StateError, match=r"btc_basis@dev, not of btc_basis@prod"):
        journal(tmp_path / "journal.sqlite", "btc_basis@prod")


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    with pytest.raises(StorageError, match=r"journal\.sqlite"):
        journal(tmp_path / "journal.sqlite")
    with pytest.raises(StateError, match="basis live MODE"):
        JournalDatabase.read(tmp_path / "absent.sqlite")


def test_a_full_disk_stops_before_anything_could_be_sent(tmp_path: Path) -> None:
    book = journal(tmp_path / "journal.sqlite")
    book._database._connection.execute("pragma max_page_count = 12")
    with pytest.raises(StorageError, match=r"full.*free disk space"):
        for operation_id in range(1, 1000):
            book.intend(intent(book, operation_id))
    kept = [entry.key for entry in book.entries(Kind.INTENT)]
    assert kept == [book.next_id(n) for n in range(1, len(kept) + 1)]


WRITER = """
import sys
from pathlib import Path
from basis_pipeline.live_journal.database import JournalDatabase, Kind
journal = JournalDatabase.open(Path(sys.argv[1]), belongs_to="btc_basis@dev")
for number in range(1_000_000):
    journal.append(number, Kind.INTENT, str(number), b"x" * 400)
    print(number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 7, 50, 201])
def test_what_was_acknowledged_survives_sigkill(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "journal.sqlite"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [int(next(writer.stdout)) for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]
    found = [int(entry.key) for entry in JournalDatabase.open(path, belongs_to=OWNER).entries()]
    assert found[: len(acknowledged)] == acknowledged
    assert len(found) <= len(acknowledged) + 1
