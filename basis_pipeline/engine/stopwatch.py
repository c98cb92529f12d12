"""Times the phases of a timestep into the run log; they go to manifests and never into a table."""

from __future__ import annotations

from basis_pipeline.domain.protocols import Clock
from basis_pipeline.domain.timings import Phase, Timing, Timings


class StandstillClock:
    """Time does not pass: phases are not timed and retries do not wait."""

    def now(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        return


class Stopwatch:
    """Adds what passed since a moment to a phase."""

    def __init__(self, clock: Clock, timings: Timings) -> None:
        self._timings = timings
        self.now, self.sleep = clock.now, clock.sleep

    def lap(self, phase: Phase, since: float) -> float:
        """Count the time since `since` as one time of `phase`, and return the present moment."""
        now = self.now()
        timing = self._timings.get(phase)
        if timing is None:
            timing = self._timings[phase] = Timing()
        timing.add(now - since)
        return now
