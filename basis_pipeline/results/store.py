"""Published months of results. A month is visible once its manifest is; every reader takes file lists from manifests.

::

    results/<table>/mode=<mode>/month=<YYYY-MM>/<file>.parquet            the standing record
    results/<table>/experiment=<name>/mode=<mode>/month=<YYYY-MM>/...           experiments
    results/checkpoint/...json                                                   EngineState after the month
    results/_manifests/...json                                                   `MonthManifest` in its body
    results/reports/...html                                                      reports
    results/rejected/                                                            the same layout again: months a gate
                                                                                 rejected, never in the views
    results/replacement/                                                         the same layout again: a record that is
                                                                                 run anew, until all of it is there
    results/_exchanges/                                                          see `exchange`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import msgspec
import pyarrow as pa

from basis_pipeline.domain.errors import GateError, StateError, StorageError
from basis_pipeline.domain.evidence import DataUsage, GateResult, GateStatus, Source
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import shift_month
from basis_pipeline.domain.timings import Timings
from basis_pipeline.results.exchange import Exchange
from basis_pipeline.results.record_paths import check_source, month_path, record_path
from basis_pipeline.results.tables import as_declared
from basis_pipeline.storage.digests import text_digest
from basis_pipeline.storage.locations import Location
from basis_pipeline.storage.publications import MANIFEST_VERSION, Publication, PublicationStore

CHECKPOINT = "checkpoint"
_REPLACEMENT = "replacement"


class MonthManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a month says about itself besides its tables.

    Attributes:
        mode, month, experiment: which month of which record; `experiment` is None for the standing record.
        opening_month: the month in which the record opened.
        complete: every required series reached the last step of the month.
        share_class: currency of `equity_share_class`.
        initial_capital: share-class units at the opening.
        config_digest: digest of the behaviour-relevant configuration.
        config: the resolved configuration as a person reads it.
        engine_version: behaviour version that ran (`domain.behaviour`).
        data_version: digest of configuration, data slices, behaviour version and the predecessor's state.
        predecessor: generation of the month before, None in the opening month.
        data_usage: the series the month was computed from.
        gates: verdicts on the month.
        timings: wall-clock time by phase, held against what it may take.
        run_id: the run that wrote it; never in a table.
        published_at: wall clock (ISO, UTC), set on publishing; never in a table.
        source: what it is a record of; a live one has an `experiment` of its own (`live_record`).
    """

    mode: str
    month: str
    experiment: str | None = None
    opening_month: str
    complete: bool
    share_class: str
    initial_capital: float
    config_digest: str
    config: dict[str, Any]
    engine_version: str
    data_version: str
    predecessor: str | None
    data_usage: DataUsage
    gates: tuple[GateResult, ...]
    timings: Timings
    run_id: str
    published_at: str = ""
    source: Source = Source.BACKTEST


class PublishedMonth(msgspec.Struct, frozen=True):
    """A published month: where its files are and what it says about itself."""

    publication: Publication
    manifest: MonthManifest

    @property
    def generation(self) -> str:
        return self.publication.generation


class ResultsStore:
    """Reads and publishes the months below one folder (`DataRoot.results`).

    `overview_path` is the first page of all reports, which rejected months share with the record.
    """

    def __init__(self, base: Location, overview_path: Location | None = None) -> None:
        self.base = base
        self.overview_path = overview_path or base / "reports" / "index.html"
        self.publications = PublicationStore(base)
        self._records = Exchange(self.publications, _REPLACEMENT)

    @property
    def rejected(self) -> ResultsStore:
        """The months a gate rejected, as a store of their own below this one."""
        return ResultsStore(self.base / "rejected", self.overview_path)

    @property
    def replacement(self) -> ResultsStore:
        """The months of records that are being run anew, as a store of their own below this one."""
        return ResultsStore(self.base / _REPLACEMENT, self.overview_path)

    def exchange(self, mode: str, experiment: str | None = None) -> None:
        """Put the record below `replacement` in the place of the published one, all months at once."""
        self._records.exchange(record_path(mode, experiment))
        self.settle(mode, experiment)

    def settle(self, mode: str, experiment: str | None = None) -> None:
        """End an exchange whose process was killed after its months became valid; writers call it first."""
        for partition in self._records.settle(record_path(mode, experiment)):
            self._discard_rejected(mode, partition.rpartition("=")[2], experiment)

    def discard_replacement(self, mode: str, experiment: str | None = None) -> None:
        """Remove the months of a record below `replacement`, unless they have become the record."""
        self._records.discard(record_path(mode, experiment))

    def publish_month(
        self, manifest: MonthManifest, tables: Mapping[str, pa.Table], state: EngineState
    ) -> PublishedMonth:
        """Replace one month by one atomic put of its manifest: tables first, then `state`, then the manifest.

        A rejected attempt at the same month is removed afterwards.

        Raises:
            GateError: a gate failed; such a month is kept by `publish_rejected`. A live month is published with it:
                what was done with real money is never hidden.
            StorageError: disk full or folder not writable; the month published before is then still whole.
        """
        check_source(manifest.experiment, manifest.source)
        failed = [verdict.gate for verdict in manifest.gates if verdict.status is GateStatus.FAILED]
        if failed and manifest.source is Source.BACKTEST:
            raise GateError(f"{manifest.mode} {manifest.month} failed {', '.join(failed)} and cannot be published.")
        published = self._publish(manifest, tables, state)
        self._discard_rejected(manifest.mode, manifest.month, manifest.experiment)
        return published

    def publish_rejected(
        self, manifest: MonthManifest, tables: Mapping[str, pa.Table], state: EngineState
    ) -> PublishedMonth:
        """Keep a month that a gate rejected where one can look at it; it replaces the attempt before it."""
        return self.rejected._publish(manifest, tables, state)  # noqa: SLF001 - a store like this one

    def modes(self, experiment: str | None = None) -> list[str]:
        """Modes that have a published month in the standing record, or in `experiment`."""
        return sorted({month.manifest.mode for month in self.all_months() if month.manifest.experiment == experiment})

    def experiments(self) -> list[str]:
        """Names of experiments that have a published month."""
        return sorted({name for month in self.all_months() if (name := month.manifest.experiment) is not None})

    def months(self, mode: str, experiment: str | None = None) -> list[str]:
        """Published months in order."""
        record = record_path(mode, experiment)
        return [partition.removeprefix(f"{record}/month=") for partition in self._records.partitions(record)]

    def find(self, mode: str, month: str, experiment: str | None = None) -> PublishedMonth | None:
        """The published month, or None."""
        found = self._records.find(record_path(mode, experiment), month_path(mode, month, experiment))
        return self._described(found) if found else None

    def get(self, mode: str, month: str, experiment: str | None = None) -> PublishedMonth:
        """The published month; raise StateError with the remedy if there is none."""
        if found := self.find(mode, month, experiment):
            return found
        record = f"experiment {experiment} of {mode}" if experiment else mode
        raise StateError(
            f"{record} has no published month {month} below {self.base}.",
            remedy=f"run that month first; published are: {', '.join(self.months(mode, experiment)) or 'none'}.",
        )

    def withdraw(self, mode: str, months: Sequence[str], experiment: str | None = None) -> None:
        """Remove published months from a record."""
        for month in months:
            self.publications.withdraw(month_path(mode, month, experiment))

    def manifest(self, mode: str, month: str, experiment: str | None = None) -> MonthManifest:
        """What the month says about itself; StateError if it is not published."""
        return self.get(mode, month, experiment).manifest

    def read_month(self, mode: str, month: str, table: str, experiment: str | None = None) -> pa.Table:
        """One table of a published month (see `read`); StateError if it is not published."""
        return self.read(self.get(mode, month, experiment), table)

    def read(self, month: PublishedMonth, table: str) -> pa.Table:
        """One table of a month with the columns of today (`tables.as_declared`); hive keys are not columns of it."""
        return as_declared(self.publications.read(month.publication, table), table, month.publication.partition)

    def checkpoint(self, mode: str, month: str, experiment: str | None = None) -> EngineState:
        """State after the last step of a published month.

        Raises:
            StateError: the month is not published, or its checkpoint is gone, was changed, or has another schema.
        """
        published = self.get(mode, month, experiment)
        source = f"checkpoint of {published.publication.partition}"
        try:
            content = self.publications.read_document(published.publication, CHECKPOINT)
        except StorageError as error:
            raise StateError(f"{source} cannot be used: {error.message}", remedy=f"re-run {month}.") from error
        return EngineState.from_json(content, source=source)

    def all_months(self) -> Iterator[PublishedMonth]:
        """Every published month of every record: standing records and experiments, in partition order."""
        return (self._described(found) for found in self._records.publications())

    def report_path(self, mode: str, experiment: str | None = None, span: tuple[str, str] | None = None) -> Location:
        """Where the HTML report of a record is written, or of its months from `span[0]` to `span[1]` only."""
        folder = self.base / "reports"
        if experiment:
            folder = folder / "experiments" / experiment
        return folder / "ranges" / f"{mode}_{span[0]}_{span[1]}.html" if span else folder / f"{mode}.html"

    def _publish(self, manifest: MonthManifest, tables: Mapping[str, pa.Table], state: EngineState) -> PublishedMonth:
        stamped = msgspec.structs.replace(manifest, published_at=datetime.now(UTC).isoformat(timespec="seconds"))
        partition = month_path(manifest.mode, manifest.month, manifest.experiment)
        publication = self.publications.publish(
            partition, tables, msgspec.to_builtins(stamped), {CHECKPOINT: state.to_json()}
        )
        return PublishedMonth(publication, stamped)

    def _discard_rejected(self, mode: str, month: str, experiment: str | None) -> None:
        rejected = self.rejected
        rejected.publications.withdraw(month_path(mode, month, experiment))
        if not rejected.months(mode, experiment):
            rejected.report_path(mode, experiment).unlink(missing_ok=True)

    def _described(self, publication: Publication) -> PublishedMonth:
        if publication.version != MANIFEST_VERSION:
            raise StorageError(
                f"manifest of {publication.partition} below {self.base} is of version {publication.version}, which has "
                "no seal: nobody can tell whether it was changed.",
                code="STORE-006",
                remedy=f"delete {self.base} and run `basis run`: nothing of it can be read together with newer months.",
            )
        try:
            return PublishedMonth(publication, msgspec.convert(publication.body, MonthManifest))
        except msgspec.ValidationError as error:
            raise StorageError(
                f"manifest of {publication.partition} below {self.base} is not a month of results: {error}.",
                code="STORE-003",
                remedy="delete it and re-run its month.",
            ) from error


def broken_months(months: Sequence[PublishedMonth]) -> list[str]:
    """Of `months` of one record, in order: those from the first on that does not continue the one before it.

    A month continues another if it follows in the calendar (live sessions may be off for months), started from its
    published generation, and is of the same opening and configuration. Two records spliced by an interrupted run break
    where they meet.
    """
    for number, (before, month) in enumerate(pairwise(months), start=1):
        if not _continues(before, month):
            return [broken.manifest.month for broken in months[number:]]
    return []


def _continues(before: PublishedMonth, month: PublishedMonth) -> bool:
    earlier, later = before.manifest, month.manifest
    return (
        later.predecessor == before.generation
        and (later.month == shift_month(earlier.month, 1) or later.source is Source.LIVE)
        and later.opening_month == earlier.opening_month
        and later.config_digest == earlier.config_digest
    )


def month_digest(published: PublishedMonth) -> str:
    """SHA-256 (hex) over the canonical content of all tables and the checkpoint: equal for equal runs."""
    files = sorted(published.publication.files, key=lambda file: file.table)
    return text_digest(*(f"{file.table}={file.digest}" for file in files))
