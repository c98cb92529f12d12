"""What an operator says one after the other about the emergency stop: nothing is entered while a stop is active."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

import pytest

from basis_pipeline.live_journal.halts import EmergencyPolicy, Halt, HaltEntry
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline_tests.fakes.records import PlacedOrder
from basis_pipeline_tests.live.stage import Stage
from basis_pipeline_tests.live.test_halts import is_flat
from basis_pipeline_tests.live.ticking import running, ticks

FREEZE, EXIT, LIFT = EmergencyPolicy.FREEZE, EmergencyPolicy.EXIT_FULL, None
WORDS = (FREEZE, EXIT, LIFT)
SAYINGS = [
    pytest.param(
        words, marks=pytest.mark.slow if length > 2 else (), id="-".join(str(word or "lift") for word in words)
    )
    for length in (1, 2, 3)
    for words in product(WORDS, repeat=length)
    if words[-1] is not LIFT and all(one is not other for one, other in pairwise(words))
]
"""Every order of up to three words that ends with a stop; nobody says the same thing twice running."""


def say(there: Stage, word: EmergencyPolicy | None) -> None:
    """All within the same second, so that every stop gives the same reason."""
    journal = LiveJournal.open(there.path, belongs_to="btc_basis@dev", now=there.clock.wall)
    reason = "asked for by an operator at 2024-01-01T00:00:00Z"
    journal.halt(
        Halt.EMERGENCY, HaltEntry(False, "lifted by an operator") if word is None else HaltEntry(True, reason, word)
    )
    journal.close()


def enters(order: PlacedOrder) -> bool:
    return not order.reduce_only if order.market.perp else order.buy


@pytest.mark.parametrize("entered", [False, True], ids=["flat", "entered"])
@pytest.mark.parametrize("heard", ["at once", "each in a tick", "each at a start"])
@pytest.mark.parametrize("words", SAYINGS)
def test_nothing_is_entered_while_a_stop_is_active(
    there: Stage, words: Sequence[EmergencyPolicy | None], heard: str, entered: bool
) -> None:
    session = running(there) if entered else there.session()
    if not entered:
        session.start()
    for word in words:
        say(there, word)
        before = len(there.books.orders)
        if heard == "each in a tick":
            ticks(there, session)
        elif heard == "each at a start":
            session = running(there)
        if word is not LIFT:
            assert not any(map(enters, there.books.orders[before:]))
    before = len(there.books.orders)
    ticks(there, session, 3)
    session = running(there)
    assert not any(map(enters, there.books.orders[before:]))
    assert session.engine is not None
    assert session.engine.get_status().health.overall_status == "critical"
    if words[-1] is EXIT:
        assert is_flat(there)
