"""A session on a stage, tick by tick: `running`, then as many `ticks` as a test needs."""

from __future__ import annotations

from basis_pipeline.domain.records import LIVE_CATEGORIES, Category
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline_tests.live.stage import MINUTE, Stage


def running(there: Stage, **options: bool) -> LiveSession:
    """A session that has entered, some ticks old."""
    session = there.session(**options)
    session.run(until=there.books.now + 2 * MINUTE)
    return session


def ticks(there: Stage, session: LiveSession, minutes: int = 1) -> None:
    """`run` without its start."""
    for _ in range(minutes):
        session.tick()
        while (again := session.again) is not None:
            there.clock.sleep(again)
            session.tick()
        there.clock.sleep(60.0)


def unexplained(there: Stage) -> float:
    parts = dict(zip(LIVE_CATEGORIES, there.last_state.pnl.attribution, strict=True))
    return parts[Category.UNEXPLAINED]
