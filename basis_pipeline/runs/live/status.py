"""Where a live session stands, read from its journal: while it runs, after it ended, or after it was killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import SECOND, iso
from basis_pipeline.domain.timings import Timing
from basis_pipeline.engine.health import TRADING, HealthState
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.live_journal.halts import Halt
from basis_pipeline.live_journal.journal import Action, LiveJournal
from basis_pipeline.live_journal.pulse import ComponentPulse
from basis_pipeline.runs.live.delays import distributions, live_budgets
from basis_pipeline.runs.live.publishing import RESULTS
from basis_pipeline.runs.live.record import SessionAbout, SessionLimits, TickRecord, decoded

_RECENT, _ACTIONS, _PULSES = 20, 500, 1_000
PATIENCE_SECONDS = 300.0
"""The default of BASIS_LIVE_TRADING__HEARTBEAT_TIMEOUT_SECONDS."""


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
        share_class: what equity is in; empty before a session wrote it down.
        state_at: timestamp of the last completed tick, ISO; empty before the first.
        state_age_seconds: how long ago that was; None before the first.
        health: the worst component at the last tick; `unknown` before the first.
        components: all of them, as of when one last changed.
        halts: why nothing is traded until somebody says a word, by kind.
        equity, drawdown: share class, and fraction below the highest value so far; None before the first state.
        values_as_of: when prices and rates of the last tick were told, ISO, where nobody said newer ones; else empty.
        limits: what the session that began last may do; None where nobody wrote it down.
        positions: quantities by position key, without zeros.
        values_usd: the same in USD: debt negative, a perp its unrealised P&L; they sum to equity.
        open_intents: orders whose fate is not known.
        orders: intents so far, whatever became of them.
        skipped_ticks: of the session that ran last.
        ages: seconds that what the market is made of was old at the last tick, by name.
        phases: seconds of the parts of the last ticks, and of the monitors within them.
        delays: seconds between the parts of the last orders.
        equity_line: timestamp (ISO) and equity of the last ticks, oldest first.
        alerts: the last that people were told, newest first.
        results: what became of the last publication of results, with the gates that failed; None before the first.
        recent: the last actions, newest first.
    """

    record: str
    share_class: str
    state_at: str
    state_age_seconds: float | None
    equity: float | None
    drawdown: float | None
    values_as_of: str
    limits: SessionLimits | None
    positions: dict[str, float]
    values_usd: dict[str, float]
    open_intents: tuple[str, ...]
    orders: int
    results: RecentAction | None
    recent: tuple[RecentAction, ...]
    health: str
    components: tuple[ComponentPulse, ...]
    halts: dict[str, str]
    skipped_ticks: int
    ages: dict[str, float]
    phases: dict[str, Timing]
    delays: dict[str, Timing]
    equity_line: tuple[tuple[str, float], ...]
    alerts: tuple[RecentAction, ...]


class Heartbeat(msgspec.Struct, frozen=True):
    """Answer of `/health`: one look at the last tick; `values_as_of` as in LiveStatus."""

    healthy: bool
    health: str
    age_seconds: float | None
    values_as_of: str = ""


def heartbeat(path: Path, *, patience: float = PATIENCE_SECONDS) -> Heartbeat:
    """Not healthy without a tick for `patience` seconds, or while nothing may be traded, as on values that are held."""
    with _open(path) as journal:
        pulses = journal.pulses(1)
    if not pulses:
        return Heartbeat(healthy=False, health=HealthState.UNKNOWN, age_seconds=None)
    age = (_now() - pulses[0].timestamp) / SECOND
    health, as_of = pulses[0].health, pulses[0].as_of
    well = health in TRADING and as_of is None and age <= patience
    return Heartbeat(well, health, round(age, 3), "" if as_of is None else iso(as_of))


def live_status(path: Path) -> LiveStatus:
    """Read the journal at `path`; StateError JOURNAL-001 if there is none."""
    with _open(path) as journal:
        state, pulses, actions = journal.last_state(), journal.pulses(_PULSES), journal.actions(_ACTIONS)
        last = pulses[-1] if pulses else None
        halts = {str(halt): journal.halted(halt) for halt in Halt}
        budgets, about = live_budgets(state.positions if state else ()), _about(journal)
        return LiveStatus(
            record=journal.belongs_to,
            share_class=about.share_class if about else "",
            state_at=iso(state.timestamp) if state else "",
            state_age_seconds=round((_now() - state.timestamp) / SECOND, 3) if state else None,
            equity=state.pnl.equity if state else None,
            values_as_of=iso(last.as_of) if last and last.as_of is not None else "",
            drawdown=1.0 - state.risk.unit_value / state.risk.peak if state else None,
            positions={k: p.quantity for k, p in state.positions.items() if p.quantity} if state else {},
            values_usd=_values(journal, state) if state else {},
            limits=about.limits if about else None,
            open_intents=tuple(left.intent.intent_id for left in journal.open_intents()),
            orders=journal.intents,
            results=_recent(*published) if (published := journal.last_action(RESULTS)) else None,
            recent=tuple(_recent(at, action) for at, action in reversed(actions[-_RECENT:])),
            health=last.health if last else HealthState.UNKNOWN,
            components=next((pulse.components for pulse in reversed(pulses) if pulse.components), ()),
            halts={halt: entry.reason for halt, entry in halts.items() if entry is not None and entry.active},
            skipped_ticks=last.skipped if last else 0,
            ages=last.ages if last else {},
            phases=distributions((pulse.phases | pulse.monitors for pulse in pulses), budgets),
            delays=distributions((delays.seconds() for delays in journal.delays(_PULSES)), budgets),
            equity_line=tuple((iso(pulse.timestamp), pulse.equity) for pulse in pulses),
            alerts=tuple(_recent(at, one) for at, one in reversed(actions) if one.told)[:_RECENT],
        )


def _about(journal: LiveJournal) -> SessionAbout | None:
    """What the session that began last said of itself; None before the first."""
    entry = journal.last(Kind.SESSION)
    return None if entry is None else decoded(entry, SessionAbout, journal)


def _values(journal: LiveJournal, state: EngineState) -> dict[str, float]:
    """USD at the tick of the last `state`, whose positions are all there are, in the order of the slots."""
    entry = journal.last(Kind.TICK)
    if entry is None:
        return {}
    record: TickRecord = decoded(entry, TickRecord, journal)
    commit = record.commits[record.closings[-1]]
    values = zip(state.positions, commit.exposure.values, strict=True)
    return {key: value * commit.market.usd for key, value in values if value}


def status_json(path: Path) -> bytes:
    return msgspec.json.format(msgspec.json.encode(live_status(path)), indent=1)


@contextmanager
def _open(path: Path) -> Iterator[LiveJournal]:
    database = JournalDatabase.read(path)
    try:
        yield LiveJournal(database, _now)
    finally:
        database.close()


def _recent(written_at: int, action: Action) -> RecentAction:
    return RecentAction(iso(written_at), action.component, action.what, action.detail)


def _now() -> int:
    return time.time_ns() // 1_000
