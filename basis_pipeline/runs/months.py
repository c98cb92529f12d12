"""Which months a run covers and what it starts from."""

from __future__ import annotations

from dataclasses import dataclass

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.errors import ConfigError, StateError
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import months_between, parse_month, shift_month
from basis_pipeline.market_data.frames.coverage import first_full_month, last_common_month
from basis_pipeline.market_data.validated import ValidatedStore
from basis_pipeline.results.store import PublishedMonth, ResultsStore, broken_months


@dataclass(frozen=True)
class MonthRange:
    """Months to run, in order, and the month that opens their record."""

    months: tuple[str, ...]
    opening_month: str


def opening_month(wired: WiredMode, validated: ValidatedStore) -> str:
    """Where a mode opens by itself: `opening_month` of its file, else the first month its data cover fully."""
    return wired.file.opening_month or first_full_month(validated, wired.frame_spec)


def last_month(wired: WiredMode, validated: ValidatedStore) -> str:
    """The last month with data of everything the mode needs; it may still be open."""
    found = last_common_month(validated, wired.frame_spec)
    return found if found is not None else opening_month(wired, validated)


def standing_range(
    wired: WiredMode,
    validated: ValidatedStore,
    results: ResultsStore,
    *,
    first: str | None,
    last: str | None,
    reopen: bool,
) -> MonthRange:
    """The months of a standing run; ConfigError or StateError where they do not fit what is published.

    Without `first` a new record opens where its data begin and an existing one is run again from its opening.
    """
    end = last_month(wired, validated)
    first = parse_month(first, name="the first month") if first else None
    last = parse_month(last, name="the last month") if last else end
    published = results.months(wired.name)
    if not published or reopen:
        opening = first or opening_month(wired, validated)
        return MonthRange(_months(wired, opening, last, end), opening)
    opening = results.manifest(wired.name, published[0]).opening_month
    first = first or opening
    if first < opening:
        raise ConfigError(
            f"{wired.name} opened in {opening}; {first} is earlier.",
            remedy=f"use --reopen to discard its {len(published)} published months and open in {first}.",
        )
    if first > shift_month(published[-1], 1):
        raise ConfigError(
            f"{wired.name} is published to {published[-1]}; starting in {first} would leave a gap.",
            remedy=f"start in {shift_month(published[-1], 1)}, or use --reopen to open a new record in {first}.",
        )
    return MonthRange(_months(wired, first, last, end), opening)


def experiment_range(wired: WiredMode, validated: ValidatedStore, *, first: str | None, last: str | None) -> MonthRange:
    """An experiment always opens fresh in its first month."""
    end = last_month(wired, validated)
    first = parse_month(first, name="the first month") if first else opening_month(wired, validated)
    last = parse_month(last, name="the last month") if last else end
    return MonthRange(_months(wired, first, last, end), first)


def predecessor(
    results: ResultsStore, mode: str, month: str, opening: str, experiment: str | None
) -> tuple[PublishedMonth | None, EngineState | None]:
    """The month before and its checkpoint; (None, None) at the opening.

    Raises:
        StateError: the month before is not published, not complete, or its checkpoint cannot be used.
        StorageError: its manifest or a file of it was changed since it was published.
    """
    if month == opening:
        return None, None
    before = shift_month(month, -1)
    published = results.find(mode, before, experiment)
    if published is None:
        raise StateError(
            f"{mode} {month} cannot start: {before} is not published.", remedy=f"run {mode} from {before} or earlier."
        )
    if not published.manifest.complete:
        raise StateError(
            f"{mode} {month} cannot start: {before} is published but its data were not complete.",
            remedy=f"ingest the rest of {before} and run it again, then {month}.",
        )
    results.publications.verify(published.publication)
    return published, results.checkpoint(mode, before, experiment)


def stale_months(results: ResultsStore, mode: str, experiment: str | None = None) -> list[str]:
    """Published months from the first one on that no longer rests on the published month before it.

    All of them where the record does not begin with the month that opened it.
    """
    months = [results.get(mode, month, experiment) for month in results.months(mode, experiment)]
    if months and months[0].manifest.predecessor is not None:
        return [month.manifest.month for month in months]
    return broken_months(months)


def _months(wired: WiredMode, first: str, last: str, end: str) -> tuple[str, ...]:
    """The months from `first` to `last`; refused as a whole where the data, which end in `end`, do not reach."""
    if first > end:
        raise ConfigError(
            f"the first month {first} is past the end of the data, {end}.", remedy="ingest later months first."
        )
    if last > end:
        raise ConfigError(
            f"{wired.name} cannot run to {last}: {end} is the last month that it has data for.",
            remedy=f"run to {end} or an earlier month, or ingest later ones first.",
        )
    months = tuple(months_between(first, last))
    if not months:
        raise ConfigError(f"the last month {last} is before the first, {first}.")
    return months
