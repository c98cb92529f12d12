"""What an ingestion reports: every file, every series, and everything that was found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.manifests import Coverage, RowCounts

FileStatus = Literal["read", "unchanged", "rejected", "ignored", "unrecognised", "failed"]
"""read: its rows went into a series. unchanged: not read, nothing changed. rejected: a placeholder, handled by a rule.
ignored: documentation, or a layout that no dataset takes. unrecognised: no layout has such a name. failed: broken."""

SeriesStatus = Literal["published", "unchanged", "blocked", "withdrawn"]
"""published: at least one month is new. unchanged: nothing is. blocked: a file or the rows are broken; what was
published before stays. withdrawn: its files are gone, and so are its months."""


class FileReport(msgspec.Struct, frozen=True):
    """One file of the raw folder. `key` is None where the file was not recognised."""

    path: str
    status: FileStatus
    key: SeriesKey | None = None
    layout: str = ""
    rows: int = 0
    sha256: str = ""
    size: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def reason(self) -> str:
        """Why it was not read, and the remedy; empty for files that were."""
        return "" if self.status in ("read", "unchanged") else "; ".join(map(str, self.findings))


class SeriesReport(msgspec.Struct, frozen=True):
    """One series. Months are those of this run; `counts` and `findings` describe the series as a whole."""

    key: SeriesKey
    status: SeriesStatus
    published: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    counts: RowCounts = RowCounts()
    coverage: Coverage | None = None
    findings: tuple[Finding, ...] = ()


class DatasetSummary(msgspec.Struct, frozen=True):
    """All series of one dataset."""

    dataset: str
    series: int
    rows: int
    dropped: int
    quarantined: int
    filled: int
    proxied: int
    blocked: int


class IngestReport(msgspec.Struct, frozen=True):
    """The outcome of one ingestion.

    Two kinds of ERROR are kept apart. `errors` say that a file or series could not be ingested: the caller exits 1.
    `failed_checks` say that a month of a published series must not be relied on (for example too many settlements
    missing to stand in for): runs that need that month refuse it, all others go on.
    """

    files: tuple[FileReport, ...]
    series: tuple[SeriesReport, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        blocked = [finding for series in self.series if series.status == "blocked" for finding in series.findings]
        found = [finding for file in self.files for finding in file.findings] + blocked
        return tuple(finding for finding in dict.fromkeys(found) if finding.severity == "ERROR")

    @property
    def failed_checks(self) -> tuple[Finding, ...]:
        checked = [series for series in self.series if series.status != "blocked"]
        return tuple(f for series in checked for f in series.findings if f.severity == "ERROR")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for _key, finding in self.findings() if finding.severity == "WARN")

    def findings(self) -> Iterator[tuple[SeriesKey | None, Finding]]:
        """Everything found, with the series it concerns."""
        for file in self.files:
            for finding in file.findings:
                yield file.key, finding
        for series in self.series:
            for finding in series.findings:
                yield series.key, finding

    def summary(self) -> tuple[DatasetSummary, ...]:
        """Totals by dataset, in the order of names."""
        names = sorted({series.key.dataset for series in self.series})
        return tuple(_summary(name, [s for s in self.series if s.key.dataset == name]) for name in names)


def _summary(name: str, series: list[SeriesReport]) -> DatasetSummary:
    def total(what: Literal["dropped", "quarantined", "filled", "proxied"]) -> int:
        return sum(sum(getattr(one.counts, what).values()) for one in series)

    return DatasetSummary(
        name,
        len(series),
        sum(one.counts.kept for one in series),
        total("dropped"),
        total("quarantined"),
        total("filled"),
        total("proxied"),
        sum(one.status == "blocked" for one in series),
    )
