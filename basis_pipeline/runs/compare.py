"""The use case `compare`: experiments beside the standing record of their mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.results.reports.comparison import (
    Comparison,
    Difference,
    FigureRow,
    differences,
    figure_rows,
    load_comparison,
)
from basis_pipeline.results.reports.comparison_page import write_comparison, written
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.locations import Location

__all__ = ["ComparisonReport", "compare", "compare_with_standing", "written"]


class ComparisonReport(NamedTuple):
    """A comparison, its figures and differences as rows, and its HTML page."""

    comparison: Comparison
    figures: list[FigureRow]
    differences: list[Difference]
    page: Location


def compare(workspace: Workspace, experiments: Sequence[str], mode: str | None = None) -> ComparisonReport:
    """Compare experiments of one mode with its standing record, and write the page.

    Without `mode` the experiments themselves must leave no doubt which one is meant.

    Raises:
        ConfigError: there is no such experiment, or the mode is in doubt.
        StateError: there is nothing to compare, or no month in common.
    """
    chosen = mode or _mode_of(workspace, experiments)
    comparison = load_comparison(workspace.results, chosen, experiments)
    page = write_comparison(workspace.results, comparison)
    return ComparisonReport(comparison, figure_rows(comparison), differences(comparison), page)


def compare_with_standing(workspace: Workspace, mode: str, experiment: str) -> ComparisonReport | None:
    """Compare one experiment with the standing record; None where the two have no month in common."""
    results = workspace.results
    if set(results.months(mode)).isdisjoint(results.months(mode, experiment)):
        return None
    return compare(workspace, [experiment], mode)


def _mode_of(workspace: Workspace, experiments: Sequence[str]) -> str:
    results = workspace.results
    for name in experiments:
        if not results.modes(name):
            known = ", ".join(results.experiments()) or "none"
            raise ConfigError(f"there is no experiment {name!r}.", remedy=f"known are {known}.")
    common = set.intersection(*(set(results.modes(name)) for name in experiments))
    if len(common) != 1:
        held = "; ".join(f"{name} has {', '.join(results.modes(name))}" for name in experiments)
        remedy = "name one with --mode." if common else "compare experiments of one mode."
        raise ConfigError(f"it is not clear which mode to compare: {held}.", remedy=remedy)
    return common.pop()
