"""A finished series becomes months: tables, manifest bodies, and a record of what was published from which files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from basis_pipeline.domain.errors import StorageError
from basis_pipeline.market_data.checks.coverage import step_of
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.manifests import Coverage, MonthBody, RowCounts, SourceRecord, coverage_of
from basis_pipeline.market_data.schemas import to_arrow
from basis_pipeline.market_data.series import Action, Series, months_of
from basis_pipeline.market_data.validated import QUARANTINE, ValidatedStore, month_path, series_path
from basis_pipeline.storage.digests import table_digest
from basis_pipeline.storage.files import put_bytes
from basis_pipeline.storage.locations import Location
from basis_pipeline.storage.publications import Publication

_Counts = dict[tuple[Action, str], Counter[str]]


class Origin(msgspec.Struct, frozen=True):
    """Where a series comes from: its own files, all of its family (rows may be filled from them), and their digest."""

    own: tuple[SourceRecord, ...]
    family: tuple[SourceRecord, ...]
    fingerprint: str


class SeriesRecord(msgspec.Struct, frozen=True):
    """What the last ingestion made of a series; an equal fingerprint needs no second look.

    Attributes:
        fingerprint: digest of all files of the family, the declared corrections and the code.
        months: generation by month.
    """

    key: SeriesKey
    fingerprint: str
    months: dict[str, str]
    counts: RowCounts
    coverage: Coverage
    sources: tuple[SourceRecord, ...]
    findings: tuple[Finding, ...]


class Outcome(msgspec.Struct, frozen=True):
    """Months that were published anew and months that were withdrawn; findings that arose while doing so."""

    record: SeriesRecord
    published: tuple[str, ...]
    withdrawn: tuple[str, ...]


class Records:
    """Series records below `validated/_ingest`."""

    def __init__(self, validated: Location) -> None:
        self._folder = validated / "_ingest"

    def find(self, key: SeriesKey) -> SeriesRecord | None:
        try:
            return _load(self._path(key))
        except FileNotFoundError:
            return None

    def put(self, record: SeriesRecord) -> None:
        put_bytes(self._path(record.key), msgspec.json.format(msgspec.json.encode(record), indent=1))

    def remove(self, key: SeriesKey) -> None:
        self._path(key).unlink(missing_ok=True)

    def all_keys(self) -> list[SeriesKey]:
        """Every series that has a record."""
        return sorted(_load(path).key for path in self._folder.rglob("*.json"))

    def _path(self, key: SeriesKey) -> Location:
        return self._folder / key.dataset / f"{series_path(key.venue, key.symbol)}.json"


def _load(path: Location) -> SeriesRecord:
    try:
        return msgspec.json.decode(path.read_bytes(), type=SeriesRecord)
    except msgspec.DecodeError as error:
        remedy = "delete it and ingest again."
        raise StorageError(f"{path} is not readable: {error}.", code="STORE-003", remedy=remedy) from error


def publish(series: Series, origin: Origin, store: ValidatedStore, present: set[str]) -> Outcome:
    """Publish the months of `series` whose content changed, and withdraw those whose files are gone.

    `present` names all raw files there are. A month that the series no longer has is withdrawn only if one of the files
    it came from is gone; if they are all there they lost rows, which is an ERROR, and the month stays.
    """
    key, months, family = series.key, _months(series), origin.family
    publications = store.publications(key.dataset)
    done, generations = [], {}
    for month, (tables, body) in months.items():
        partition = month_path(key.venue, key.symbol, month)
        before = publications.find(partition)
        if before is None or not _same(before, tables, body):
            sourced = msgspec.structs.replace(body, sources=_used(tables[key.dataset], family))
            before = publications.publish(partition, tables, sourced.to_builtins())
            done.append(month)
        generations[month] = before.generation
    withdrawn, kept = _withdraw(key, store, set(months), present)
    findings = (*series.findings, *kept)
    coverage = coverage_of(series.stamps, step_of(series))
    counts = _counts(_tallies(series), None, len(series.frame))
    record = SeriesRecord(key, origin.fingerprint, generations, counts, coverage, origin.own, findings)
    return Outcome(record, tuple(done), withdrawn)


def withdraw_series(key: SeriesKey, store: ValidatedStore) -> tuple[str, ...]:
    """Withdraw all months of a series whose files are gone."""
    months = store.months(key.dataset, key.venue, key.symbol)
    for month in months:
        store.publications(key.dataset).withdraw(month_path(key.venue, key.symbol, month))
    return months


def _months(series: Series) -> dict[str, tuple[dict[str, pa.Table], MonthBody]]:
    key, step = series.key, step_of(series)
    tallies = _tallies(series)
    rows = _by_month(series.frame)
    suspects = _by_month(series.quarantine) if len(series.quarantine) else {}
    found = {}
    for month, frame in rows.items():
        tables = {key.dataset: to_arrow(frame, series.dataset)}
        if month in suspects:
            table = to_arrow(suspects[month].sort_values("timestamp", kind="stable"), series.dataset, quarantine=True)
            tables[f"{QUARANTINE}/{key.dataset}"] = table
        coverage = coverage_of(np.unique(frame["timestamp"].to_numpy(dtype=np.int64)), step)
        findings = tuple(finding for finding in series.findings if _concerns(finding, month))
        counts = _counts(tallies, month, len(frame))
        found[month] = (
            tables,
            MonthBody(key.dataset, key.venue, key.symbol, month, coverage, counts, (), findings),
        )
    return found


def _concerns(finding: Finding, month: str) -> bool:
    """An error of the whole series is one of each of its months."""
    return finding.month == month or (not finding.month and finding.severity == "ERROR")


def _by_month(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    months = months_of(frame["timestamp"].to_numpy(dtype=np.int64))
    return {str(month): rows for month, rows in frame.groupby(months, sort=True)}


def _tallies(series: Series) -> _Counts:
    tallies: _Counts = {}
    for entry in series.ledger:
        tallies.setdefault((entry.action, entry.rule), Counter()).update(months_of(entry.stamps).tolist())
    return tallies


def _counts(tallies: _Counts, month: str | None, kept: int) -> RowCounts:
    """Counts of one month, or of all (None): a rule may have left nothing of a month."""

    def of(action: Action) -> dict[str, int]:
        rules = {rule: count for (done, rule), count in tallies.items() if done == action}
        rows = {rule: count.total() if month is None else count[month] for rule, count in sorted(rules.items())}
        return {rule: number for rule, number in rows.items() if number}

    dropped, quarantined, filled, proxied = of("dropped"), of("quarantined"), of("filled"), of("proxied")
    removed, added = sum(dropped.values()) + sum(quarantined.values()), sum(filled.values()) + sum(proxied.values())
    return RowCounts(kept + removed - added, kept, dropped, quarantined, filled, proxied, of("changed"))


def _same(before: Publication, tables: dict[str, pa.Table], body: MonthBody) -> bool:
    digests = {name: table_digest(table) for name, table in tables.items()}
    if {file.table: file.digest for file in before.files} != digests:
        return False
    # The files may have grown by other months meanwhile: then this month still comes from what it came from.
    published = msgspec.structs.replace(MonthBody.of(before.body), sources=())
    return published == body


def _used(table: pa.Table, sources: Sequence[SourceRecord]) -> tuple[SourceRecord, ...]:
    names = set(table.column("source_file").unique().to_pylist())
    return tuple(source for source in sources if source.path in names)


def _withdraw(
    key: SeriesKey, store: ValidatedStore, months: set[str], present: set[str]
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    gone, kept = [], []
    for month in store.months(key.dataset, key.venue, key.symbol):
        if month in months:
            continue
        body = store.body(key.dataset, key.venue, key.symbol, month)
        if all(source.path in present for source in body.sources):
            message = f"the files of {month} no longer hold it; what was published stays."
            remedy = "bring the rows back, or delete the file if the month is to go."
            kept.append(Finding("ERROR", "rows_lost", message, remedy, month=month))
        else:
            store.publications(key.dataset).withdraw(month_path(key.venue, key.symbol, month))
            gone.append(month)
    return tuple(gone), tuple(kept)
