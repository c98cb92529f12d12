"""Which months the published data cover: where a mode can open, and how far it can go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from basis_pipeline.domain.errors import DataError
from basis_pipeline.domain.timeline import month_end, month_start
from basis_pipeline.market_data.frames.frame import build_frame
from basis_pipeline.market_data.frames.requirements import FrameSpec, SeriesRef, requirements
from basis_pipeline.market_data.frames.series import training_hint
from basis_pipeline.market_data.validated import ValidatedStore


class CoveredMonths(NamedTuple):
    """Months (`YYYY-MM`) a spec can be run on; None where there is none.

    Attributes:
        first_full: the first month whose every timestep has every value; where a mode opens.
        last_any: the last month that every required series has rows in; it may be open. A month between the two may
            still have a hole that nothing fills.
    """

    first_full: str | None
    last_any: str | None


def coverage(store: ValidatedStore, spec: FrameSpec) -> CoveredMonths:
    """The months that the data of `spec` cover; a month is full if its frame can be built without `allow_open`."""
    months = _common_months(store, spec)
    return CoveredMonths(_first_full(store, spec, months), months[-1] if months else None)


def last_common_month(store: ValidatedStore, spec: FrameSpec) -> str | None:
    """`CoveredMonths.last_any` alone, which takes no frame."""
    return max(_common_months(store, spec), default=None)


def first_full_month(store: ValidatedStore, spec: FrameSpec) -> str:
    """Where a mode opens by default; DataError if its data cover no month fully."""
    months = _common_months(store, spec)
    found = _first_full(store, spec, months)
    if found is None:
        raise DataError(
            f"no month is fully covered: {_uncovered(store, spec, months)}",
            code="DATA-003",
            remedy=f"{training_hint(spec.signals)}ingest what is missing, or declare fills in configs/data.",
        )
    return found


def _uncovered(store: ValidatedStore, spec: FrameSpec, months: list[str]) -> str:
    """What is in the way: series without any rows, else series that never meet, else the hole in the last month."""
    needed = {
        required.series: _months(store, required.series) for required in requirements(spec) if not required.optional
    }
    if absent := [str(series) for series, published in needed.items() if not published]:
        return f"nothing is published of {', '.join(absent)}."
    if months:
        try:
            build_frame(store, spec, month_start(months[-1]), month_end(months[-1]))
        except DataError as error:
            return f"{months[0]} to {months[-1]} have holes: {error}"
    late, early = max(needed, key=lambda one: needed[one][0]), min(needed, key=lambda one: needed[one][-1])
    return f"{late} begins {needed[late][0]} and {early} ends {needed[early][-1]}, and no month has rows of all series."


def _common_months(store: ValidatedStore, spec: FrameSpec) -> list[str]:
    """Months in which every required series has rows, in order."""
    by_series = [set(_months(store, required.series)) for required in requirements(spec) if not required.optional]
    return sorted(set.intersection(*by_series))


def _months(store: ValidatedStore, series: SeriesRef) -> tuple[str, ...]:
    return store.months(series.dataset, series.venue, series.symbol)


def _first_full(store: ValidatedStore, spec: FrameSpec, months: Iterable[str]) -> str | None:
    return next((month for month in months if _builds(store, spec, month)), None)


def _builds(store: ValidatedStore, spec: FrameSpec, month: str) -> bool:
    try:
        build_frame(store, spec, month_start(month), month_end(month))
    except DataError:
        return False
    return True
