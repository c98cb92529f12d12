"""Listens to every question a session asks a venue: the log gets each with its time, health counts the unanswered.

A refusal is an answer. Only credentials that are refused close trading at once: nothing else will be answered either.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from basis_pipeline.domain.errors import VenueError, VenueRefusal
from basis_pipeline.engine.health import HealthManager, HealthState
from basis_pipeline.live_journal.journal import Action

T = TypeVar("T")
CREDENTIALS = "VEN-010"


class Hearing:
    """What is heard before a session has a health manager counts from when it gets one.

    Args:
        log: told every question.

    Attributes:
        refused: venues that do not take the credentials, with their words.
    """

    def __init__(self, log: Callable[[Action], None]) -> None:
        self._log = log
        self._health: HealthManager | None = None
        self._venues: list[str] = []
        self.refused: dict[str, str] = {}

    def of(self, venue: str, client: T) -> T:
        """`client` with every method listened to; the type checker need not know."""
        self._venues.append(venue)
        return cast("T", _Heard(client, venue, self._heard))

    def report_to(self, health: HealthManager) -> None:
        """One component per venue from here on."""
        self._health = health
        for venue in self._venues:
            health.register(component_of(venue))

    def _heard(self, venue: str, question: str, seconds: float, error: VenueError | None) -> None:
        component, now = component_of(venue), time.time_ns() // 1_000
        level = "warning" if error else "info"
        self._log(Action(component, question, error.message if error else "", seconds, level))
        if error is not None and error.code == CREDENTIALS:
            self.refused[venue] = error.message
            if self._health:
                self._health.report(component, HealthState.UNHEALTHY, now, error.message)
        elif error is None or isinstance(error, VenueRefusal):
            self.refused.pop(venue, None)
            if self._health:
                self._health.well(component, now)
        elif self._health:
            self._health.error(component, now, error.message)


def component_of(venue: str) -> str:
    return f"venue {venue}"


class _Heard:
    """Hands everything on; a proxy, so that a venue's client may learn a question without this knowing."""

    def __init__(self, client: object, venue: str, heard: Callable[[str, str, float, VenueError | None], None]) -> None:
        self._client, self._venue, self._tell = client, venue, heard

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        if not callable(value):
            return value

        @wraps(value)
        def asked(*arguments: Any, **named: Any) -> Any:
            began = time.monotonic()
            try:
                answer = value(*arguments, **named)
            except VenueError as error:
                self._tell(self._venue, name, time.monotonic() - began, error)
                raise
            self._tell(self._venue, name, time.monotonic() - began, None)
            return answer

        return asked
