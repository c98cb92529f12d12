"""The use case `live-compare`: a live record is lived again by the backtest engine, and what differs is told (R52).

The replay starts from the same holdings or the same state, ticks when the session ticked, and sees the market that the
session saw, with the funding that venues really paid as the rate of the tick it was booked in. Venues are simulated:
what differs is what the simulation leaves out, fills, fees, rounding, delays, refusals, money that nobody explained.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import zip_longest
from typing import NamedTuple

from msgspec.structs import replace

from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import DataGapError, StateError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.run_log import RunLog
from basis_pipeline.domain.settings import EngineSettings, ErrorPolicyName
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import iso
from basis_pipeline.engine.event_driven_strategy_engine import EngineConfig, EventDrivenStrategyEngine
from basis_pipeline.live_journal.database import Entry
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.results.live_differences.differences import Life, LiveDifferences, differences
from basis_pipeline.results.live_differences.page import write_live_differences
from basis_pipeline.results.live_differences.store import LiveDifferencesStore
from basis_pipeline.runs.live.exchanges import linked_settings, wire_live
from basis_pipeline.runs.live.record import (
    SessionAbout,
    TickRecord,
    about_record,
    begun_sessions,
    existing_journal,
    joined_log,
    tick_records,
)
from basis_pipeline.runs.live.replayed_redemptions import ReplayedRedemptions
from basis_pipeline.runs.live.results import record_of
from basis_pipeline.runs.live.tables import batches, settled_orders
from basis_pipeline.runs.reports import refresh_catalogue
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.locations import Location


class LiveComparison(NamedTuple):
    """The differences and the page that shows them."""

    differences: LiveDifferences
    page: Location


def compare_live(workspace: Workspace, mode: str, environment: str) -> LiveComparison:
    """Replay the journal of `mode` in `environment`, keep the differences as tables, and write the page.

    Raises:
        StateError: there is no journal, it has no completed tick, or its configuration is not today's.
    """
    with closing(LiveJournal.read(existing_journal(workspace, mode, environment), _now)) as journal:
        record = record_of(workspace.results, mode, environment, journal.identity)
        found = replayed(journal, workspace.config, record)
    LiveDifferencesStore(workspace.results.base).put(found)
    page = write_live_differences(workspace.results, found)
    refresh_catalogue(workspace)
    return LiveComparison(found, page)


def replayed(journal: LiveJournal, folder: ConfigFolder, record: str) -> LiveDifferences:
    """A journal beside its replay, without writing anything.

    Raises:
        StateError: it has no completed tick, or its mode is configured in another way today: the replay would be none.
    """
    about = _about(journal)
    timing = {order.operation_id: (order.decided, order.executed_at) for order in settled_orders(journal)}
    live, again = Life(about.universe), Life(about.universe)
    replay = Replay(journal, folder, about)
    for batch in batches(tick_records(journal)):
        live.add(joined_log(found for _, found in batch), timing)
        again.add(replay.lived(batch))
    return differences(about.mode, record, about.share_class, live, again)


def live_life(journal: LiveJournal, about: SessionAbout) -> Life:
    """What a journal says of its record, to be held against any other life."""
    timing = {order.operation_id: (order.decided, order.executed_at) for order in settled_orders(journal)}
    life = Life(about.universe)
    for batch in batches(tick_records(journal)):
        life.add(joined_log(record for _, record in batch), timing)
    return life


class Replay:
    """The backtest engine at the ticks of the sessions of a journal, wired as each of them was.

    Raises:
        StateError: a session was of another configuration than that of `folder`.
    """

    def __init__(self, journal: LiveJournal, folder: ConfigFolder, about: SessionAbout) -> None:
        self._journal, self._folder, self._about = journal, folder, about
        digest = about.profile.config_digest
        self._sessions = [one for one in begun_sessions(journal) if one.about.profile.config_digest == digest]
        self._wired = self._wired_as(about)
        self._feed = SeenMarket()
        self._redemptions = ReplayedRedemptions(journal)
        self._engine: EventDrivenStrategyEngine | None = None

    def lived(self, batch: Sequence[tuple[Entry, TickRecord]]) -> RunLog:
        """The log of the same ticks; the start of a session decides nothing in either life."""
        found = []
        for entry, record in batch:
            engine = self._engine_at(entry.number, record)
            self._redeem(engine, entry.number, record)
            self._feed.market = seen = self._with_funding(record, engine.settings)
            if record.start:
                engine.position_update_handler.refresh(seen.timestamp, seen)
                engine.event_logger.close_step()
                engine.current_timestamp = seen.timestamp
            else:
                engine.process_timestep(seen.timestamp)
            found.append(TickRecord.of(engine.event_logger.take()))
        return joined_log(found)

    def _redeem(self, engine: EventDrivenStrategyEngine, number: int, record: TickRecord) -> None:
        snapshot, manager = engine.position_update_handler.snapshot, engine.strategy_manager
        equity = snapshot.exposure.equity if snapshot else 0.0
        manager.state = self._redemptions.apply(number, record, manager.state, equity)

    def _engine_at(self, number: int, record: TickRecord) -> EventDrivenStrategyEngine:
        """The engine for an entry of the journal; a session that moves funds in another way has one of its own."""
        about = next((one.about for one in reversed(self._sessions) if one.number < number), self._about)
        if about is not self._about:
            _check_same_slots(self._journal, about, self._wired)
        if self._engine is None:
            opening = {d.delta.slot: d.delta.amount for d in record.deltas if d.delta.source is DeltaSource.INITIAL}
            self._engine = self._engine_of(about, opening, self._about.seed)
        elif record.start and _movement(about) != _movement(self._about):
            self._engine = self._engine_of(about, {}, self._engine.state())
        self._about = about
        return self._engine

    def _wired_as(self, about: SessionAbout) -> WiredMode:
        wired = wire_live(self._folder, about.mode, about.overrides, tank=about.gas_tank)
        _check_same_slots(self._journal, about, wired)
        _check_same_configuration(self._journal, about, wired)
        return wired

    def _engine_of(
        self, about: SessionAbout, opening: Mapping[int, float], state: EngineState | None
    ) -> EventDrivenStrategyEngine:
        wired = self._wired_as(about)
        settings = linked_settings(wired.settings, about.linked, about.transfer_latency)
        settings = replace(settings, error_policy=ErrorPolicyName.REPLAN)
        return EventDrivenStrategyEngine(
            EngineConfig(settings, wired.strategy, self._redemptions.venues(settings), dict(opening) or None),
            settings.execution_mode,
            self._feed,
            settings.initial_capital,
            settings.share_class,
            state=state,
        )

    @staticmethod
    def _with_funding(record: TickRecord, settings: EngineSettings) -> MarketSnapshot:
        """The market of a tick, with the rates that the funding booked in it amounts to."""
        market = record.commits[record.closings[-1]].market
        rates = dict(_rates([found.delta for found in record.deltas], market, settings))
        if not rates:
            return market
        return replace(market, funding=tuple(rates.get(slot, 0.0) for slot in range(len(market.price))))


def _movement(about: SessionAbout) -> tuple[frozenset[str] | None, int, float]:
    """What a session may be started with in another way without being of another record."""
    return about.linked, about.transfer_latency, about.gas_tank


def _rates(
    deltas: Sequence[PositionDelta], market: MarketSnapshot, settings: EngineSettings
) -> Iterator[tuple[int, float]]:
    paid: dict[int, float] = defaultdict(float)
    held: dict[int, float] = {}
    for delta in deltas:
        if delta.source is DeltaSource.FUNDING and delta.reference_quantity:
            slot = _perp_of(delta, market, settings)
            paid[slot] += delta.amount
            held[slot] = delta.reference_quantity
    for slot, amount in paid.items():
        account = next(one for one in settings.margin_accounts if slot in one.perp_slots)
        yield slot, amount / account.contract.funding(held[slot], market.mark[slot], 1.0)


def _perp_of(delta: PositionDelta, market: MarketSnapshot, settings: EngineSettings) -> int:
    """The perp that a payment into a cash slot was for: the one whose mark it names."""
    account = next(one for one in settings.margin_accounts if one.cash_slot == delta.slot)
    named = [slot for slot in account.perp_slots if market.mark[slot] == delta.price]
    return named[0] if named else account.perp_slots[0]


class SeenMarket:
    """Implements `MarketFeed`: what the session saw, at the moment it saw it."""

    def __init__(self) -> None:
        self.market: MarketSnapshot | None = None

    def at(self, timestamp: int) -> MarketSnapshot:
        if self.market is None or self.market.timestamp != timestamp:
            raise DataGapError(f"the session saw no market at {iso(timestamp)}.")
        return self.market


def _check_same_slots(journal: LiveJournal, about: SessionAbout, wired: WiredMode) -> None:
    """The record counts by slot: in another universe every number would be read as that of another position."""
    today = wired.settings.universe.instruments
    if today == about.instruments:
        return
    pairs = zip_longest(about.instruments, today)
    keys = dict.fromkeys(str(one.key) for pair in pairs if pair[0] != pair[1] for one in pair if one is not None)
    raise StateError(
        f"{wired.name} has other positions today than when {journal.path} was written, or has them in another order: "
        f"{', '.join(keys)}.",
        code="STATE-003",
        remedy="restore the configuration these were declared by, or compare with the version that wrote the journal.",
    )


def _check_same_configuration(journal: LiveJournal, about: SessionAbout, wired: WiredMode) -> None:
    if wired.settings.config_digest != about.profile.config_digest:
        raise StateError(
            f"{wired.name} is configured in another way than when {journal.path} was written.",
            code="STATE-003",
            remedy="restore the configuration (`from configuration` has that of every published month), then compare.",
        )


def _about(journal: LiveJournal) -> SessionAbout:
    ticks = journal.ticks()
    if not ticks:
        raise StateError(f"{journal.path} has no completed tick.", remedy="let a session tick once.")
    return about_record(journal, journal.state_of(ticks[-1]))


def _now() -> int:
    return time.time_ns() // 1_000
