"""A lending book whose node is silent goes on being reported, at the last values and marked as such (R97).

What it earns accrues in the protocol's index, whoever looks: nothing is lost by not acting, and the first newer index
pays for the whole time. Until then the book is worth what it was, nothing is settled, compared or decided, and after
`SessionParts.hold` it ends as it does for every other mode.
"""

from __future__ import annotations

from basis_pipeline.domain.errors import DataGapError, VenueError
from basis_pipeline.domain.timeline import HOUR, SECOND, iso
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.engine.health import HealthState
from basis_pipeline.runs.live.parts import Alert, SessionParts

COMPONENT = "data_provider"
HELD = "values held"


class HeldValues:
    """The first half of a tick, and what is said of values that are not of its moment."""

    def __init__(self, parts: SessionParts) -> None:
        self._parts = parts
        self._told_at = 0
        self._held = False

    def observe(self, engine: EventDrivenStrategyEngine, timestamp: int) -> bool:
        """Whether the book is seen at values of `timestamp`, and not at the last ones.

        Raises:
            DataGapError, VenueError: nobody says what it is worth, and it may not be held, or no longer.
        """
        try:
            engine.observe(timestamp)
        except (DataGapError, VenueError) as gap:
            self._hold(engine, timestamp, gap)
            return False
        engine.health.report(COMPONENT, HealthState.HEALTHY, timestamp)
        if self._held:
            self._held = False
            self._parts.note(COMPONENT, "values are told again", iso(timestamp))
        return True

    def _hold(self, engine: EventDrivenStrategyEngine, timestamp: int, gap: DataGapError | VenueError) -> None:
        """Not while a refresh that failed has written income down: a state saved now would count it as booked."""
        longest, last = self._parts.hold, engine.position_update_handler.latest.market
        as_of = last.timestamp if last.as_of is None else last.as_of
        age = (timestamp - as_of) / SECOND
        if not longest or self._parts.journal.income_unsaved:
            raise gap
        if age > longest:
            raise DataGapError(
                f"{gap.message} The last values are of {iso(as_of)}, {age:.0f} s old; a book is reported on at such "
                f"values for {longest:.0f} s (held_values_seconds)."
            ) from gap
        engine.hold(timestamp)
        said = f"everything is valued as of {iso(as_of)}, {age:.0f} s ago, and nothing is done: {gap.message}"
        engine.health.report(COMPONENT, HealthState.DEGRADED, timestamp, said)
        self._held = True
        self._parts.note(COMPONENT, HELD, said, level="warning")
        if timestamp - self._told_at >= HOUR:
            self._told_at = timestamp
            self._parts.alert(COMPONENT, Alert(HELD, said, "check the node; the session ends if it stays silent."))
