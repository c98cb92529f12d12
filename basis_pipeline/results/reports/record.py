"""What a page is about: the published months of one record, with all their tables or with the closing records only."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa

from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.evidence import GateStatus, Source
from basis_pipeline.results.metrics import compute_metrics, performance
from basis_pipeline.results.store import MonthManifest, PublishedMonth, ResultsStore
from basis_pipeline.results.tables import SCHEMAS

Figures = dict[str, float | None]

_ADDITIVE = ("pnl_", "funding_", "cost_", "orders")
_LOWEST = ("min_",)


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


class Summary(msgspec.Struct, frozen=True):
    """Consecutive months of one record, each step as it closed.

    Attributes:
        mode, experiment: which record; `experiment` is None for the standing one.
        months: at least one, in order.
        steps: the table `timesteps` of all months.
        by_month: the headline figures of each month.
        metrics: the headline figures of the whole range.
    """

    mode: str
    experiment: str | None
    months: tuple[PublishedMonth, ...]
    steps: pa.Table
    by_month: tuple[Figures, ...]
    metrics: Figures

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
    def live(self) -> bool:
        """A record of live sessions, not of a backtest."""
        return self.latest.source is Source.LIVE

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


class Record(Summary, frozen=True):
    """A summary with all months of each table, in order, and where they come from."""

    tables: dict[str, pa.Table]
    origin: Origin = Origin()


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
    published = _published(results, mode, months, experiment)
    parts = {table: _read(results, published, table) for table in SCHEMAS}
    tables = {name: _joined(found, name) for name, found in parts.items()}
    figures = {metric.metric: metric.value for metric in compute_metrics(tables, opening=_opens(published))}
    by_month = tuple(map(_figures, parts["metrics"]))
    return Record(mode, experiment, published, tables["timesteps"], by_month, figures, tables, origin)


def load_summary(results: ResultsStore, mode: str, experiment: str | None = None) -> Summary:
    """Read the closing records and headline figures of all published months: a fraction of `load_record`.

    Performance is computed over the range; what adds up is summed over the months, extremes are those of the months.

    Raises:
        StateError: no month is published.
    """
    published = _published(results, mode, None, experiment)
    steps = _joined(_read(results, published, "timesteps"), "timesteps")
    by_month = tuple(map(_figures, _read(results, published, "metrics")))
    figures = {metric.metric: metric.value for metric in performance(steps, opening=_opens(published))}
    return Summary(mode, experiment, published, steps, by_month, _over_months(by_month) | figures)


def _published(
    results: ResultsStore, mode: str, months: Sequence[str] | None, experiment: str | None
) -> tuple[PublishedMonth, ...]:
    wanted = results.months(mode, experiment) if months is None else sorted(months)
    if not wanted:
        raise StateError(f"{mode} has no published month below {results.base}.", remedy="run a backtest of it first.")
    return tuple(results.get(mode, month, experiment) for month in wanted)


def _read(results: ResultsStore, months: Sequence[PublishedMonth], table: str) -> list[pa.Table]:
    return [results.read(month, table) for month in months]


def _joined(parts: Sequence[pa.Table], table: str) -> pa.Table:
    """All parts with the columns of today: one that an older month does not have is null there."""
    return pa.concat_tables([SCHEMAS[table].empty_table(), *parts], promote_options="default").unify_dictionaries()


def _opens(months: Sequence[PublishedMonth]) -> bool:
    return months[0].manifest.month == months[-1].manifest.opening_month


def _figures(metrics: pa.Table) -> Figures:
    return dict(zip(metrics["metric"].to_pylist(), metrics["value"].to_pylist(), strict=True))


def _over_months(by_month: Sequence[Figures]) -> Figures:
    names = dict.fromkeys(name for figures in by_month for name in figures)
    found: Figures = {}
    for name in names:
        known = [value for figures in by_month if (value := figures.get(name)) is not None]
        if name.startswith(_ADDITIVE):
            found[name] = sum(known)
        elif name.startswith(_LOWEST):
            found[name] = min(known, default=None)
    return found
