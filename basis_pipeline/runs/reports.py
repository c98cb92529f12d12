"""The pages about published results: one per record, one over all of them, and pages of a range of months."""

from __future__ import annotations

from basis_pipeline.domain.errors import ConfigError, StateError
from basis_pipeline.domain.timeline import parse_month
from basis_pipeline.results.listing import page_address
from basis_pipeline.results.reports import overview
from basis_pipeline.results.reports.record import Origin
from basis_pipeline.results.reports.report import write_report
from basis_pipeline.results.sql.catalog import rebuild_catalogue
from basis_pipeline.runs.records import check_names, stale
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.locations import Location


def write_reports(
    workspace: Workspace,
    mode: str,
    experiment: str | None = None,
    *,
    first: str | None = None,
    last: str | None = None,
) -> Location:
    """Write the page (see `write_page`), the overview of all modes, and the catalogue file; return the page."""
    page = write_page(workspace, mode, experiment, first=first, last=last)
    write_overview(workspace)
    rebuild_catalogue(workspace.results)
    return page


def refresh_catalogue(workspace: Workspace) -> None:
    """Write the catalogue file anew, where there is one."""
    rebuild_catalogue(workspace.results)


def write_page(
    workspace: Workspace,
    mode: str,
    experiment: str | None = None,
    *,
    first: str | None = None,
    last: str | None = None,
) -> Location:
    """Write the page of a record, or of its months from `first` to `last` (inclusive) beside it; return its path.

    Raises:
        ConfigError: an unknown mode or experiment, or a month that is none.
        StateError: nothing is published in the range.
    """
    check_names(workspace, mode, experiment)
    months = published_range(workspace, mode, experiment, first=first, last=last)
    origin = _origin(workspace, tuple(stale(workspace, mode, experiment)))
    return write_report(workspace.results, mode, months, experiment, origin)


def write_rejected_report(workspace: Workspace, mode: str, experiment: str | None = None) -> Location:
    """The same page for the months that a gate rejected."""
    return write_report(workspace.results.rejected, mode, None, experiment, _origin(workspace, None))


def write_overview(workspace: Workspace) -> Location:
    """Write the page of all modes; return its path."""
    results = workspace.results
    outdated = {mode: stale(workspace, mode) for mode in results.modes()}
    return overview.write_overview(results, outdated, _origin(workspace, None))


def address(workspace: Workspace, page: Location) -> str | None:
    """Where a browser finds a page, if a server shows pages (`basis serve`, `basis dev`)."""
    return f"{workspace.reports_url}{page_address(workspace.results, page)}" if workspace.reports_url else None


def published_range(
    workspace: Workspace, mode: str, experiment: str | None, *, first: str | None, last: str | None
) -> list[str] | None:
    """Published months from `first` to `last`, an open end reaching as far as the record; None for all of them.

    Raises:
        ConfigError: `first` or `last` is not YYYY-MM, or `last` is before `first`.
        StateError: a named end is not published.
    """
    if first is None and last is None:
        return None
    for name, month in (("--from", first), ("--to", last)):
        if month is not None:
            parse_month(month, name=name)
    if first and last and last < first:
        raise ConfigError(f"--to {last} is before --from {first}.", remedy="swap them.")
    published = workspace.results.months(mode, experiment)
    missing = [month for month in (first, last) if month is not None and month not in published]
    if missing:
        have = f"{published[0]} to {published[-1]}" if published else "none"
        raise StateError(f"{mode} has no published month {missing[0]}.", remedy=f"published are: {have}.")
    return [month for month in published if (first or month) <= month <= (last or month)]


def _origin(workspace: Workspace, outdated: tuple[str, ...] | None) -> Origin:
    root, info = workspace.root, workspace.root.info
    return Origin(str(root.path), info is not None and info.kind == "sample", str(root.raw), outdated)
