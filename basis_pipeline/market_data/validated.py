"""Read access to validated market data. File lists come from manifests, never from folders.

::

    <root>/validated/<dataset>/venue=<venue>/symbol=<symbol>/month=<YYYY-MM>/<file>.parquet
    <root>/validated/_manifests/<dataset>/venue=<venue>/symbol=<symbol>/month=<YYYY-MM>.json
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from basis_pipeline.domain.errors import DataError, StorageError
from basis_pipeline.domain.timeline import iso, month_of, months_between
from basis_pipeline.market_data.manifests import Coverage, MonthBody, merge_coverage
from basis_pipeline.storage.locations import Location
from basis_pipeline.storage.publications import Publication, PublicationStore

TIMESTAMP = "timestamp"
QUARANTINE = "_quarantine"


class SeriesMonths(NamedTuple):
    """One published series and its months in order."""

    venue: str
    symbol: str
    months: tuple[str, ...]


class ValidatedStore:
    """Validated series below one folder (`DataRoot.validated`)."""

    def __init__(self, base: Location) -> None:
        self.base = base

    def datasets(self) -> list[str]:
        """Names of the datasets that have anything published."""
        root = self.base / "_manifests"
        return sorted(path.name for path in root.glob("*") if path.is_dir())

    def series(self, dataset: str) -> list[SeriesMonths]:
        """All series of a dataset, ordered by venue and symbol."""
        months: dict[tuple[str, str], list[str]] = {}
        for partition in self.publications(dataset).partitions():
            venue, symbol, month = _keys(partition)
            months.setdefault((venue, symbol), []).append(month)
        return [SeriesMonths(venue, symbol, tuple(sorted(found))) for (venue, symbol), found in sorted(months.items())]

    def months(self, dataset: str, venue: str, symbol: str) -> tuple[str, ...]:
        """Published months of one series in order; empty if there is none."""
        partitions = self.publications(dataset).partitions(series_path(venue, symbol) + "/")
        return tuple(sorted(_keys(partition)[2] for partition in partitions))

    def read(  # noqa: PLR0917 - the key of a series and a half-open range are known by their order
        self,
        dataset: str,
        venue: str,
        symbol: str,
        start_us: int,
        end_us: int,
        columns: Sequence[str] | None = None,
        *,
        pinned: Mapping[str, str] | None = None,
    ) -> pa.Table:
        """Rows with `start_us` <= timestamp < `end_us` (microseconds UTC), months concatenated, sorted by timestamp.

        `columns` names the value columns wanted (`timestamp` always comes first); None gives all, provenance included.
        `pinned` maps month to generation as `generations` returned it; reading another generation is refused.

        Raises:
            DataError: nothing is published for the series, or a column does not exist.
            StorageError: a pinned generation was replaced, or a file is missing or unreadable.
        """
        months = self._published_months(dataset, venue, symbol)
        wanted = set(months_between(month_of(start_us), month_of(max(start_us, end_us - 1))))
        names = None if columns is None else [TIMESTAMP, *(name for name in columns if name != TIMESTAMP)]
        parts = []
        for month in [m for m in months if m in wanted] or months[:1]:
            publication = self._publication(dataset, venue, symbol, month)
            if pinned is not None and pinned.get(month) != publication.generation:
                raise _replaced(dataset, publication, pinned.get(month))
            parts.append(self._read_month(dataset, publication, names))
        return _between(pa.concat_tables(parts), start_us, end_us)

    def generations(self, dataset: str, venue: str, symbol: str, months: Iterable[str]) -> dict[str, str]:
        """Generation by month of the published ones among `months`; a backtest pins them."""
        store = self.publications(dataset)
        found = {month: store.find(month_path(venue, symbol, month)) for month in months}
        return {month: publication.generation for month, publication in found.items() if publication}

    def body(self, dataset: str, venue: str, symbol: str, month: str) -> MonthBody:
        """Sources, counts by rule, coverage and findings of one published month."""
        return MonthBody.of(self._publication(dataset, venue, symbol, month).body)

    def published_body(self, dataset: str, venue: str, symbol: str, month: str) -> MonthBody | None:
        """Like `body`, but None for a month that is not published."""
        found = self.publications(dataset).find(month_path(venue, symbol, month))
        return MonthBody.of(found.body) if found else None

    def coverage(
        self, dataset: str, venue: str, symbol: str, months: Iterable[str] | None = None, *, step: int | None = None
    ) -> Coverage:
        """Coverage of the published months (or of those among `months`) as one stretch.

        With `step`, the dataset's step in microseconds, absent steps between months count as missing.
        """
        published = self._published_months(dataset, venue, symbol)
        chosen = published if months is None else [month for month in published if month in set(months)]
        if not chosen:
            raise DataError(f"{dataset} of {venue} {symbol} has none of the months asked for.", code="DATA-003")
        return merge_coverage((self.body(dataset, venue, symbol, month).coverage for month in chosen), step)

    def publications(self, dataset: str) -> PublicationStore:
        """The publication store of one dataset; each dataset keeps its manifests in a folder of its own."""
        return PublicationStore(self.base, manifests=f"_manifests/{dataset}")

    def _published_months(self, dataset: str, venue: str, symbol: str) -> list[str]:
        months = list(self.months(dataset, venue, symbol))
        if not months:
            raise DataError(
                f"no validated {dataset} of {venue} {symbol} below {self.base}.",
                code="DATA-003",
                remedy="ingest raw files that hold it, or leave it out of the configuration.",
            )
        return months

    def _publication(self, dataset: str, venue: str, symbol: str, month: str) -> Publication:
        found = self.publications(dataset).find(month_path(venue, symbol, month))
        if found is None:
            raise DataError(f"{dataset} of {venue} {symbol} has no month {month}.", code="DATA-003")
        return found

    def _read_month(self, dataset: str, publication: Publication, names: list[str] | None) -> pa.Table:
        table = self.publications(dataset).read(publication, dataset)
        if names is None:
            return table
        if absent := sorted(set(names) - set(table.column_names)):
            raise DataError(
                f"{dataset} ({publication.partition}) has no column {', '.join(absent)}; it has "
                f"{', '.join(table.column_names)}.",
                code="DATA-003",
            )
        return table.select(names)


def series_path(venue: str, symbol: str) -> str:
    return f"venue={venue}/symbol={symbol}"


def month_path(venue: str, symbol: str, month: str) -> str:
    return f"{series_path(venue, symbol)}/month={month}"


def _keys(partition: str) -> tuple[str, str, str]:
    venue, symbol, month = (part.partition("=")[2] for part in partition.split("/"))
    return venue, symbol, month


def _between(table: pa.Table, start_us: int, end_us: int) -> pa.Table:
    stamps = table.column(TIMESTAMP).to_numpy().astype("datetime64[us]").astype(np.int64)
    first, last = np.searchsorted(stamps, [start_us, end_us], side="left")
    return table.slice(int(first), max(0, int(last) - int(first)))


def _replaced(dataset: str, publication: Publication, pinned: str | None) -> StorageError:
    first = MonthBody.of(publication.body).coverage.first
    return StorageError(
        f"{dataset} ({publication.partition}, from {iso(first)}) is now generation {publication.generation}; "
        f"this run pinned {pinned or 'no generation of it'}.",
        code="STORE-005",
        remedy="start the run again: an ingestion changed its data.",
    )
