"""How long the parts of a timestep and of an order take, and what they may take (R99-R101)."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Phase(StrEnum):
    """What is timed: the phases of a timestep, the parts of a chain, the parts of an order."""

    REFRESH = "refresh"
    STRATEGY = "strategy"
    EXECUTION = "execution"
    EXPOSURE = "exposure"
    RISK = "risk"
    PNL = "pnl"
    LOGGING = "logging"
    ROUTE = "order: route"
    VENUE = "order: venue"
    RECONCILE = "order: reconcile"
    ORDER = "order: total"


BUDGETS: dict[Phase, float] = {
    Phase.REFRESH: 0.5,
    Phase.STRATEGY: 1.0,
    Phase.EXECUTION: 10.0,
    Phase.EXPOSURE: 0.2,
    Phase.RISK: 0.15,
    Phase.PNL: 0.2,
    Phase.LOGGING: 0.05,
    Phase.ROUTE: 1e-3,
    Phase.VENUE: 1e-3,
    Phase.RECONCILE: 10e-3,
    Phase.ORDER: 20e-3,
}
"""Seconds that one time of a phase may take: R101 for a timestep, R99 for an order of a backtest."""


class Timing(msgspec.Struct):
    """Wall-clock seconds of all times that a phase was run; `worst` is the longest one."""

    count: int = 0
    seconds: float = 0.0
    worst: float = 0.0

    @property
    def mean(self) -> float:
        """Seconds per time; 0 where it never ran."""
        return self.seconds / self.count if self.count else 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
        self.worst = max(self.worst, seconds)

    def within(self, phase: Phase) -> bool:
        """Whether the phase keeps its budget on average; the worst time includes whatever else the machine did."""
        return self.mean <= BUDGETS[phase]


Timings = dict[Phase, Timing]
