"""Alerts of a live session to people, through the channels of `notifications.yaml`, without making trading wait.

A thread sends them: a webhook that does not answer may take half a minute. What cannot be delivered is said in the log;
the session's own log has every alert in any case, and says it once.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from basis_pipeline.domain.errors import BasisError, ConfigError, NotificationError, SystemFailure
from basis_pipeline.live_journal.journal import Action
from basis_pipeline.runs.live.parts import Alert
from basis_pipeline.runs.notifications import Notice, notify
from basis_pipeline.runs.workspace import Workspace

CLOSING_SECONDS = 45.0
"""How long the end of a session waits for its last alerts."""


@contextmanager
def alerting(workspace: Workspace, subject: str, log: Callable[[Action], None]) -> Iterator[Callable[[Alert], None]]:
    """Gives what takes alerts about `subject` while the block runs; those under way are sent before it ends."""
    waiting: queue.SimpleQueue[Alert | None] = queue.SimpleQueue()

    def deliver() -> None:
        while (alert := waiting.get()) is not None:
            try:
                notify(workspace, Notice("alert", subject, "", alert.what, alert.message, alert.remedy), logged=True)
            except (NotificationError, ConfigError) as error:
                log(Action("alerts", "not delivered", f"{alert.what}: {error}", level="error"))

    sender = threading.Thread(target=deliver, name="alerts", daemon=True)
    sender.start()
    try:
        yield waiting.put
    finally:
        waiting.put(None)
        sender.join(CLOSING_SECONDS)


def tell_failure(workspace: Workspace, subject: str, failure: SystemFailure | BasisError, *, remedy: str) -> str:
    """Say to those who are not at its terminal that a session of `subject` has ended by itself.

    Returns what went wrong with saying so, in words, or nothing.
    """
    try:
        notify(workspace, Notice("alert", subject, "", "session ended", str(failure), remedy), logged=True)
    except (NotificationError, ConfigError) as error:
        return str(error)
    return ""
