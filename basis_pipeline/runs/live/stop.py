"""A signal stops a live session between orders, never inside one: what was begun is finished, found out and booked."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline.runs.loopback import handled_by


class Stop:
    """What a signal does, which depends on whether the session was begun.

    Attributes:
        asked: name of the signal that came; empty until one did.
        session: what it stops; without one it interrupts, since nothing was begun.
    """

    def __init__(self) -> None:
        self.asked = ""
        self.session: LiveSession | None = None

    def begun(self, session: LiveSession) -> None:
        self.session = session

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.asked = signal.Signals(number).name
        if self.session is None:
            raise KeyboardInterrupt
        self.session.stop(f"asked to by {self.asked}")


@contextmanager
def stopping_between_orders() -> Iterator[Stop]:
    """SIGTERM and Ctrl-C are the session's while the block runs, and whose they were before afterwards."""
    stop = Stop()
    with handled_by(stop):
        yield stop
