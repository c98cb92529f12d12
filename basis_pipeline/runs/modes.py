"""What modes there are, what they need, and how far they have been run."""

from __future__ import annotations

from dataclasses import dataclass

from basis_pipeline.config.wiring import wire_mode
from basis_pipeline.market_data.frame_coverage import CoveredMonths, coverage
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


def describe_modes(workspace: Workspace) -> list[ModeDescription]:
    """All configured modes; a mode whose file is wrong raises ConfigError."""
    described = []
    for name in workspace.config.modes():
        wired = wire_mode(workspace.config, name)
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
    return described
