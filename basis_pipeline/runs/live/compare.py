"""The use case `live-compare`: a live record is lived again by the backtest engine, and what differs is told (R52).

The replay starts from the same holdings or the same state, ticks when the session ticked, and sees the market that the
session saw, with the funding that venues really paid as the rate of the tick it was booked in. Venues are simulated:
what differs is what the simulation leaves out, fills, fees, rounding, delays, refusals, money that nobody explained.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from basis_pipeline.config.wiring import WiredMode, simulated_venues, wire_mode
from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import DataGapError, StateError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.run_log import RunLog
from basis_pipeline.domain.settings import EngineSettings, ErrorPolicyName
from basis_pipeline.domain.timeline import iso
from basis_pipeline.engine.event_driven_strategy_engine import EngineConfig, EventDrivenStrategyEngine
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.results.live_differences import Life, LiveDifferences, differences
from basis_pipeline.results.live_differences_page import write_live_differences
from basis_pipeline.results.live_differences_store import LiveDifferencesStore
from basis_pipeline.runs.live.record import (
    SessionAbout,
    TickRecord,
    about_record,
    joined_log,
    journal_path,
    tick_records,
)
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
    with closing(LiveJournal.read(journal_path(workspace, mode, environment), _now)) as journal:
        record = record_of(workspace.results, mode, environment, journal.identity)
        about = _about(journal)
        found = replayed(journal, about, wire_mode(workspace.config, mode, about.overrides), record)
    LiveDifferencesStore(workspace.results.base).put(found)
    page = write_live_differences(workspace.results, found)
    refresh_catalogue(workspace)
    return LiveComparison(found, page)


def replayed(journal: LiveJournal, about: SessionAbout, wired: WiredMode, record: str) -> LiveDifferences:
    """A journal beside its replay, without writing anything.

    Raises:
        StateError: the mode is configured in another way today: the replay would not be one.
    """
    if wired.settings.config_digest != about.profile.config_digest:
        raise StateError(
            f"{wired.name} is configured in another way than when {journal.path} was written.",
            code="STATE-003",
            remedy="restore the configuration (`from configuration` has that of every published month), then compare.",
        )
    timing = {order.operation_id: (order.decided, order.executed_at) for order in settled_orders(journal)}
    settings = replace(wired.settings, error_policy=ErrorPolicyName.REPLAN)
    live, again, replay = Life(about.universe), Life(about.universe), None
    for batch in batches(tick_records(journal)):
        records = [found for _, found in batch]
        live.add(joined_log(records), timing)
        replay = replay or Replay.of(settings, wired, about, records[0])
        again.add(replay.lived(records))
    return differences(wired.name, record, about.share_class, live, again)


def live_life(journal: LiveJournal, about: SessionAbout) -> Life:
    """What a journal says of its record, to be held against any other life."""
    timing = {order.operation_id: (order.decided, order.executed_at) for order in settled_orders(journal)}
    life = Life(about.universe)
    for batch in batches(tick_records(journal)):
        life.add(joined_log(record for _, record in batch), timing)
    return life


@dataclass
class Replay:
    """The backtest engine at the ticks of a session."""

    engine: EventDrivenStrategyEngine
    feed: SeenMarket
    settings: EngineSettings

    @classmethod
    def of(cls, settings: EngineSettings, wired: WiredMode, about: SessionAbout, first: TickRecord) -> Replay:
        opening = {d.delta.slot: d.delta.amount for d in first.deltas if d.delta.source is DeltaSource.INITIAL}
        feed = SeenMarket()
        engine = EventDrivenStrategyEngine(
            EngineConfig(settings, wired.strategy, simulated_venues(settings), opening or None),
            settings.execution_mode,
            feed,
            settings.initial_capital,
            settings.share_class,
            state=about.seed,
        )
        return cls(engine, feed, settings)

    def lived(self, records: Sequence[TickRecord]) -> RunLog:
        """The log of the same ticks; the start of a session decides nothing in either life."""
        for record in records:
            self.feed.market = seen = self._with_funding(record)
            if record.start:
                self.engine.position_update_handler.refresh(seen.timestamp, seen)
                self.engine.event_logger.close_step()
                self.engine.current_timestamp = seen.timestamp
            else:
                self.engine.process_timestep(seen.timestamp)
        return joined_log([TickRecord.of(self.engine.event_logger.take())])

    def _with_funding(self, record: TickRecord) -> MarketSnapshot:
        """The market of a tick, with the rates that the funding booked in it amounts to."""
        market = record.commits[record.closings[-1]].market
        rates = dict(self._rates([found.delta for found in record.deltas], market))
        if not rates:
            return market
        return replace(market, funding=tuple(rates.get(slot, 0.0) for slot in range(len(market.price))))

    def _rates(self, deltas: Sequence[PositionDelta], market: MarketSnapshot) -> Iterator[tuple[int, float]]:
        paid: dict[int, float] = defaultdict(float)
        held: dict[int, float] = {}
        for delta in deltas:
            if delta.source is DeltaSource.FUNDING and delta.reference_quantity:
                slot = self._perp_of(delta, market)
                paid[slot] += delta.amount
                held[slot] = delta.reference_quantity
        for slot, amount in paid.items():
            account = next(one for one in self.settings.margin_accounts if slot in one.perp_slots)
            yield slot, amount / account.contract.funding(held[slot], market.mark[slot], 1.0)

    def _perp_of(self, delta: PositionDelta, market: MarketSnapshot) -> int:
        """The perp that a payment into a cash slot was for: the one whose mark it names."""
        account = next(one for one in self.settings.margin_accounts if one.cash_slot == delta.slot)
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


def _about(journal: LiveJournal) -> SessionAbout:
    ticks = journal.ticks()
    if not ticks:
        raise StateError(f"{journal.path} has no completed tick.", remedy="let a session tick once.")
    return about_record(journal, journal.state_of(ticks[-1]))


def _now() -> int:
    return time.time_ns() // 1_000
