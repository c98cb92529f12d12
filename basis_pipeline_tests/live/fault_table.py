"""Makes every fault happen to a live session and writes what came of it: `make live-faults` gives docs/live-faults.md.

Times are market time: a clock that moves only by waiting, so that the page is the same wherever it is made.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from basis_pipeline.domain.errors import BasisError, StateError, SystemFailure
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.live_journal.halts import Halt
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.operator import acknowledge, lift_emergency_stop
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.live.faults import CASES, Case, KilledError
from basis_pipeline_tests.live.stage import MINUTE, Stage, holds_what_the_venue_holds, stage

_SUPERVISOR = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds before a session that failed is started again; the last one repeats."""
_HEAD = """# What a live session does when things go wrong

Made by `make live-faults`: the real engine, journal and client library against fake exchanges, each fault made to
happen while `btc_basis` takes its positions (100,000 USDT), while a session holds them, or between two sessions. A
session that fails is started again, as by a supervisor; one that holds positions is watched for three minutes, the
fault comes in the second. Lost: USDT by which book and venue differ in the end. Doubled: intents that were executed
twice. Recovered: market time until the book is complete, equal to the venue, and may be traded; 60 s (or 180 s)
where nothing goes wrong. What an interrupted plan has left over is planned anew, so that a row may have more than two
orders. As a Dagster job a session is started again three times in a row at most, and then waits for a person.

| fault | restarts | operator | ticks skipped | orders | lost | doubled | recovered |
|---|---:|---|---:|---:|---:|---:|---:|
"""


class Row(NamedTuple):
    """Counts; `lost` is in USDT, `seconds` in market time."""

    restarts: int
    operator: bool
    skipped: int
    orders: int
    lost: float
    doubled: int
    seconds: float

    def line(self, fault: str) -> str:
        asked = "yes" if self.operator else ""
        return (
            f"| {fault} | {self.restarts} | {asked} | {self.skipped} | {self.orders} | {self.lost:.2f} | "
            f"{self.doubled} | {self.seconds:.0f} s |"
        )


def suffer(case: Case, folder: Path) -> Row:
    """Let one fault happen; AssertionError if the book does not come back whole."""
    with stage(folder, case.venue) as there:
        if case.when != "entering":
            there.session().run(until=START + 2 * MINUTE)
        began = there.books.now
        if case.when == "holding":
            _strike_at(there, case, began + MINUTE)
        else:
            there.clock.script = case.during
            case.strikes(there)
        row = _recover(there, case, began)
        holds_what_the_venue_holds(there)
        return row


def _strike_at(there: Stage, case: Case, moment: int) -> None:
    """The fault comes over a session that has begun."""

    def script(books: FakeExchange) -> None:
        if books.now >= moment:
            there.clock.script = case.during
            case.strikes(there)

    there.clock.script = script


def _recover(there: Stage, case: Case, began: int) -> Row:
    restarts, skipped, operator, database = 0, 0, False, case.database
    for _ in range(60):
        right = case.operator == "acknowledges" or not there.server.faults
        session = there.session(database=database, acknowledged=operator and right)
        ended = _live(there, session, minutes=3 if case.when == "holding" or case.operator == "lifts" else 1)
        skipped += session.skipped_ticks
        if ended is None and (halts := _halts(there)):
            assert case.operator, halts
            operator = True
            _open(there, halts)
        elif ended is None and _whole(there, session) and not there.server.faults:
            placed = [order.client_id for order in there.books.orders if order not in there.books.others.placed]
            lost, doubled = _lost(there), len(placed) - len(set(placed))
            return Row(restarts, operator, skipped, len(placed), lost, doubled, (there.books.now - began) / 1e6)
        elif ended is None and case.operator == "starts":
            restarts, operator = restarts + 1, True
        if isinstance(ended, StateError) or (isinstance(ended, BasisError) and ended.code == "VEN-011"):
            assert case.operator, ended
            operator = True
            there.books.others.resting.clear()
        if ended is not None:
            there.clock.sleep(_SUPERVISOR[min(restarts, len(_SUPERVISOR) - 1)])
            restarts, database = restarts + 1, JournalDatabase
    raise AssertionError("the book does not come back")


def _halts(there: Stage) -> list[Halt]:
    """What keeps trading closed until somebody says a word."""
    journal = LiveJournal(JournalDatabase.read(there.path), there.clock.wall)
    found = [halt for halt in Halt if (entry := journal.halted(halt)) is not None and entry.active]
    journal.close()
    return found


def _open(there: Stage, halts: list[Halt]) -> None:
    """The operator of a session that stays up."""
    if Halt.EMERGENCY in halts:
        lift_emergency_stop(there.path)
    if Halt.DIFFERENCE in halts:
        acknowledge(there.path)


def _live(there: Stage, session: LiveSession, *, minutes: int) -> BaseException | None:
    """One session for some minutes; what it ended by."""
    try:
        session.run(until=there.books.now + minutes * MINUTE)
    except (SystemFailure, KilledError, BasisError) as ended:
        return ended
    return None


def _whole(there: Stage, session: LiveSession) -> bool:
    """Both legs are there, nothing is open, and the session may trade."""
    short = there.books.perps.get("BTCUSDT", (0.0, 0.0))[0]
    settled = {entry.key for entry in there.entries(Kind.FACTS)} == {entry.key for entry in there.entries(Kind.INTENT)}
    well = session.engine is not None and session.engine.health.may_execute
    return well and settled and short < -1.3 and abs(there.books.spot["BTC"] + short) < 0.003


def _lost(there: Stage) -> float:
    """USDT by which the book differs from the venue."""
    positions, name = there.last_state.positions, there.name
    return (
        abs(positions[f"{name}:BaseToken:USDT"].quantity - there.account.cash)
        + abs(positions[f"{name}:BaseToken:BTC"].quantity - there.books.spot["BTC"]) * 50_000.0
        + abs(positions[f"{name}:Perp:BTCUSDT"].quantity - there.books.perps["BTCUSDT"][0]) * 50_000.0
    )


def page() -> str:
    """The whole page."""
    lines = []
    for fault, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            lines.append(suffer(case, Path(folder)).line(fault))
    return _HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
