"""Where a live session stands, read from its journal: while it runs, after it ended, or after it was killed."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

import msgspec

from basis_pipeline.domain.timeline import SECOND, iso
from basis_pipeline.live_journal.database import Entry, JournalDatabase, Kind
from basis_pipeline.live_journal.journal import Action, LiveJournal
from basis_pipeline.runs.live_publishing import RESULTS

_RECENT = 20


class RecentAction(msgspec.Struct, frozen=True):
    """`at` is wall-clock time, ISO, UTC."""

    at: str
    component: str
    what: str
    detail: str


class LiveStatus(msgspec.Struct, frozen=True):
    """Answer of `basis live MODE --status` and of the status page.

    Attributes:
        record: mode and environment.
        state_at: timestamp of the last completed tick, ISO; empty before the first.
        state_age_seconds: how long ago that was; None before the first.
        equity, drawdown: share class, and fraction below the highest value so far.
        positions: quantities by position key, without zeros.
        open_intents: orders whose fate is not known.
        orders: intents so far, whatever became of them.
        results: what became of the last publication of results, with the gates that failed; None before the first.
        recent: the last actions, newest first.
    """

    record: str
    state_at: str
    state_age_seconds: float | None
    equity: float
    drawdown: float
    positions: dict[str, float]
    open_intents: tuple[str, ...]
    orders: int
    results: RecentAction | None
    recent: tuple[RecentAction, ...]


def live_status(path: Path) -> LiveStatus:
    """Read the journal at `path`; StateError JOURNAL-001 if there is none."""
    database = JournalDatabase.read(path)
    try:
        journal = LiveJournal(database, _now)
        state, recent = journal.last_state(), deque(database.entries(Kind.ACTION), _RECENT)
        published = database.last_about(Kind.ACTION, RESULTS)
        return LiveStatus(
            record=database.about("belongs_to"),
            state_at=iso(state.timestamp) if state else "",
            state_age_seconds=round((_now() - state.timestamp) / SECOND, 3) if state else None,
            equity=state.pnl.equity if state else 0.0,
            drawdown=1.0 - state.risk.unit_value / state.risk.peak if state else 0.0,
            positions={k: p.quantity for k, p in state.positions.items() if p.quantity} if state else {},
            open_intents=tuple(left.intent.intent_id for left in journal.open_intents()),
            orders=sum(1 for _ in database.entries(Kind.INTENT)),
            results=_recent(published) if published else None,
            recent=tuple(map(_recent, reversed(recent))),
        )
    finally:
        database.close()


def status_json(path: Path) -> bytes:
    return msgspec.json.format(msgspec.json.encode(live_status(path)), indent=1)


def _recent(entry: Entry) -> RecentAction:
    action = msgspec.json.decode(entry.payload, type=Action)
    return RecentAction(iso(entry.written_at), action.component, action.what, action.detail)


def _now() -> int:
    return time.time_ns() // 1_000
