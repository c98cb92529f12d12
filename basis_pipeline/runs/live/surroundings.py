"""What a session needs of its machine: time that goes forward, and room to write down what it does."""

from __future__ import annotations

import shutil

from basis_pipeline.domain.errors import DataGapError
from basis_pipeline.domain.timeline import iso
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.engine.health import HealthState
from basis_pipeline.runs.live.parts import SessionParts

CLOCK, DISK = "clock", "disk"


class Surroundings:
    """Gates trading through the health of `clock` and `disk`."""

    def __init__(self, parts: SessionParts) -> None:
        self._parts = parts
        self._room = parts.room or (lambda: shutil.disk_usage(parts.journal.path.parent).free)

    def look(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        """Before a tick; DataGapError while the clock stands before the last one: in a record time only goes forward.

        Little room closes trading before none is left: an order may only be sent if its fate can be written down.
        """
        room, needed, health = self._room(), self._parts.minimum_room, engine.health
        if room < needed:
            detail = f"{room / 1e6:,.0f} MB are free for the journal, {needed / 1e6:,.0f} MB are wanted"
            health.report(DISK, HealthState.UNHEALTHY, timestamp, detail)
        else:
            health.report(DISK, HealthState.HEALTHY, timestamp)
        last = engine.current_timestamp or 0
        if timestamp >= last:
            health.report(CLOCK, HealthState.HEALTHY, timestamp)
            return
        detail = f"this machine's clock says {iso(timestamp)}, the last tick was at {iso(last)}"
        health.report(CLOCK, HealthState.UNHEALTHY, last, detail)
        raise DataGapError(f"{detail}.", remedy="check what sets the clock; ticks go on when it has caught up.")
