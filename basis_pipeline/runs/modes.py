"""What modes there are, what they need, and how far they have been run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.wiring import wire_mode
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.frame_coverage import CoveredMonths, coverage
from basis_pipeline.market_data.requirements import requirements
from basis_pipeline.runs.freshness import outdated_months
from basis_pipeline.runs.workspace import Workspace


@dataclass(frozen=True)
class ModeDescription:
    """A mode as configured, covered by data, and published."""

    name: str
    description: str
    share_class: str
    step: str
    initial_capital: float
    required_series: tuple[str, ...]
    covered: CoveredMonths
    published: tuple[str, ...]
    stale: tuple[str, ...]


def describe_modes(workspace: Workspace) -> tuple[list[ModeDescription], dict[str, ConfigError]]:
    """All configured modes, and by name what is wrong with the file of those that cannot be read."""
    described, broken = [], {}
    for name in workspace.config.modes():
        try:
            wired = wire_mode(workspace.config, name)
        except ConfigError as error:
            broken[name] = error
            continue
        described.append(
            ModeDescription(
                name=name,
                description=wired.file.description,
                share_class=wired.file.share_class,
                step=wired.file.step,
                initial_capital=wired.file.initial_capital,
                required_series=wired.profile.required_series,
                covered=coverage(workspace.validated, wired.frame_spec),
                published=tuple(workspace.results.months(name)),
                stale=tuple(outdated_months(workspace, wired)),
            )
        )
    return described, broken


def readers(config: ConfigFolder) -> Mapping[SeriesKey, tuple[str, ...]]:
    """By series the configured modes that read it; a mode whose file is wrong raises ConfigError."""
    found: dict[SeriesKey, tuple[str, ...]] = {}
    for mode in config.modes():
        for required in requirements(wire_mode(config, mode).frame_spec):
            series = required.series
            key = SeriesKey(series.dataset, series.venue, series.symbol)
            found[key] = (*found.get(key, ()), mode)
    return found
