"""The frame: everything an engine may know at each timestamp of a window, and nothing known later.

::

    series -> as-of columns by slot (numpy) -> one MarketSnapshot per timestep

At t a price is the open of the bar stamped t. In a hole it is the latest value known: the close of the last bar that
ended at or before t, known when that bar ended and usable for the dataset's maximum age from then on. Low and high are
those of the bar that ended at t; of a bar that begins at t only the open is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import astuple

from basis_pipeline.domain.errors import DataError
from basis_pipeline.domain.evidence import DataUsage
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.timeline import iso
from basis_pipeline.market_data.frames.lookups import Values
from basis_pipeline.market_data.frames.panel import Panel, build_panel, stand_ins
from basis_pipeline.market_data.frames.requirements import (
    FrameSpec,
    SeriesRef,
    late_references,
    limits,
    requirements,
)
from basis_pipeline.market_data.frames.rewards import Rewards, load_rewards
from basis_pipeline.market_data.frames.series import LoadedSeries, Window, ends_early, load, no_data
from basis_pipeline.market_data.validated import ValidatedStore


class Frame:
    """Snapshots by timestamp; the engine's MarketFeed of a backtest.

    Attributes:
        timestamps: microseconds UTC of all timesteps, in order.
        usage: what the snapshots were computed from.
    """

    def __init__(self, snapshots: Sequence[MarketSnapshot], usage: DataUsage) -> None:
        self.timestamps: list[int] = [snapshot.timestamp for snapshot in snapshots]
        self.usage = usage
        self._snapshots = dict(zip(self.timestamps, snapshots, strict=True))

    def at(self, timestamp: int) -> MarketSnapshot:
        """The snapshot at exactly `timestamp`; DataError if that is no timestep of this frame."""
        snapshot = self._snapshots.get(timestamp)
        if snapshot is None:
            raise DataError(
                f"{iso(timestamp)} is no timestep of the frame from {iso(self.timestamps[0])} to "
                f"{iso(self.timestamps[-1])}.",
            )
        return snapshot


def build_frame(store: ValidatedStore, spec: FrameSpec, start: int, end: int, *, allow_open: bool = False) -> Frame:
    """Snapshots of the timesteps [start, end), microseconds UTC, every `spec.step`.

    With `allow_open` the frame ends at the last step that every series reaches, and `usage.complete` says so.

    Raises:
        DataError: nothing is published for a required series, or a settlement falls between two steps.
        DataGapError: a value is older than its maximum age, a settlement is missing, or a series ends before the
            window does and `allow_open` is not given.
        StorageError: an ingestion replaced the data meanwhile.
    """
    window = Window(start, end, spec.step)
    loaded = _load_all(store, spec, window)
    reached = _reached(loaded, spec, window, allow_open=allow_open)
    panel = build_panel(spec, loaded, reached.steps())
    rewards = load_rewards(store, spec, reached)
    return Frame(_snapshots(panel, rewards), _usage(spec, loaded, rewards, window))


def _load_all(store: ValidatedStore, spec: FrameSpec, window: Window) -> dict[SeriesRef, LoadedSeries]:
    loaded, late, rewards = {}, late_references(spec), frozenset(spec.rewards.values())
    for required in requirements(spec):
        if required.series in rewards:
            continue
        series = load(store, required.series, window)
        if series is not None:
            loaded[required.series] = series
        elif not required.optional or (required.series in late and _begun(store, required.series, window)):
            raise no_data(required.series, window)
    return loaded


def _begun(store: ValidatedStore, series: SeriesRef, window: Window) -> bool:
    """Whether anything of the series was published for a month before the window."""
    months = store.months(series.dataset, series.venue, series.symbol)
    return bool(months) and months[0] < window.months[0]


def _reached(loaded: Mapping[SeriesRef, LoadedSeries], spec: FrameSpec, window: Window, *, allow_open: bool) -> Window:
    """The part of `window` that every series reaches: all of it, unless the month is still open."""
    short = [series for ref, series in loaded.items() if limits(spec, ref) and series.reach <= window.last_step]
    if not short:
        return window
    shortest = min(short, key=lambda series: series.reach)
    if not allow_open or shortest.reach <= window.start:
        raise ends_early(shortest, window)
    steps = -(-(shortest.reach - window.start) // window.step)
    return window._replace(end=window.start + steps * window.step)


def _usage(spec: FrameSpec, loaded: Mapping[SeriesRef, LoadedSeries], rewards: Rewards, window: Window) -> DataUsage:
    series = (
        rows.usage(complete=rows.reach > window.last_step or not limits(spec, ref)) for ref, rows in loaded.items()
    )
    return DataUsage((*series, *rewards.usage), stand_ins(spec, loaded, window.last_step))


def _snapshots(panel: Panel, rewards: Rewards) -> list[MarketSnapshot]:
    """Transpose columns to snapshots; plain floats and tuples, once."""
    slots = zip(*(astuple(columns) for columns in panel.slots), strict=True)
    *by_field, opened = [zip(*(column.tolist() for column in columns), strict=True) for columns in slots]
    rates = zip(*(column.tolist() for column in panel.funding), strict=True)
    funding = [settled if settles else None for settled, settles in zip(rates, panel.settles.tolist(), strict=True)]
    rest = (funding, panel.usd.tolist(), panel.share_price.tolist())
    gas = (_optional(panel.gas_price, panel), _optional(panel.gas_token_price, panel))
    steps = panel.steps.tolist()
    paid = [rewards.by_step.get(step, ()) for step in steps]
    columns = (steps, *by_field, *rest, *gas, paid)
    if panel.signals is not None:
        columns = (*columns, opened, panel.signals)
    return [MarketSnapshot(*row) for row in zip(*columns, strict=True)]


def _optional(column: Values | None, panel: Panel) -> list[float] | list[None]:
    return [None] * len(panel.steps) if column is None else column.tolist()
