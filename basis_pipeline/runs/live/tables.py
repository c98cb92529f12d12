"""A month of a live session's journal as result tables, and what its gates look at beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from basis_pipeline.domain.intents import Facts, Fate, Intent
from basis_pipeline.domain.timings import Durations, Timings
from basis_pipeline.gates.live_evidence import LiveEvidence, SettledOrder
from basis_pipeline.live_journal.database import Entry, Kind, Mark
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.results.tables import AS_OF, WALL_TIME
from basis_pipeline.runs.live.delays import live_budgets
from basis_pipeline.runs.live.record import SessionAbout, TickRecord, joined_log, tick_records
from basis_pipeline.runs.simulation import tracked_tables

BATCH = 2_000
"""Records that are in memory at a time: more than a day of minutes."""

OVERDUE = 600_000_000
"""Microseconds after which an order without a fate is no longer on its way."""

_Ints = npt.NDArray[np.int64]


class LiveTables(NamedTuple):
    """What the records of a month amount to.

    Attributes:
        tables: all but `metrics`, with `as_of` and `wall_time`.
        timings: over all ticks.
        ticks, starts, skipped, off, started: see LiveEvidence.
    """

    tables: dict[str, pa.Table]
    timings: Timings
    ticks: int
    starts: int
    skipped: int
    off: int
    started: tuple[int, ...]


def live_tables(
    journal: LiveJournal,
    about: SessionAbout,
    ticks: Sequence[Mark],
    before: Mark | None,
    orders: Sequence[SettledOrder],
) -> LiveTables:
    """The tables of consecutive ticks; `before` is the one before them."""
    parts: dict[str, list[pa.Table]] = defaultdict(list)
    durations = Durations()
    known, universe = {order.operation_id: order.known for order in orders}, about.universe
    tally = _Tally(_record(journal, before) if before else None)
    for batch in batches(tick_records(journal, ticks[0].number, ticks[-1].number)):
        log = joined_log(record for _, record in batch)
        made = tracked_tables(log, universe, about.margin_venues, about.tracked_assets, signals=about.signals)
        for name, table in made.items():
            parts[name].append(_timed(table, batch, known if name == "orders" else {}))
        durations.add(log.moments)
        tally.count(record for _, record in batch)
    tables = {name: pa.concat_tables(found).unify_dictionaries().combine_chunks() for name, found in parts.items()}
    return LiveTables(
        tables,
        durations.timings(live_budgets(universe.keys)),
        tally.ticks,
        len(tally.started),
        tally.skipped,
        tally.off,
        tuple(tally.started),
    )


def settled_orders(journal: LiveJournal) -> list[SettledOrder]:
    """Every order of the journal whose fate is known, in the order of their decisions."""
    facts = {entry.key: entry for entry in journal.entries(Kind.FACTS)}
    return [_settled(entry, facts[entry.key]) for entry in journal.entries(Kind.INTENT) if entry.key in facts]


def live_evidence(
    made: LiveTables, orders: Iterable[SettledOrder], operations: tuple[int, int], open_intents: Iterable[str]
) -> LiveEvidence:
    """Evidence about the operations above the first and up to the second of `operations`."""
    above, last = operations
    return LiveEvidence(
        orders=tuple(order for order in orders if above < order.operation_id <= last),
        open_intents=tuple(open_intents),
        ticks=made.ticks,
        starts=made.starts,
        skipped=made.skipped,
        off=made.off,
        started=made.started,
    )


def overdue_intents(journal: LiveJournal, last: Mark, now: int) -> list[str]:
    """Intents whose fate should be known: written before the record `last`, or too long ago to be on their way."""
    settled = {mark.key for mark in journal.entries(Kind.FACTS)}
    return [
        entry.key
        for entry in journal.entries(Kind.INTENT)
        if entry.key not in settled and (entry.number < last.number or entry.written_at < now - OVERDUE)
    ]


class _Tally:
    """Counts ticks, starts, what was skipped and how long no session ran."""

    def __init__(self, before: TickRecord | None) -> None:
        self._before = before
        self.ticks = self.skipped = self.off = 0
        self.started: list[int] = []

    def count(self, records: Iterable[TickRecord]) -> None:
        for record in records:
            before = self._before
            self.ticks += 1
            self.started += [record.timestamp] if record.start else []
            self.skipped += record.skipped - (0 if record.start or before is None else before.skipped)
            self.off += record.timestamp - before.timestamp if record.start and before else 0
            self._before = record


def _record(journal: LiveJournal, mark: Mark) -> TickRecord:
    return next(tick_records(journal, mark.number))[1]


def batches(records: Iterable[tuple[Entry, TickRecord]]) -> Iterator[list[tuple[Entry, TickRecord]]]:
    """Some records at a time; those at one timestamp stay together, because only the last of them closes it."""
    batch: list[tuple[Entry, TickRecord]] = []
    for entry, record in records:
        if len(batch) >= BATCH and record.timestamp != batch[-1][1].timestamp:
            yield batch
            batch = []
        batch.append((entry, record))
    if batch:
        yield batch


def _timed(table: pa.Table, batch: Sequence[tuple[Entry, TickRecord]], known: Mapping[int, int]) -> pa.Table:
    """`table` with what live tables have beyond those of backtests.

    That is when the values of a row were told if they were held, and when its record was written down, or the fate of
    its order `known`.
    """
    ends = np.maximum.accumulate(np.array([record.timestamp for _, record in batch], dtype=np.int64))
    written = np.array([entry.written_at for entry, _ in batch], dtype=np.int64)
    stamps: _Ints = table["timestamp"].cast(pa.int64()).to_numpy()
    places = np.minimum(np.searchsorted(ends, stamps), len(ends) - 1)
    moments = written[places]
    if known:
        operations = table["operation_id"].to_numpy()
        moments = np.array(
            [known.get(operation, moment) for operation, moment in zip(operations, moments, strict=True)],
            dtype=np.int64,
        )
    told = pa.array([record.as_of for _, record in batch], AS_OF.type)
    table = table.append_column(AS_OF, told.take(pa.array(places)))
    return table.append_column(WALL_TIME, pa.array(moments.view("datetime64[us]")))


def _settled(intended: Entry, settled: Entry) -> SettledOrder:
    intent = msgspec.json.decode(intended.payload, type=Intent)
    facts = msgspec.json.decode(settled.payload, type=Facts)
    return SettledOrder(
        operation_id=intent.order.operation_id,
        executed=facts.fate is Fate.EXECUTED,
        filled=facts.filled,
        decided=intent.timestamp,
        intended=intended.written_at,
        known=settled.written_at,
        executed_at=facts.executed_at,
    )
