"""A withdrawal whose answer was lost, and whose history nobody can be sure of: never assumed to have failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.domain.errors import StateError, SystemFailure
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.runs.live.operator import transfer_ended
from basis_pipeline_tests.fakes.server import Fault
from basis_pipeline_tests.live.fleet import THREE, Fleet, fleet, holds_what_the_venues_hold, is_entered
from basis_pipeline_tests.live.test_transfers import HISTORY, WITHDRAW

DAYS = 86_400_000_000


def lose(there: Fleet, source: str, phase: str) -> str:
    """The answer to the first withdrawal is lost, and the history does not answer until the session ends."""
    server = there.accounts[source].server
    server.faults.append(Fault(WITHDRAW[source], "reset", phase))  # type: ignore[arg-type]
    server.faults += [Fault(HISTORY[source], "reset", "before", method="GET")] * 80
    with pytest.raises(SystemFailure, match="is not known"):
        there.live_for(10)
    server.faults.clear()
    return next(entry.key for entry in there.entries(Kind.INTENT))


@pytest.mark.parametrize("source", THREE)
@pytest.mark.parametrize("phase", ["before", "after"])
def test_what_an_old_history_does_not_show_is_left_to_a_person(tmp_path: Path, source: str, phase: str) -> None:
    with fleet(tmp_path, usdt={source: 100_000.0}) as there:
        lost = lose(there, source, phase)
        made = len(there.network.withdrawals)
        there.clock.set(there.clock.wall() + 8 * DAYS)
        there.books(source).withdrawals.clear()
        for _ in range(2):
            with pytest.raises(StateError, match=rf"TRANSFER-009.*{source} made withdrawal {lost} .*transfer-ended"):
                there.live_for(10)
        assert len(there.network.withdrawals) == made, "nothing is sent while nobody knows"
        with pytest.raises(StateError, match="no transfer"):
            transfer_ended(there.path, f"{lost}=5")
        assert transfer_ended(there.path, f"{lost}=0") == f"transfer {lost} was never made"
        if phase == "after":
            with pytest.raises(StateError, match="LIVE-001"):
                there.live_for(10)
            assert len(there.network.withdrawals) == made, "nor where it was made, and somebody said that it was not"
        else:
            there.live_for(12)
            holds_what_the_venues_hold(there)
            is_entered(there)


@pytest.mark.parametrize("source", THREE)
def test_one_that_the_history_shows_is_found_however_old_it_is(tmp_path: Path, source: str) -> None:
    with fleet(tmp_path, usdt={source: 100_000.0}) as there:
        lose(there, source, "after")
        there.clock.set(there.clock.wall() + 20 * DAYS)
        there.live_for(12)
        holds_what_the_venues_hold(there)
        is_entered(there)
        assert len(there.network.withdrawals) == 2
