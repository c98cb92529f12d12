"""Market data of the points of a sweep: built once per process, however many points read them."""

from __future__ import annotations

from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.timeline import month_end, month_start, months_between
from basis_pipeline.market_data.frames.frame import Frame, build_frame
from basis_pipeline.market_data.frames.requirements import FrameSpec
from basis_pipeline.market_data.validated import ValidatedStore
from basis_pipeline.runs.freshness import slices_of, usage_today
from basis_pipeline.storage.digests import text_digest

_STEPS_HELD = 400_000
"""Timesteps kept in memory, about 1.5 kB each: three years of 5-minute steps, or 45 of hourly ones."""


class RangeFrames:
    """Frames of consecutive months of one specification, each built when it is first asked for.

    Raises:
        StateError: the published market data are not those with `digest`; another ingestion ended meanwhile.
    """

    def __init__(self, store: ValidatedStore, spec: FrameSpec, months: list[str], digest: str) -> None:
        self.spec, self.months, self.digest = spec, months, digest
        self._store = store
        self._planned = _slices(store, spec, months)
        self._built: dict[str, Frame] = {}
        if _digest(self._planned) != digest:
            raise _changed(months)

    @property
    def steps(self) -> int:
        """Timesteps of the whole range."""
        return (month_end(self.months[-1]) - month_start(self.months[0])) // self.spec.step

    def frame(self, month: str) -> Frame:
        """The frame of one month. Only the last one may end where its data end.

        Raises:
            DataError, DataGapError: as `build_frame`.
        """
        if month not in self._built:
            start, end = month_start(month), month_end(month)
            frame = build_frame(self._store, self.spec, start, end, allow_open=month == self.months[-1])
            if sorted(slices_of(frame.usage)) != self._planned[month]:
                raise _changed(self.months)
            self._built[month] = frame
        return self._built[month]


class FrameCache:
    """The ranges of frames that a process holds, the least recently used given up first."""

    def __init__(self, store: ValidatedStore) -> None:
        self._store = store
        self._held: list[RangeFrames] = []

    def range(self, spec: FrameSpec, first: str, last: str, digest: str) -> RangeFrames:
        """Frames of the months `first` to `last` over exactly the market data with `digest`."""
        months = months_between(first, last)
        for found in self._held:
            if found.digest == digest and found.months == months and found.spec == spec:
                self._held.remove(found)
                break
        else:
            found = RangeFrames(self._store, spec, months, digest)
        self._held.append(found)
        while len(self._held) > 1 and sum(held.steps for held in self._held) > _STEPS_HELD:
            del self._held[0]
        return found


def range_digest(store: ValidatedStore, spec: FrameSpec, first: str, last: str) -> str:
    """Digest of every published slice of market data that the months would be computed from today."""
    return _digest(_slices(store, spec, months_between(first, last)))


def _slices(store: ValidatedStore, spec: FrameSpec, months: list[str]) -> dict[str, list[str]]:
    return {month: sorted(slices_of(usage_today(store, spec, month))) for month in months}


def _digest(slices: dict[str, list[str]]) -> str:
    return text_digest(*(part for month, found in slices.items() for part in (month, *found)))


def _changed(months: list[str]) -> StateError:
    return StateError(
        f"the market data of {months[0]} to {months[-1]} changed since the sweep was planned.",
        remedy="start the sweep again: points of unchanged data are not repeated.",
    )
