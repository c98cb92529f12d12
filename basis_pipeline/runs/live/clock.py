"""The clock of live sessions."""

from __future__ import annotations

import time
from collections.abc import Callable


class WallClock:
    """Real time; idling ends within a fifth of a second of being asked to stop."""

    now = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)

    @staticmethod
    def wall() -> int:
        return time.time_ns() // 1_000

    @staticmethod
    def idle(seconds: float, stopped: Callable[[], bool]) -> None:
        end = time.monotonic() + seconds
        while not stopped() and (left := end - time.monotonic()) > 0.0:
            time.sleep(min(0.2, left))
