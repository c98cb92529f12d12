"""The use case `publish`: what a live session did, month by month, beside the backtests and in the same tables.

Everything comes from the journal, so it can be done while a session runs, after it ended, or after it was killed. The
running month is published as incomplete. A month that a gate of live records refuses is published all the same.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from itertools import groupby
from typing import NamedTuple

from basis_pipeline.domain.behaviour import BEHAVIOUR
from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.evidence import DataUsage, GateResult, GateStatus, Source
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import month_end, month_of
from basis_pipeline.gates.declared_live import LIVE_GATES
from basis_pipeline.gates.evidence import MonthEvidence
from basis_pipeline.gates.market import MonthMarket
from basis_pipeline.gates.registry import evaluate
from basis_pipeline.live_journal.database import Mark
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.results.metrics import compute_metrics, metrics_table
from basis_pipeline.results.record_paths import live_record
from basis_pipeline.results.store import MonthManifest, PublishedMonth, ResultsStore
from basis_pipeline.runs.live.record import about_record, existing_journal, tick_records
from basis_pipeline.runs.live.tables import LiveTables, live_evidence, live_tables, overdue_intents, settled_orders
from basis_pipeline.runs.reports import write_reports
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.digests import text_digest
from basis_pipeline.storage.files import exclusive_lock
from basis_pipeline.storage.locations import Location


def publish_live(workspace: Workspace, mode: str, environment: str, *, now: int | None = None) -> list[PublishedMonth]:
    """Publish every month of the journal of `mode` in `environment` that is not published as it stands.

    Args:
        workspace: where journal and results are.
        mode: name of the mode.
        environment: dev, staging or prod; it is in the name of the record.
        now: wall clock, microseconds UTC; a month is complete when it is over.

    Raises:
        StateError: there is no journal, or it has no completed tick.
        StorageError: results cannot be written; the journal is not touched by it.
    """
    wall = now if now is not None else time.time_ns() // 1_000
    with closing(LiveJournal.read(existing_journal(workspace, mode, environment), lambda: wall)) as journal:
        record = record_of(workspace.results, mode, environment, journal.identity)
        lock = workspace.root.path / "locks" / f"{record}.{mode}.lock"
        with exclusive_lock(lock, purpose=f"publishing {record} of {mode}", wait=True):
            return _Publishing(workspace.results, record, journal, wall).run()


class LiveResults(NamedTuple):
    """What `publish_results` did: the record, the months that were published now, and its page."""

    record: str
    months: list[PublishedMonth]
    page: Location

    @property
    def failed(self) -> list[str]:
        """`month gate` of every gate that one of the months fails."""
        return [
            f"{month.manifest.month} {gate.gate}"
            for month in self.months
            for gate in month.manifest.gates
            if gate.status is GateStatus.FAILED
        ]


def publish_results(workspace: Workspace, mode: str, environment: str) -> LiveResults:
    """Publish what is new in a journal (see `publish_live`), its page, the overview and the catalogue file."""
    months = publish_live(workspace, mode, environment)
    with closing(LiveJournal.read(existing_journal(workspace, mode, environment), lambda: 0)) as journal:
        record = record_of(workspace.results, mode, environment, journal.identity)
    return LiveResults(record, months, write_reports(workspace, mode, record))


def record_of(results: ResultsStore, mode: str, environment: str, journal_id: str) -> str:
    """The record a journal is published as. One that was begun anew leaves the record of the other one alone."""
    name = live_record(environment)
    published = results.months(mode, name)
    if not published or results.manifest(mode, published[0], name).run_id == journal_id:
        return name
    return f"{name}-{journal_id}"


class _Publishing:
    """One pass over the months of a journal."""

    def __init__(self, results: ResultsStore, record: str, journal: LiveJournal, now: int) -> None:
        self._results, self._record, self._journal, self._now = results, record, journal, now
        self._ticks = journal.ticks()
        if not self._ticks:
            raise StateError(
                f"{journal.path} has no completed tick.", remedy="let a session tick once; nothing is to be published."
            )
        self._about = about_record(journal, journal.state_of(self._ticks[-1]))
        self._orders = settled_orders(journal)
        self._capital = self._opening_capital()

    def run(self) -> list[PublishedMonth]:
        published: list[PublishedMonth] = []
        before: PublishedMonth | None = None
        last: Mark | None = None
        opening = ""
        for month, marks in groupby(self._ticks, lambda tick: month_of(int(tick.key))):
            ticks, opening = list(marks), opening or month
            version = self._version(month, ticks[-1], before)
            found = self._results.find(self._about.mode, month, self._record)
            if found is None or found.manifest.data_version != version:
                found = self._publish(month, ticks, last, (opening, version), before)
                published.append(found)
            before, last = found, ticks[-1]
        return published

    def _publish(
        self,
        month: str,
        ticks: Sequence[Mark],
        last: Mark | None,
        identity: tuple[str, str],
        before: PublishedMonth | None,
    ) -> PublishedMonth:
        previous = self._journal.state_of(last) if last else self._about.seed
        state = self._journal.state_of(ticks[-1])
        made = live_tables(self._journal, self._about, ticks, last, self._orders)
        metrics = compute_metrics(made.tables, opening=previous is None)
        made = made._replace(tables=made.tables | {"metrics": metrics_table(metrics)})
        manifest = MonthManifest(
            mode=self._about.mode,
            month=month,
            experiment=self._record,
            opening_month=identity[0],
            complete=self._over(month),
            share_class=self._about.share_class,
            initial_capital=self._capital,
            config_digest=state.config_digest,
            config=self._about.config,
            engine_version=self._about.engine_version,
            data_version=identity[1],
            predecessor=before.generation if before else None,
            data_usage=DataUsage(),
            gates=self._verdicts(month, made, state, previous, ticks[-1]),
            timings=made.timings,
            run_id=self._journal.identity,
            source=Source.LIVE,
        )
        return self._results.publish_month(manifest, made.tables, state)

    def _verdicts(
        self, month: str, made: LiveTables, state: EngineState, previous: EngineState | None, last: Mark
    ) -> tuple[GateResult, ...]:
        operations = (previous.operation_id if previous else 0, state.operation_id)
        overdue = overdue_intents(self._journal, last, self._now)
        market = [state.market] if state.market else []
        evidence = MonthEvidence(
            month=month,
            opening=previous is None,
            profile=self._about.profile,
            universe=self._about.universe,
            tables=made.tables,
            market=MonthMarket.of(market, None),
            usage=DataUsage(),
            state=state,
            previous=previous,
            allow_open=True,
            live=live_evidence(made, self._orders, operations, overdue),
        )
        return evaluate(evidence, LIVE_GATES)

    def _version(self, month: str, last: Mark, before: PublishedMonth | None) -> str:
        """Equal while there is nothing new to publish."""
        predecessor = before.generation if before else ""
        late = sum(order.known > last.written_at for order in self._orders)
        parts = (self._journal.identity, str(last.number), str(late), BEHAVIOUR, predecessor, str(self._over(month)))
        return text_digest(*parts)[:16]

    def _over(self, month: str) -> bool:
        return self._now >= month_end(month)

    def _opening_capital(self) -> float:
        """Share-class units that the record opened with."""
        if self._about.seed is not None:
            return self._about.profile.initial_capital
        _, first = next(tick_records(self._journal))
        return first.commits[first.closings[-1]].pnl.flow
