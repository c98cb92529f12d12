"""What modes there are, what they need, and how far they have been run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.wiring import WiredMode, wire_mode
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.frames.coverage import CoveredMonths, coverage, last_common_month
from basis_pipeline.market_data.frames.requirements import requirements
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


def wire_modes(config: ConfigFolder) -> tuple[list[WiredMode], dict[str, ConfigError]]:
    """All configured modes, and by name what is wrong with the file of those that cannot be read."""
    wired, broken = [], {}
    for name in config.modes():
        try:
            wired.append(wire_mode(config, name))
        except ConfigError as error:
            broken[name] = error
    return wired, broken


def describe_modes(workspace: Workspace) -> tuple[list[ModeDescription], dict[str, ConfigError]]:
    """All configured modes, and by name what is wrong with the file of those that cannot be read."""
    wired, broken = wire_modes(workspace.config)
    return [_described(workspace, mode) for mode in wired], broken


def readers(config: ConfigFolder) -> Mapping[SeriesKey, tuple[str, ...]]:
    """By series the configured modes that read it, as far as their files can be read."""
    found: dict[SeriesKey, tuple[str, ...]] = {}
    for mode in wire_modes(config)[0]:
        for required in requirements(mode.frame_spec):
            series = required.series
            key = SeriesKey(series.dataset, series.venue, series.symbol)
            found[key] = (*found.get(key, ()), mode.name)
    return found


def last_data_month(workspace: Workspace, modes: Sequence[WiredMode]) -> str | None:
    """The last month for which any of `modes` has data of everything it needs."""
    ends = (last_common_month(workspace.validated, mode.frame_spec) for mode in modes)
    return max((end for end in ends if end), default=None)


def _described(workspace: Workspace, wired: WiredMode) -> ModeDescription:
    return ModeDescription(
        name=wired.name,
        description=wired.file.description,
        share_class=wired.file.share_class,
        step=wired.file.step,
        initial_capital=wired.file.initial_capital,
        required_series=wired.profile.required_series,
        covered=coverage(workspace.validated, wired.frame_spec),
        published=tuple(workspace.results.months(wired.name)),
        stale=tuple(outdated_months(workspace, wired)),
    )
