"""Component health and the gate before execution (R86-R88)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

import msgspec
from msgspec.structs import replace


class HealthState(StrEnum):
    """Worst last. `unknown`: nobody answered, so nothing may be built on it."""

    HEALTHY = "healthy"
    NOT_READY = "not_ready"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    UNHEALTHY = "unhealthy"
    CRITICAL = "critical"


DEGRADED_ABOVE, UNHEALTHY_ABOVE = 5, 10
"""Errors in a row after which a component is degraded, and unhealthy."""
_ORDER = {state: rank for rank, state in enumerate(HealthState)}
TRADING = frozenset({HealthState.HEALTHY, HealthState.DEGRADED})
"""States of components with which orders may be executed."""


class ComponentHealth(msgspec.Struct, frozen=True):
    """State of one component, when it last changed (engine time, microseconds), why, and its errors in a row."""

    component: str
    state: HealthState = HealthState.NOT_READY
    changed_at: int = 0
    detail: str = ""
    errors: int = 0


class HealthReport(msgspec.Struct, frozen=True):
    overall_status: HealthState
    timestamp: int
    summary: str
    components: tuple[ComponentHealth, ...]


class HealthManager:
    """One manager per engine; every component is registered when the engine is wired (R87)."""

    def __init__(
        self, components: Iterable[str], on_change: Callable[[int, str, HealthState, str], None] | None = None
    ) -> None:
        self._components = {name: ComponentHealth(name) for name in components}
        self._trading = not self._components
        self._on_change = on_change
        self._checks: list[Callable[[HealthManager], None]] = []

    def register(self, component: str) -> None:
        """One more component that has to be well; it is so until it reports something else."""
        self._keep(ComponentHealth(component, HealthState.HEALTHY))

    def watch(self, check: Callable[[HealthManager], None]) -> None:
        """Have `check` report what it knows whenever somebody asks whether orders may be executed."""
        self._checks.append(check)

    def report(self, component: str, state: HealthState, timestamp: int, detail: str = "") -> None:
        """Record the state of a registered component; KeyError for an unknown one."""
        before = self._components[component]
        if before.state is state:
            self._keep(replace(before, detail=detail))
            return
        self._keep(replace(before, state=state, changed_at=timestamp, detail=detail))
        if self._on_change is not None:
            self._on_change(timestamp, component, state, detail)

    def error(self, component: str, timestamp: int, detail: str) -> None:
        """One more error in a row: many degrade a component, more make it unhealthy."""
        count = self._components[component].errors + 1
        self._keep(replace(self._components[component], errors=count))
        if count > UNHEALTHY_ABOVE:
            self.report(component, HealthState.UNHEALTHY, timestamp, detail)
        elif count > DEGRADED_ABOVE:
            self.report(component, HealthState.DEGRADED, timestamp, detail)

    def well(self, component: str, timestamp: int) -> None:
        """It did what it is for: its errors are over."""
        if self._components[component].errors:
            self._keep(replace(self._components[component], errors=0))
        self.report(component, HealthState.HEALTHY, timestamp)

    def ready(self, timestamp: int) -> None:
        """Every component came up."""
        for health in tuple(self._components.values()):
            if health.state is HealthState.NOT_READY:
                self._keep(replace(health, state=HealthState.HEALTHY, changed_at=timestamp))

    @property
    def may_execute(self) -> bool:
        """The gate of R88, asked before a decision and between orders: nothing may be worse than degraded."""
        for check in self._checks:
            check(self)
        return self._trading

    def health_of(self, component: str) -> ComponentHealth:
        return self._components[component]

    def check(self, timestamp: int) -> HealthReport:
        """The worst component decides."""
        components = tuple(self._components.values())
        worst = max((health.state for health in components), key=_ORDER.__getitem__, default=HealthState.NOT_READY)
        ill = [f"{health.component}: {health.detail or health.state}" for health in components if _ORDER[health.state]]
        return HealthReport(worst, timestamp, "; ".join(ill) or f"{len(components)} components healthy", components)

    def _keep(self, health: ComponentHealth) -> None:
        self._components[health.component] = health
        self._trading = all(one.state in TRADING for one in self._components.values())
