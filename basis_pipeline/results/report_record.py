"""What a report is about: the published months of one record with all their tables side by side."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa

from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.evidence import GateStatus
from basis_pipeline.results.metrics import compute_metrics
from basis_pipeline.results.store import MonthManifest, PublishedMonth, ResultsStore
from basis_pipeline.results.tables import SCHEMAS


class Origin(msgspec.Struct, frozen=True):
    """Where a record comes from, and what is known of it beyond its own files.

    Attributes:
        root: folder of the data root.
        synthetic: its market data are the generated sample.
        raw: folder of the vendor files.
        stale: months that would come out differently today; None where nobody looked.
    """

    root: str = ""
    synthetic: bool = False
    raw: str = ""
    stale: tuple[str, ...] | None = None


class Record(msgspec.Struct, frozen=True):
    """Consecutive months of one record.

    Attributes:
        months: at least one, in order.
        tables: all months of each table, in order.
        by_month: the headline figures of each month.
        metrics: the headline figures of the whole range.
        origin: where they come from.
    """

    mode: str
    experiment: str | None
    months: tuple[PublishedMonth, ...]
    tables: dict[str, pa.Table]
    by_month: tuple[dict[str, float | None], ...]
    metrics: dict[str, float | None]
    origin: Origin = Origin()

    @property
    def first(self) -> str:
        return self.months[0].manifest.month

    @property
    def latest(self) -> MonthManifest:
        return self.months[-1].manifest

    @property
    def currency(self) -> str:
        return self.latest.share_class

    @property
    def opens(self) -> bool:
        """The first month is the one the record opened in."""
        return self.first == self.latest.opening_month

    @property
    def title(self) -> str:
        return f"{self.mode} · {self.experiment}" if self.experiment else self.mode

    @property
    def span(self) -> str:
        last = self.latest.month
        return last if self.first == last else f"{self.first} to {last}"

    def gate_counts(self) -> dict[GateStatus, int]:
        verdicts = [gate.status for month in self.months for gate in month.manifest.gates]
        return {status: verdicts.count(status) for status in GateStatus}


def load_record(
    results: ResultsStore,
    mode: str,
    months: Sequence[str] | None = None,
    experiment: str | None = None,
    origin: Origin = Origin(),  # noqa: B008 - frozen
) -> Record:
    """Read `months` of a record, or all that are published.

    Raises:
        StateError: a month is not published, or none is.
    """
    wanted = results.months(mode, experiment) if months is None else sorted(months)
    if not wanted:
        raise StateError(f"{mode} has no published month below {results.base}.", remedy="run a backtest of it first.")
    published = tuple(results.get(mode, month, experiment) for month in wanted)
    parts = {table: [results.publications.read(month.publication, table) for month in published] for table in SCHEMAS}
    tables = {
        name: pa.concat_tables(found, promote_options="default").unify_dictionaries() for name, found in parts.items()
    }
    opens = published[0].manifest.month == published[-1].manifest.opening_month
    figures = {metric.metric: metric.value for metric in compute_metrics(tables, opening=opens)}
    by_month = tuple(_figures(month) for month in parts["metrics"])
    return Record(mode, experiment, published, tables, by_month, figures, origin)


def _figures(metrics: pa.Table) -> dict[str, float | None]:
    return dict(zip(metrics["metric"].to_pylist(), metrics["value"].to_pylist(), strict=True))
