"""One ingestion from scan to report: what changed is prepared and published, the rest is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from basis_pipeline.domain.progress import ProgressCallback
from basis_pipeline.market_data.blocked import BlockedSeries, save_blocked
from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import Family, SeriesKey
from basis_pipeline.market_data.datasets import dataset
from basis_pipeline.market_data.findings import Finding, RawFileError
from basis_pipeline.market_data.manifests import SourceRecord
from basis_pipeline.market_data.preparing import Preparation, examine_unused
from basis_pipeline.market_data.publishing import Origin, Outcome, Records, SeriesRecord, publish, withdraw_series
from basis_pipeline.market_data.reports import FileReport, FileStatus, IngestReport, SeriesReport, SeriesStatus
from basis_pipeline.market_data.scanning import Scan, report, scan
from basis_pipeline.market_data.sources.layout import Recognition
from basis_pipeline.market_data.validated import ValidatedStore, month_path
from basis_pipeline.storage.digests import text_digest
from basis_pipeline.storage.locations import Location

_UNUSABLE = Finding(
    "ERROR",
    "files_unusable",
    "its files are there but cannot be used; published data stays.",
    "repair the files that are reported as failed.",
)
_ELSEWHERE = ("sample", "frame")
"""Parts of this package that have no say in what is published."""


class Ingestion:
    """One pass over a raw folder into one validated store. Use once."""

    def __init__(self, raw: Path, validated: Location, corrections: Corrections, progress: ProgressCallback) -> None:
        self._progress = progress
        self._validated = validated
        self._store, self._records = ValidatedStore(validated), Records(validated)
        self._scan: Scan = scan(raw, corrections, progress)
        self._corrections = corrections
        self._files = {key: found for key, found in self._scan.recognised.items() if key.dataset}
        self._preparation = Preparation(self._files, corrections, self._scan.blocked)
        self._families: dict[Family, tuple[tuple[SourceRecord, ...], str]] = {}

    def run(self) -> IngestReport:
        """Ingest everything; a broken file stops its own series only.

        Raises:
            StorageError: something cannot be written; what was published before is untouched.
        """
        keys = sorted(self._files)
        series = []
        for done, key in enumerate(keys, start=1):
            if finished := self._series(key):
                series.append(finished)
            self._progress(str(key), done, len(keys))
        series += [self._without_files(key) for key in self._records.all_keys() if key not in self._files]
        save_blocked(self._validated, [BlockedSeries(s.key, s.findings) for s in series if s.status == "blocked"])
        files = [*self._scan.reports, *self._unused(), *(self._file(f) for key in keys for f in self._files[key])]
        return IngestReport(
            tuple(sorted(files, key=lambda file: file.path)), tuple(sorted(series, key=lambda s: s.key))
        )

    def _series(self, key: SeriesKey) -> SeriesReport | None:
        origin, record = self._origin(key), self._records.find(key)
        if record and record.fingerprint == origin.fingerprint and self._is_published(record):
            return _report(record, "unchanged")
        series = self._preparation.finished(key)
        if series is None:
            return self._unpublished(key, record)
        outcome = publish(series, origin, self._store, set(self._scan.digests))
        self._records.put(outcome.record)
        changed = outcome.published or outcome.withdrawn
        return _report(outcome.record, "published" if changed else "unchanged", outcome)

    def _unpublished(self, key: SeriesKey, record: SeriesRecord | None) -> SeriesReport | None:
        """A broken series is blocked; one of which all files are placeholders is as if there were none."""
        problems = self._preparation.problems.get(key, ())
        if problems or self._preparation.is_barred(key):
            return SeriesReport(key, "blocked", findings=problems or (_UNUSABLE,))
        return _report(record, "unchanged") if record else None

    def _without_files(self, key: SeriesKey) -> SeriesReport:
        record = self._records.find(key)
        sources = record.sources if record else ()
        if any(source.path in self._scan.digests for source in sources):
            return SeriesReport(key, "blocked", findings=(_UNUSABLE,))
        months = withdraw_series(key, self._store)
        self._records.remove(key)
        return SeriesReport(key, "withdrawn", withdrawn=months)

    def _unused(self) -> list[FileReport]:
        reports = []
        for found in (found for key, group in self._scan.recognised.items() if not key.dataset for found in group):
            try:
                finding = examine_unused(found)
                status: FileStatus = "ignored" if finding.rule == "unused_layout" else "rejected"
            except RawFileError as error:
                finding, status = error.finding, _stopped(error.finding)
            reports.append(report(found.file, status, finding, recognition=found))
        return reports

    def _file(self, found: Recognition) -> FileReport:
        outcome = self._preparation.outcomes.get(found.file.name)
        if outcome is None:
            return report(found.file, "unchanged", recognition=found)
        if outcome.stopped:
            return report(found.file, _stopped(outcome.stopped), outcome.stopped, recognition=found)
        return report(found.file, "read", *outcome.findings, recognition=found, rows=outcome.rows)

    def _origin(self, key: SeriesKey) -> Origin:
        family = dataset(key.dataset).family
        if family not in self._families:
            groups = [found for other, found in self._files.items() if dataset(other.dataset).family == family]
            # A file that cannot be used belongs to no family; it counts for all.
            usable = {found.file.name for group in self._files.values() for found in group}
            unusable = [f"{name}={sha}" for name, sha in self._scan.digests.items() if name not in usable]
            files = _records([found for group in groups for found in group])
            parts = [f"{file.path}={file.sha256}" for file in files]
            self._families[family] = files, text_digest(self._corrections.digest, _code_digest(), *unusable, *parts)
        files, fingerprint = self._families[family]
        return Origin(_records(self._files[key]), files, fingerprint)

    def _is_published(self, record: SeriesRecord) -> bool:
        key, store = record.key, self._store.publications(record.key.dataset)
        published = (store.find(month_path(key.venue, key.symbol, month)) for month in record.months)
        return [found.generation for found in published if found] == list(record.months.values())


def _stopped(finding: Finding) -> FileStatus:
    return "rejected" if finding.severity == "WARN" else "failed"


def _records(found: Sequence[Recognition]) -> tuple[SourceRecord, ...]:
    files = sorted((one.file for one in found), key=lambda file: file.name)
    return tuple(SourceRecord(file.name, file.sha256, file.size) for file in files)


def _report(record: SeriesRecord, status: SeriesStatus, outcome: Outcome | None = None) -> SeriesReport:
    published, withdrawn = (outcome.published, outcome.withdrawn) if outcome else ((), ())
    return SeriesReport(record.key, status, published, withdrawn, record.counts, record.coverage, record.findings)


@cache
def _code_digest() -> str:
    """Digest of the readers, rules and checks themselves: changed code looks at every file again."""
    package = Path(__file__).parent
    files = [
        path for path in sorted(package.rglob("*.py")) if not path.relative_to(package).parts[0].startswith(_ELSEWHERE)
    ]
    return text_digest(*(f"{path.relative_to(package)}\n{path.read_text(encoding='utf-8')}" for path in files))
