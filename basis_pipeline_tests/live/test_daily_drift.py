"""The differences of a day: each gap counts by what it is worth, whatever it is in and whatever its sign (R35)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from basis_pipeline.domain.errors import StateError
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.runs.live.operator import acknowledge
from basis_pipeline.runs.live.parts import Alert
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline_tests.live.faults import KilledError, dying_at
from basis_pipeline_tests.live.stage import MINUTE, Stage, holds_what_the_venue_holds
from basis_pipeline_tests.live.ticking import running, ticks

PERP = "binance:Perp:BTCUSDT"
GAP = 0.0008
"""BTC at 50,000: 40 USDT of a book of 100,000, of which 100 may be adjusted in a day."""


def moves_perp(there: Stage, by: float = GAP) -> None:
    quantity, entry = there.books.perps["BTCUSDT"]
    there.books.perps["BTCUSDT"] = (quantity + by, entry)


def moves_cash(there: Stage, by: float = 40.0) -> None:
    there.books.spot["USDT"] += by


def booked(there: Stage, key: str = PERP) -> float:
    return there.last_state.positions[key].quantity


def whats(told: list[Alert]) -> list[str]:
    return [alert.what for alert in told if alert.what != "unexplained"]


def test_perps_that_differ_add_up_over_a_day_and_each_is_told(there: Stage, told: list[Alert]) -> None:
    session = running(there)
    short = booked(there)
    for _ in range(3):
        moves_perp(there)
        ticks(there, session)
    ticks(there, session)
    assert whats(told) == ["perp adjusted", "perp adjusted", "large difference"]
    assert PERP in told[0].message
    assert booked(there) == pytest.approx(short + 2 * GAP, abs=1e-9), "the third was one too many"
    assert session.engine is not None and not session.engine.health.may_execute


@pytest.mark.parametrize("moves", [moves_cash, moves_perp], ids=["cash", "perp"])
def test_gaps_to_both_sides_are_not_none(there: Stage, told: list[Alert], moves: Callable[..., None]) -> None:
    session = running(there)
    size = 40.0 if moves is moves_cash else GAP
    for sign in (1.0, -1.0, 1.0):
        moves(there, sign * size)
        ticks(there, session)
    assert whats(told)[-1:] == ["large difference"]


def test_perps_and_cash_count_together(there: Stage, told: list[Alert]) -> None:
    session = running(there)
    moves_perp(there)
    moves_cash(there, -40.0)
    ticks(there, session)
    assert whats(told) == ["perp adjusted"]
    moves_cash(there, -25.0)
    ticks(there, session)
    assert whats(told) == ["perp adjusted", "large difference"]


@pytest.mark.parametrize("moves", [moves_cash, moves_perp], ids=["cash", "perp"])
def test_every_start_counts_to_the_same_day(there: Stage, told: list[Alert], moves: Callable[..., None]) -> None:
    running(there)
    for _ in range(2):
        moves(there)
        running(there)
    moves(there)
    with pytest.raises(StateError, match="LIVE-001"):
        running(there)
    assert whats(told)[-1] == "large difference"


def test_an_adjustment_that_died_with_its_tick_is_not_counted(there: Stage, told: list[Alert]) -> None:
    """60 USDT, three times not saved: only what is in the book counts, and 60 is less than 100."""
    running(there)
    moves_cash(there, -60.0)
    dies: type[JournalDatabase] = dying_at(Kind.STATE, after=False)
    for _ in range(3):
        session = there.session(database=dies_after_adjusting(dies))
        with pytest.raises(KilledError):
            session.run(until=there.books.now + 2 * MINUTE)
        there.clock.sleep(1.0)
    assert len(there.entries(Kind.ADJUSTMENT)) == 3
    running(there)
    assert "large difference" not in whats(told)
    holds_what_the_venue_holds(there)


def dies_after_adjusting(dies: type[JournalDatabase]) -> type[JournalDatabase]:
    """A start saves before it looks again, so that the state that follows an adjustment is the one that is lost."""

    class Dying(dies):  # type: ignore[valid-type, misc]
        adjusted = False

        def append(self, written_at: int, kind: Kind, key: str, payload: bytes) -> bool:
            self.adjusted = self.adjusted or kind is Kind.ADJUSTMENT
            if not self.adjusted:
                return JournalDatabase.append(self, written_at, kind, key, payload)
            return bool(super().append(written_at, kind, key, payload))

    return Dying


def test_a_new_day_begins_with_nothing(there: Stage, told: list[Alert]) -> None:
    session = running(there)
    for _ in range(2):
        moves_perp(there)
        ticks(there, session)
    there.books.now = (there.books.now // (1440 * MINUTE) + 1) * 1440 * MINUTE + MINUTE
    ticks(there, session)
    for _ in range(2):
        moves_perp(there)
        ticks(there, session)
    assert whats(told) == ["perp adjusted"] * 4


def test_what_an_operator_acknowledged_begins_the_day_anew(there: Stage, told: list[Alert]) -> None:
    session: LiveSession = running(there)
    moves_perp(there, 0.02)
    ticks(there, session)
    assert whats(told) == ["large difference"]
    acknowledge(there.path)
    for _ in range(2):
        ticks(there, session)
        moves_perp(there)
        ticks(there, session)
    assert whats(told) == ["large difference", "perp adjusted", "perp adjusted"]
