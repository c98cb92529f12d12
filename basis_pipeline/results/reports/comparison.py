"""Several records of one mode over the same months: figures, profit by source, what was configured differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from basis_pipeline.domain.errors import ConfigError, StateError
from basis_pipeline.domain.evidence import Source
from basis_pipeline.domain.records import Category
from basis_pipeline.results.record_paths import STANDING
from basis_pipeline.results.reports.headline import NOTHING, category_sum
from basis_pipeline.results.reports.record import Record, load_record
from basis_pipeline.results.store import ResultsStore


class FigureRow(msgspec.Struct, frozen=True):
    """One metric of every record. `form`: percent, plain, count, or money in the share class."""

    title: str
    form: str
    values: tuple[float | None, ...]


class Difference(msgspec.Struct, frozen=True):
    """A key of the behavioural configuration on which records differ; None where a record has no such key."""

    key: str
    values: tuple[str | None, ...]


class Comparison(msgspec.Struct, frozen=True):
    """Records of `mode`, the standing one first if there is one.

    Attributes:
        months: the months that all records have, in order; all figures are of these.
        notes: what a reader must know before comparing.
        warnings: what makes them not quite comparable and can be mended.
    """

    mode: str
    months: tuple[str, ...]
    records: tuple[Record, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(record.experiment or STANDING for record in self.records)

    @property
    def currency(self) -> str:
        return self.records[0].currency


_FIGURES = (
    ("Return", "percent", "time_weighted_return"),
    ("CAGR", "percent", "cagr"),
    ("Volatility", "percent", "volatility"),
    ("Sharpe", "plain", "sharpe"),
    ("Sortino", "plain", "sortino"),
    ("Max drawdown", "percent", "max_drawdown"),
    ("Equity at the start", "money", "start_equity"),
    ("Equity at the end", "money", "end_equity"),
    ("Profit", "money", "profit"),
    ("Funding", "money", "pnl_funding"),
    ("Supply yield", "money", "pnl_supply_yield"),
    ("Staking yield", "money", "pnl_staking_yield"),
    ("Borrow costs", "money", "pnl_borrow_costs"),
    ("Transaction costs", "money", "pnl_transaction_costs"),
    ("Orders", "count", "orders"),
    ("Turnover", "plain", "turnover"),
    ("Lowest margin ratio, at a refresh", "percent", "min_margin_ratio"),
    ("Lowest health factor", "plain", "min_health_factor"),
)


def load_comparison(results: ResultsStore, mode: str, experiments: Sequence[str]) -> Comparison:
    """Load experiments of a mode beside its standing record, over the months that all of them have.

    Raises:
        StateError: nothing is published of an experiment, there is nothing to compare with, or no month in common.
        ConfigError: an experiment is named twice.
    """
    if len(set(experiments)) < len(experiments):
        raise ConfigError("an experiment is named twice.")
    _refuse_live(results, mode, experiments)
    names = [*((None,) if results.months(mode) else ()), *experiments]
    published = {name: results.months(mode, name) for name in names}
    for name, months in published.items():
        if not months:
            raise StateError(
                f"experiment {name} of {mode} has no published month.",
                remedy=f"published of {mode} are: {', '.join(_of_mode(results, mode)) or 'none'}.",
            )
    if len(names) < 2:
        raise StateError(
            f"{mode} has no standing record to compare {experiments[0]} with.",
            remedy=f"run `basis backtest {mode}`, or name a second experiment.",
        )
    common = sorted(set.intersection(*(set(months) for months in published.values())))
    if not common:
        told = "; ".join(f"{name or STANDING} {months[0]} to {months[-1]}" for name, months in published.items())
        raise StateError(f"the records of {mode} have no month in common: {told}.", remedy="run them over the same.")
    records = tuple(load_record(results, mode, common, name) for name in names)
    return Comparison(mode, tuple(common), records, tuple(_notes(records, published)), tuple(_warnings(records)))


def _refuse_live(results: ResultsStore, mode: str, experiments: Sequence[str]) -> None:
    for name in experiments:
        months = results.months(mode, name)
        if months and results.manifest(mode, months[0], name).source is Source.LIVE:
            raise ConfigError(
                f"{name} is a live record: its ticks are not the steps of a backtest.",
                remedy=f"`basis live-compare {mode}` replays it and says what differs; its figures are in SQL.",
            )


def figure_rows(comparison: Comparison) -> list[FigureRow]:
    """Headline figures; one that is nothing in all records is left out."""
    found = [
        FigureRow(title, form, tuple(record.metrics.get(metric) for record in comparison.records))
        for title, form, metric in _FIGURES
    ]
    return [row for row in found if any(row.values)]


def attribution_rows(comparison: Comparison) -> dict[str, tuple[float, ...]]:
    """By category, its profit as a fraction of the equity at the start, for every record; sources without any left out.

    The sum over categories is the total return of a record.
    """
    rows = {str(category): tuple(_share(record, category) for record in comparison.records) for category in Category}
    return {category: values for category, values in rows.items() if any(abs(value) > NOTHING for value in values)}


def differences(comparison: Comparison) -> list[Difference]:
    """Keys on which the records' configurations differ, sorted; values as JSON text."""
    behaviours = [record.latest.config.get("behaviour", {}) for record in comparison.records]
    keys = sorted({key for behaviour in behaviours for key in behaviour})
    found = (Difference(key, tuple(behaviour.get(key) for behaviour in behaviours)) for key in keys)
    return [difference for difference in found if len(set(difference.values)) > 1]


def _share(record: Record, category: Category) -> float:
    start = record.metrics["start_equity"]
    return category_sum(record.metrics, category) / start if start else 0.0


def _of_mode(results: ResultsStore, mode: str) -> list[str]:
    return [name for name in results.experiments() if mode in results.modes(name)]


def _notes(records: Sequence[Record], published: dict[str | None, list[str]]) -> Iterator[str]:
    if len({tuple(months) for months in published.values()}) > 1:
        told = "; ".join(f"{name or STANDING} {months[0]} to {months[-1]}" for name, months in published.items())
        yield f"Compared are only the months that all records have. Published are: {told}."
    opening = [record.experiment or STANDING for record in records if record.opens]
    if 0 < len(opening) < len(records):
        opened = ", ".join(opening)
        yield f"{opened} opened at the start of these months and paid for its entry; the others were already invested."


def _warnings(records: Sequence[Record]) -> Iterator[str]:
    if len({record.latest.engine_version for record in records}) > 1:
        yield "The records were made by different versions of the engine."
    read = {tuple(sorted(_slices(record))) for record in records}
    series = {tuple(sorted(usage.name for usage in record.latest.data_usage.series)) for record in records}
    if len(series) == 1 and len(read) > 1:
        yield "The records were computed from different versions of the market data: run the older ones again."


def _slices(record: Record) -> Iterator[str]:
    for month in record.months:
        for usage in month.manifest.data_usage.series:
            yield from (f"{usage.name}@{name}={found}" for name, found in usage.generations.items())
