"""One validated series as a frame reads it: loaded once with its generations pinned, looked up as of timesteps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from basis_pipeline.domain.errors import DataError, DataGapError
from basis_pipeline.domain.evidence import SeriesUsage
from basis_pipeline.domain.timeline import HOUR, MINUTE, iso, month_of, months_between
from basis_pipeline.market_data.dataset_types import Column
from basis_pipeline.market_data.datasets import dataset
from basis_pipeline.market_data.datasets_signals import ML_SIGNALS
from basis_pipeline.market_data.frames.lookups import (
    Columns,
    Observations,
    Stamps,
    Values,
    cadence_of,
    lookup_of,
    maximum_age,
    observe,
)
from basis_pipeline.market_data.frames.reliability import require_reliable
from basis_pipeline.market_data.frames.requirements import SeriesRef
from basis_pipeline.market_data.validated import TIMESTAMP, ValidatedStore

LABEL_SHIFT = "label_shift"
"""The rule that moves rows to where a declared correction says they belong, as manifests name it."""

FUNDING, INTERVAL = "funding_rates", "interval_hours"
_QUALITY = "quality"


class Window(NamedTuple):
    """Timesteps [start, end) every `step` microseconds."""

    start: int
    end: int
    step: int

    @property
    def months(self) -> list[str]:
        return months_between(month_of(self.start), month_of(self.end - 1))

    @property
    def last_step(self) -> int:
        return self.end - self.step

    def steps(self) -> Stamps:
        return np.arange(self.start, self.end, self.step, dtype=np.int64)


@dataclass(frozen=True)
class LoadedSeries:
    """Rows of one series around a window.

    Attributes:
        stamps: row stamps in time order.
        columns: by name, float64; times are microseconds, exact below 2^53, words their place among the choices.
        age_limit: microseconds a value may be used after it became known.
        begin: stamp of the first row ever published.
        reach: see `reach_of`.
        quality: by row, observed | filled | proxied.
        moved: rows of the window's months that a declared stamp correction has moved.
        generations: by month, what was read.
        used: by row, whether some lookup used it; the only thing that lookups change.
    """

    ref: SeriesRef
    stamps: Stamps
    columns: Columns
    age_limit: int
    begin: int
    reach: int
    quality: npt.NDArray[np.str_]
    moved: int
    generations: Mapping[str, str]
    used: npt.NDArray[np.bool_] = field(repr=False)

    def observations(self) -> Observations:
        return observe(self.ref.dataset, self.stamps, self.columns)

    def as_of(self, steps: Stamps) -> Values:
        """At each step the latest value known; DataGapError where there is none within the age limit."""
        known, values, rows = self.observations()
        at = positions_known(known, steps, self)
        self.mark_used(rows[at])
        return values[at]

    def as_of_since_begin(self, steps: Stamps) -> Values:
        """Like `as_of`, but 0.0 at steps before the series ever began."""
        values, begun = np.zeros(len(steps)), steps >= self.begin
        if begun.any():
            values[begun] = self.as_of(steps[begun])
        return values

    def mark_used(self, rows: Stamps | npt.NDArray[np.bool_]) -> None:
        self.used[rows] = True

    def usage(self, *, complete: bool) -> SeriesUsage:
        """What the lookups so far have used."""
        observed = int((self.used & (self.quality == "observed")).sum())
        return SeriesUsage(
            self.ref.dataset,
            self.ref.venue,
            self.ref.symbol,
            rows=int(self.used.sum()),
            filled=int((self.used & (self.quality == "filled")).sum()),
            proxied=int((self.used & (self.quality == "proxied")).sum()),
            corrected=min(self.moved, observed),
            complete=complete,
            generations=dict(self.generations),
        )


def months_read(ref: SeriesRef, window: Window) -> list[str]:
    """The months that lookups in `window` may need of `ref`: its own, and as far back as a value may be used."""
    first = window.start - maximum_age(ref.dataset, window.step) - cadence_of(ref.dataset)
    return months_between(month_of(first), window.months[-1])


def load(store: ValidatedStore, ref: SeriesRef, window: Window) -> LoadedSeries | None:
    """Read what lookups in `window` may need of `ref`; None if no month of the window is published."""
    cadence, limit = cadence_of(ref.dataset), maximum_age(ref.dataset, window.step)
    first = window.start - limit - cadence
    generations = store.generations(ref.dataset, ref.venue, ref.symbol, months_read(ref, window))
    if not set(window.months) & generations.keys():
        return None
    read = [month for month in window.months if month in generations]
    require_reliable(store, ref, read)
    bodies = [store.body(ref.dataset, ref.venue, ref.symbol, month) for month in read]
    lookup = lookup_of(ref.dataset)
    names = [*lookup.as_of, *lookup.beside]
    table = store.read(ref.dataset, ref.venue, ref.symbol, first, window.end, [*names, _QUALITY], pinned=generations)
    stamps = _microseconds(table.column(TIMESTAMP))
    columns = {name: _floats(table.column(name), dataset(ref.dataset).column(name)) for name in names}
    return LoadedSeries(
        ref,
        stamps,
        columns,
        limit,
        begin_of(store, ref),
        reach_of(store, ref),
        np.asarray(table.column(_QUALITY).to_pylist(), dtype=np.str_),
        sum(body.counts.changed.get(LABEL_SHIFT, 0) for body in bodies),
        generations,
        np.zeros(len(stamps), dtype=bool),
    )


def begin_of(store: ValidatedStore, ref: SeriesRef) -> int:
    """Stamp of the first published row; DataError where nothing is published."""
    key = (ref.dataset, ref.venue, ref.symbol)
    return store.coverage(*key, store.months(*key)[:1]).first


def reach_of(store: ValidatedStore, ref: SeriesRef) -> int:
    """When the observation after the last published one is due; the series reaches every timestep before that.

    Raises:
        DataError: nothing is published for the series.
    """
    key = (ref.dataset, ref.venue, ref.symbol)
    last = store.coverage(*key, store.months(*key)[-1:]).last
    if ref.dataset == FUNDING:
        row = store.read(*key, last, last + 1, [INTERVAL])
        return last + round(float(row.column(INTERVAL)[0].as_py()) * HOUR)
    cadence = cadence_of(ref.dataset)
    return last - last % cadence + cadence


def positions_known(known: Stamps, steps: Stamps, series: LoadedSeries) -> Stamps:
    """Index of the last entry of `known` at or before each step; DataGapError at the first that is too old."""
    at = np.searchsorted(known, steps, side="right") - 1
    if len(known) == 0:
        raise gap(series, int(steps[0]), None, None)
    stale = (at < 0) | (steps - known[at] > series.age_limit)
    if stale.any():
        step = int(steps[np.argmax(stale)])
        before = int(np.searchsorted(known, step, side="right")) - 1
        last = int(known[before]) if before >= 0 else None
        following = int(known[before + 1]) if before + 1 < len(known) else None
        raise gap(series, step, last, following)
    return at


def gap(series: LoadedSeries, step: int, last: int | None, following: int | None) -> DataGapError:
    """The error for a timestep at which nothing recent enough is known between `last` and `following`."""
    limit = f" within its maximum age of {duration(series.age_limit)}" if series.age_limit else " exactly"
    since = f"last known {iso(last)} ({duration(step - last)} old)" if last is not None else "nothing known before"
    until = f"next known {iso(following)}" if following is not None else "nothing more in the data read"
    resume = f"start at {iso(following)} or later" if following is not None else "end before that"
    return DataGapError(
        f"{series.ref} has no value at {iso(step)}{limit}: {since}, {until}.",
        remedy=f"ingest a file that covers it, declare a fill in configs/data, or {resume}.",
    )


def no_data(ref: SeriesRef, window: Window) -> DataError:
    """The error for a required series of which nothing is published in `window`."""
    return DataError(
        f"no validated {ref} for {' to '.join(dict.fromkeys((window.months[0], window.months[-1])))}.",
        code="DATA-003",
        remedy=f"{training_hint(ref)}ingest a file that covers it, or choose months that the data cover.",
    )


def training_hint(ref: SeriesRef | None) -> str:
    """The first half of a remedy where signals may be what is missing."""
    return "train its model with `basis signals`, " if ref is not None and ref.dataset == ML_SIGNALS else ""


def ends_early(series: LoadedSeries, window: Window) -> DataGapError:
    """The error for a series that does not reach the end of a window that has to be complete."""
    return DataGapError(
        f"{series.ref} reaches {iso(series.reach)} only (its next observation is due then); the last timestep of "
        f"{window.months[-1]} asked for is {iso(window.last_step)}.",
        remedy="ingest a file that covers the rest, or run it as an open month.",
    )


def duration(micros: int) -> str:
    """`2 h`, `15 min`, `1 h 30 min`: a length of time for a message."""
    hours, rest = divmod(micros, HOUR)
    parts = [f"{hours} h"] if hours or not rest else []
    return " ".join([*parts, *([f"{rest / MINUTE:g} min"] if rest else [])])


def _microseconds(column: pa.ChunkedArray) -> Stamps:
    stamps: Stamps = column.to_numpy().astype("datetime64[us]").astype(np.int64)
    return stamps


def _floats(column: pa.ChunkedArray, declared: Column) -> Values:
    """Float64 with NaN for NULL; times as microseconds, words as their place among the choices."""
    if declared.choices:
        column = pc.index_in(column.cast(pa.string()), pa.array(declared.choices))
    if pa.types.is_timestamp(column.type):
        return _microseconds(column).astype(np.float64)
    values: Values = pc.cast(column, pa.float64()).to_numpy()
    return values
