"""Venues on the chain that misbehave on purpose (`venues/faults.py`): no check of the engine is a tautology there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from basis_pipeline.domain.errors import StateError, SystemFailure
from basis_pipeline.runs.live.parts import SessionParts
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline.venues.faults import FaultyVenue, keep_silent, lose_leg, overdraw
from basis_pipeline.venues.live.onchain import LiveOnChain
from basis_pipeline_tests.chain.bench import MINUTE, SETTINGS, Bench
from basis_pipeline_tests.chain.test_bookings import COLLATERAL, DEBT


class FaultyOnChain(FaultyVenue):
    """Misbehaves when asked to trade; what an earlier process left open is found out as it is."""

    def __init__(self, venue: LiveOnChain, **faults: Any) -> None:
        super().__init__(venue, **faults)
        self.resolve, self.booked = venue.resolve, venue.booked


def session(there: Bench, venue: str, **faults: Any) -> LiveSession:
    process = there.again()
    venues: Mapping[str, Any] = process.venues | {venue: FaultyOnChain(process.venues[venue], **faults)}
    return LiveSession(SessionParts(SETTINGS, there.mode.strategy, venues, process.feed, process.journal, there.clock))


@pytest.mark.parametrize("distort", [lose_leg, overdraw, keep_silent])
def test_an_answer_that_is_not_what_happened_ends_the_session_and_the_next_one_books_it(
    there: Bench, distort: Any
) -> None:
    with pytest.raises(SystemFailure):
        session(there, "instadapp", answers={1: distort}).run(until=there.clock.wall() + MINUTE)
    honest = there.session()
    honest.run(until=there.clock.wall() + MINUTE)
    assert honest.engine is not None
    state = honest.engine.state()
    for key in (COLLATERAL, DEBT):
        assert state.positions[key].quantity == pytest.approx(there.quantity(key), rel=1e-9)
    assert there.transactions() == 1


def test_a_balance_is_asked_for_again_and_one_that_stays_wrong_stops_the_start(there: Bench) -> None:
    there.session().run(until=there.clock.wall() + MINUTE)
    gone = {SETTINGS.universe.slot(COLLATERAL): -5.0}
    session(there, "aave_v3", drift=gone, drift_calls=2).run(until=there.clock.wall() + MINUTE)
    with pytest.raises(StateError, match=r"LIVE-001.*aweETH"):
        session(there, "aave_v3", drift=gone).run(until=there.clock.wall() + MINUTE)
    assert there.transactions() == 1
