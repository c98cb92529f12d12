"""What a live session leaves of every tick in its journal, and how it is read again.

A record has everything the engine wrote down since the one before. It is written in one transaction with the state it
led to, and the log in memory is emptied: state and record can never disagree, and memory does not grow with time.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from basis_pipeline.config.live import GAS_TANK_ETH
from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.behaviour import BEHAVIOUR
from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.events import AnyEvent, SequencedDelta, SequencedResult
from basis_pipeline.domain.position_keys import Instrument, Universe
from basis_pipeline.domain.records import ChainSnapshot
from basis_pipeline.domain.run_log import RunLog
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.tolerance import Tolerance
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.gates.evidence import ModeProfile
from basis_pipeline.live_journal.database import Entry, Kind
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.workspace import Workspace

Moments = tuple[tuple[float, ...], ...]


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the environment lets a session do: `stop_loss` a drawdown (fraction), `addresses` that funds may go to."""

    read_only: bool
    max_trade_size_usd: float
    max_transfer_size_usd: float
    stop_loss: float
    addresses: int


class SessionAbout(msgspec.Struct, frozen=True, kw_only=True):
    """What a session is made of, as far as its record cannot be read without it.

    Attributes:
        overrides: dotted keys that were given beside the mode's file.
        config: the resolved configuration as a person reads it; it holds no secret.
        instruments: in the order of the slots.
        margin_venues: venue of each entry of `Risk.margin_ratios`.
        tracked_assets: assets recorded in the `exposures` table.
        profile: what the mode promises.
        interval: seconds between ticks.
        tolerance: what a difference to the venues may be without being one.
        signals: the book follows a model, whose forecasts are dimensions of its risk.
        seed: state of a backtest that the record goes on from.
        linked: between which venues funds are moved; None: of a book that is on chain alone, or nobody wrote it down.
        transfer_latency: microseconds that a transfer between them is expected to take.
        gas_tank: ETH that a hedged stack keeps for gas; journals that do not say it are of sessions with the default.
        limits: what it may do; None where nobody wrote it down.
    """

    mode: str
    environment: str
    share_class: str
    engine_version: str = BEHAVIOUR
    overrides: dict[str, Any]
    config: dict[str, Any]
    instruments: tuple[Instrument, ...]
    margin_venues: tuple[str, ...]
    tracked_assets: tuple[str, ...]
    profile: ModeProfile
    interval: float
    tolerance: Tolerance
    signals: bool = False
    seed: EngineState | None = None
    linked: frozenset[str] | None = None
    transfer_latency: int = 0
    gas_tank: float = GAS_TANK_ETH
    limits: SessionLimits | None = None

    @classmethod
    def of(
        cls,
        wired: WiredMode,
        settings: EngineSettings,
        environment: str,
        *,
        interval: float,
        overrides: Mapping[str, Any] | None = None,
        seed: EngineState | None = None,
        limits: SessionLimits | None = None,
    ) -> SessionAbout:
        """`settings` are those of `wired` as the session has them."""
        linked = settings.linked or frozenset()
        return cls(
            mode=wired.name,
            environment=environment,
            share_class=settings.share_class,
            overrides=dict(overrides or {}),
            config=wired.resolved,
            instruments=settings.universe.instruments,
            margin_venues=tuple(account.venue for account in settings.margin_accounts),
            tracked_assets=wired.tracked_assets,
            profile=wired.profile,
            interval=interval,
            tolerance=settings.tolerance,
            signals=wired.frame_spec.signals is not None,
            seed=seed,
            linked=settings.linked,
            transfer_latency=max((settings.venues[venue].transfer_latency for venue in linked), default=0),
            gas_tank=settings.gas_tank,
            limits=limits,
        )

    @property
    def universe(self) -> Universe:
        return Universe(self.instruments)


class TickRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened from one saved state to the next.

    Attributes:
        start: of a session's start, which books what happened before it and decides nothing.
        skipped: ticks that this session has missed so far.
        commits, closings, deltas, orders, events: as in `RunLog`; `closings` are indices into `commits`.
        steps, chains, order_parts: as in `Moments`: seconds of a clock that begins anew with every session.
    """

    start: bool = False
    skipped: int = 0
    commits: tuple[ChainSnapshot, ...] = ()
    closings: tuple[int, ...] = ()
    deltas: tuple[SequencedDelta, ...] = ()
    orders: tuple[SequencedResult, ...] = ()
    events: tuple[AnyEvent, ...] = ()
    steps: Moments = ()
    chains: Moments = ()
    order_parts: Moments = ()

    @classmethod
    def of(cls, log: RunLog, *, start: bool = False, skipped: int = 0) -> TickRecord:
        moments = log.moments
        return cls(
            start=start,
            skipped=skipped,
            commits=tuple(log.commits),
            closings=tuple(log.closings),
            deltas=tuple(log.deltas),
            orders=tuple(log.orders),
            events=tuple(log.events),
            steps=tuple(moments.steps),
            chains=tuple(moments.chains),
            order_parts=tuple(moments.orders),
        )

    @property
    def timestamp(self) -> int:
        """Of the timestep that it closes with, microseconds UTC."""
        return self.commits[self.closings[-1]].timestamp

    @property
    def as_of(self) -> int | None:
        """When the values it closes with were told, microseconds UTC; None: at its timestamp."""
        return self.commits[self.closings[-1]].market.as_of


def record_tick(
    journal: LiveJournal, engine: EventDrivenStrategyEngine, *, start: bool = False, skipped: int = 0
) -> Sequence[AnyEvent]:
    """Write the state of a completed tick with everything that led to it, and forget the latter; return its events.

    Raises:
        StorageError: neither was written.
    """
    log = engine.event_logger.take()
    record = TickRecord.of(log, start=start, skipped=skipped)
    journal.save_state(engine.state(), zlib.compress(msgspec.msgpack.encode(record)))
    return log.events


def begin_record(journal: LiveJournal, about: SessionAbout) -> None:
    """Write down what the session that begins is made of."""
    journal.began(zlib.compress(msgspec.json.encode(about)))


class BegunSession(NamedTuple):
    """What a session was made of, and the number of the entry that says so: its ticks have higher ones."""

    number: int
    about: SessionAbout


def begun_sessions(journal: LiveJournal) -> list[BegunSession]:
    """The sessions of a journal, in order; StateError if nobody wrote down what they were made of."""
    entries = journal.entries(Kind.SESSION)
    found = [BegunSession(entry.number, decoded(entry, SessionAbout, journal)) for entry in entries]
    if not found:
        raise StateError(
            f"the journal {journal.path} does not say what its sessions were made of.",
            code="JOURNAL-001",
            remedy="start a session of this version once; ticks of older versions left no record.",
        )
    return found


def session_abouts(journal: LiveJournal) -> list[SessionAbout]:
    """What the sessions of a journal were made of, as `begun_sessions`."""
    return [about for _, about in begun_sessions(journal)]


def about_record(journal: LiveJournal, state: EngineState) -> SessionAbout:
    """What the sessions were made of that wrote the record; one that was refused for its configuration wrote none."""
    found = [one for one in session_abouts(journal) if one.profile.config_digest == state.config_digest]
    if not found:
        raise StateError(
            f"no session in {journal.path} says that it had configuration {state.config_digest}.", code="JOURNAL-001"
        )
    return replace(found[-1], seed=found[0].seed)


def tick_records(journal: LiveJournal, first: int = 0, last: int | None = None) -> Iterator[tuple[Entry, TickRecord]]:
    """The records of all ticks whose entries are numbered `first` to `last`, with that entry, in order."""
    for entry in journal.entries(Kind.TICK, after=first - 1):
        if last is not None and entry.number > last:
            return
        yield entry, decoded(entry, TickRecord, journal)


def joined_log(records: Iterable[TickRecord]) -> RunLog:
    """One log of consecutive records, as if nothing had come in between.

    Of several records at one timestamp, a start and the tick right after it, the last one closes the timestep.
    """
    log = RunLog()
    for record in records:
        first = len(log.commits)
        log.commits.extend(record.commits)
        for closing in record.closings:
            if log.closings and log.commits[log.closings[-1]].timestamp == log.commits[first + closing].timestamp:
                log.closings.pop()
            log.closings.append(first + closing)
        log.deltas.extend(record.deltas)
        log.orders.extend(record.orders)
        log.events.extend(record.events)
        log.moments.steps.extend(record.steps)
        log.moments.chains.extend(record.chains)
        log.moments.orders.extend(record.order_parts)
    return log


def journal_path(workspace: Workspace, mode: str, environment: str) -> Path:
    """SQLite needs a folder of this machine, also where the root is a bucket."""
    return workspace.root.live / environment / f"{mode}.sqlite"


def existing_journal(workspace: Workspace, mode: str, environment: str) -> Path:
    """Where the journal of a session is that was begun.

    Raises:
        ConfigError: there is no such mode.
        StateError: JOURNAL-001 it has no journal in this environment; the message names those where it has one.
    """
    path = journal_path(workspace, mode, environment)
    if path.is_file():
        return path
    workspace.config.mode(mode)
    elsewhere = sorted(found.parent.name for found in workspace.root.live.glob(f"*/{mode}.sqlite"))
    raise StateError(
        f"there is no journal {path}: no session of {mode} was begun in BASIS_ENVIRONMENT {environment}"
        + (f", but in {', '.join(elsewhere)}." if elsewhere else "."),
        code="JOURNAL-001",
        remedy=f"BASIS_ENVIRONMENT={elsewhere[0]}, if that one is meant." if elsewhere else "check BASIS_DATA_DIR.",
    )


def decoded(entry: Entry, kind: type[Any], journal: LiveJournal) -> Any:
    """A session's or a tick's entry; StateError JOURNAL-001 where it cannot be read."""
    try:
        content = zlib.decompress(entry.payload)
        return (
            msgspec.msgpack.decode(content, type=kind)
            if kind is TickRecord
            else msgspec.json.decode(content, type=kind)
        )
    except (zlib.error, msgspec.DecodeError) as error:
        raise StateError(
            f"entry {entry.number} of {journal.path} cannot be read: {error}.",
            code="JOURNAL-001",
            remedy="it was written by another version, or the file is damaged: read it with the version that wrote it.",
        ) from error
