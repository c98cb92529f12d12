"""How long the parts of a timestep and of an order take, and what they may take (R99-R101)."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec


class Phase(StrEnum):
    """What is timed: a timestep and its phases, the parts of a chain, the parts of an order."""

    STEP = "step: total"
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


Budgets = Mapping[Phase, float]
"""Seconds that one time of a phase may take; a phase that is not in it has no budget."""

_COMPUTED: Budgets = {
    Phase.REFRESH: 0.5,
    Phase.STRATEGY: 1.0,
    Phase.EXPOSURE: 0.2,
    Phase.RISK: 0.15,
    Phase.PNL: 0.2,
    Phase.LOGGING: 0.05,
    Phase.ROUTE: 1e-3,
}
_EXECUTION: Budgets = {Phase.EXECUTION: 10.0}

BACKTEST_BUDGETS: Budgets = {
    **_COMPUTED,
    **_EXECUTION,
    Phase.VENUE: 1e-3,
    Phase.RECONCILE: 10e-3,
    Phase.ORDER: 20e-3,
}
"""R101 for a timestep, R99 for an order that a simulated venue executes."""

EXCHANGE_BUDGETS: Budgets = {
    **_COMPUTED,
    **_EXECUTION,
    Phase.VENUE: 0.5,
    Phase.RECONCILE: 0.2,
    Phase.ORDER: 0.8,
}
"""The same for an order at a real exchange."""

CHAIN_BUDGETS: Budgets = _COMPUTED
"""The same for a book on chain: a transaction waits for its block, so its execution has no budget."""


class Timing(msgspec.Struct, frozen=True):
    """Wall-clock seconds of all times that a phase was run; None where a manifest is older than the figure.

    Attributes:
        worst: the longest time; it includes whatever else the machine did.
        median, p95: times that occurred (`nearest_rank`).
        budget: what one time may take; None where there is no budget.
        over: times that took longer than the budget.
    """

    count: int
    seconds: float
    worst: float
    median: float | None = None
    p95: float | None = None
    budget: float | None = None
    over: int | None = None

    @property
    def mean(self) -> float:
        """Seconds per time."""
        return self.seconds / self.count


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

    def timings(self, budgets: Budgets) -> Timings:
        """Times by phase; a phase that never ran is left out."""
        durations = Durations()
        durations.add(self)
        return durations.timings(budgets)


class Durations:
    """Seconds of every time of every phase, gathered from one part of a run after the other."""

    def __init__(self) -> None:
        self._seconds: dict[Phase, array[float]] = {phase: array("d") for phase in Phase}

    def add(self, moments: Moments) -> None:
        self._parts(moments.steps, (Phase.REFRESH, Phase.STRATEGY, Phase.EXECUTION), Phase.STEP)
        self._parts(moments.chains, (Phase.EXPOSURE, Phase.RISK, Phase.PNL, Phase.LOGGING))
        self._parts(moments.orders, (Phase.ROUTE, Phase.VENUE, Phase.RECONCILE), Phase.ORDER)

    def timings(self, budgets: Budgets) -> Timings:
        """Times by phase; a phase that never ran is left out."""
        return {phase: timing(took, budgets.get(phase)) for phase, took in self._seconds.items() if took}

    def _parts(self, rows: Sequence[tuple[float, ...]], phases: Sequence[Phase], total: Phase | None = None) -> None:
        for place, phase in enumerate(phases, start=1):
            self._seconds[phase].extend(row[place] - row[place - 1] for row in rows if place < len(row))
        if total:
            self._seconds[total].extend(row[-1] - row[0] for row in rows)


def timing(took: Sequence[float], budget: float | None) -> Timing:
    """The distribution of `took`, seconds, at least one of them."""
    ordered = sorted(took)
    over = None if budget is None else len(ordered) - bisect_right(ordered, budget)
    median, p95 = nearest_rank(ordered, 0.5), nearest_rank(ordered, 0.95)
    return Timing(len(ordered), math.fsum(ordered), ordered[-1], median, p95, budget, over)


def nearest_rank(ordered: Sequence[float], share: float) -> float:
    """The lowest of `ordered` (not empty, increasing) that at least `share` of them do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
