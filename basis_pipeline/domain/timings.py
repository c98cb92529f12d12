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


class Timing(msgspec.Struct, frozen=True):
    """Wall-clock seconds of all times that a phase was run; `worst` is the longest one."""

    count: int
    seconds: float
    worst: float

    @property
    def mean(self) -> float:
        """Seconds per time."""
        return self.seconds / self.count

    def __add__(self, other: Timing) -> Timing:
        return Timing(self.count + other.count, self.seconds + other.seconds, max(self.worst, other.worst))

    def within(self, phase: Phase) -> bool:
        """Whether the phase keeps its budget on average; the worst time includes whatever else the machine did."""
        return self.mean <= BUDGETS[phase]


Timings = dict[Phase, Timing]


class Moments:
    """When the parts of a run began and ended, seconds of the clock it was given: cheap to write, summed up once.

    Attributes:
        steps: start, refreshed, decided, executed; a step without orders has only the first three.
        chains: start, exposure, risk, P&L, logged.
        orders: start, routed, answered, reconciled; one that failed has only the first three.
    """

    def __init__(self) -> None:
        self.steps: list[tuple[float, ...]] = []
        self.chains: list[tuple[float, ...]] = []
        self.orders: list[tuple[float, ...]] = []

    def timings(self) -> Timings:
        """Times by phase; a phase that never ran is left out."""
        found = {
            **_summed(self.steps, (Phase.REFRESH, Phase.STRATEGY, Phase.EXECUTION)),
            **_summed(self.chains, (Phase.EXPOSURE, Phase.RISK, Phase.PNL, Phase.LOGGING)),
            **_summed(self.orders, (Phase.ROUTE, Phase.VENUE, Phase.RECONCILE)),
        }
        if self.orders:
            found[Phase.ORDER] = _timing([moments[-1] - moments[0] for moments in self.orders])
        return found


def _summed(rows: list[tuple[float, ...]], phases: tuple[Phase, ...]) -> Timings:
    found = {}
    for number, phase in enumerate(phases):
        if lasted := [row[number + 1] - row[number] for row in rows if number + 1 < len(row)]:
            found[phase] = _timing(lasted)
    return found


def _timing(lasted: list[float]) -> Timing:
    return Timing(len(lasted), sum(lasted), max(lasted))
