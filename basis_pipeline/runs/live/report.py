"""What every tick says of itself: a line per component in the log (R62), a pulse and the delays of its orders kept."""

from __future__ import annotations

from collections.abc import Sequence

from basis_pipeline.domain.orders import OrderResult
from basis_pipeline.domain.run_log import RunLog
from basis_pipeline.domain.timeline import SECOND, iso
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.engine.health import HealthManager
from basis_pipeline.live_journal.journal import Action
from basis_pipeline.live_journal.pulse import ComponentPulse, OrderDelays, Pulse
from basis_pipeline.runs.live.delays import order_delays
from basis_pipeline.runs.live.parts import SessionParts

_CHAIN = ("exposure_monitor", "risk_monitor", "pnl_monitor", "event_logger")
"""In the order of `Moments.chains`."""
_REFRESHED, _DECIDED = 1, 2
"""Places in `Moments.steps`."""


class TickReport:
    """Timed with the session's clock: `began`, then `passed` after each part, then `close`."""

    def __init__(self, parts: SessionParts) -> None:
        self._parts = parts
        self._at = 0.0
        self._entries = 0
        self._phases: dict[str, float] = {}
        self._monitors: dict[str, float] = {}
        self._delays: Sequence[OrderDelays] = ()
        self._components: tuple[ComponentPulse, ...] = ()

    def begin(self) -> None:
        self._phases, self._at = {}, self._parts.clock.now()
        self._entries = self._parts.journal.size

    def passed(self, phase: str) -> None:
        """What happened since the last call was `phase`."""
        now = self._parts.clock.now()
        self._phases[phase], self._at = now - self._at, now

    def acted(self, log: RunLog) -> None:
        """Tell what the components did, before the log of the tick is handed on."""
        started, decided = (log.moments.steps[-1][place] for place in (_REFRESHED, _DECIDED))
        self.passed("execute")
        self._phases |= {"decide": decided - started, "execute": self._phases["execute"] - (decided - started)}
        trace = self._parts.trace
        trace(Action("position_update_handler", "refreshed", "", self._phases["observe"]))
        chains = log.moments.chains
        self._monitors = {name: sum(chain[i + 1] - chain[i] for chain in chains) for i, name in enumerate(_CHAIN)}
        for component, took in self._monitors.items():
            trace(Action(component, "updated", f"{len(chains)} times", took))
        trace(Action("comparison", "compared", "", self._phases["compare"]))
        trace(Action("strategy_manager", "decided", f"{len(log.orders)} orders", self._phases["decide"]))
        self._delays = order_delays(log, self._parts.journal, self._parts.clock, after=self._entries)
        self._orders([one.result for one in log.orders])
        if (count := len(log.orders)) >= self._parts.many_orders:
            self._parts.note("execution_manager", "many orders", f"{count} in one tick", level="warning")

    def close(self, engine: EventDrivenStrategyEngine, timestamp: int, skipped: int) -> None:
        """The tick is in the journal."""
        self.passed("persist")
        self._parts.trace(Action("journal", "persisted", "", self._phases["persist"]))
        equity, health = engine.pnl_monitor.state().equity, engine.health
        components = _components(health)
        changed = () if components == self._components else components
        self._components = components
        overall = str(health.check(timestamp).overall_status)
        for one in self._delays:
            self._parts.journal.delay(one)
        ages = {name: (timestamp - at) / SECOND for name, at in self._parts.feed.told.items()}
        as_of = engine.position_update_handler.latest.market.as_of
        self._parts.journal.pulse(
            Pulse(timestamp, equity, skipped, self._phases, overall, changed, ages, as_of, self._monitors)
        )
        took = sum(self._phases.values())
        self._parts.trace(Action("session", "tick", iso(timestamp), took, phases=self._phases))

    def _orders(self, results: Sequence[OrderResult]) -> None:
        by_operation = {one.operation_id: one for one in self._delays}
        for result in results:
            order, timed = result.order, by_operation.get(result.order.operation_id)
            seconds = timed.seconds() if timed else {}
            detail = f"operation {order.operation_id}: {order.operation} at {order.venue}"
            total = seconds.get("decided to reconciled")
            self._parts.trace(Action("execution_manager", f"order {result.state}", detail, total, phases=seconds))


def _components(health: HealthManager) -> tuple[ComponentPulse, ...]:
    return tuple(
        ComponentPulse(one.component, str(one.state), one.changed_at, one.detail, one.errors)
        for one in health.check(0).components
    )
