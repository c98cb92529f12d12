"""Component health and the gate before execution (R86-R88)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

import msgspec


class HealthState(StrEnum):
    """Worst last."""

    HEALTHY = "healthy"
    NOT_READY = "not_ready"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    CRITICAL = "critical"


_ORDER = {state: rank for rank, state in enumerate(HealthState)}


class ComponentHealth(msgspec.Struct, frozen=True):
    """State of one component, when it last changed (engine time, microseconds), and why."""

    component: str
    state: HealthState = HealthState.NOT_READY
    changed_at: int = 0
    detail: str = ""


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
        self._on_change = on_change

    def report(self, component: str, state: HealthState, timestamp: int, detail: str = "") -> None:
        """Record the state of a registered component; KeyError for an unknown one."""
        if self._components[component].state is state:
            return
        self._components[component] = ComponentHealth(component, state, timestamp, detail)
        if self._on_change is not None:
            self._on_change(timestamp, component, state, detail)

    def ready(self, timestamp: int) -> None:
        """Every component came up."""
        for name, health in self._components.items():
            if health.state is HealthState.NOT_READY:
                self._components[name] = ComponentHealth(name, HealthState.HEALTHY, timestamp)

    @property
    def may_execute(self) -> bool:
        """The gate of R88: nothing unhealthy, critical or not ready."""
        return all(health.state in (HealthState.HEALTHY, HealthState.DEGRADED) for health in self._components.values())

    def check(self, timestamp: int) -> HealthReport:
        components = tuple(self._components.values())
        worst = max((health.state for health in components), key=_ORDER.__getitem__, default=HealthState.NOT_READY)
        ill = [f"{health.component}: {health.detail or health.state}" for health in components if _ORDER[health.state]]
        return HealthReport(worst, timestamp, "; ".join(ill) or f"{len(components)} components healthy", components)
