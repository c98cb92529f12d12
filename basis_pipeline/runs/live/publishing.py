"""Publishing the results of a session while it runs, in a process of its own.

Whatever goes wrong there, a full disk, a bug, a slow machine, stays there: trading goes on, and what became of it is an
action in the journal. The process is given no credential.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import IO

from basis_pipeline.domain.timeline import SECOND
from basis_pipeline.live_journal.journal import Action
from basis_pipeline.runs.workspace import Workspace, WorkspaceAddress

RESULTS = "results_store"
"""The component that the actions are of."""

_PATIENCE = 120.0
"""Seconds that the end of a session waits for the last publication."""


class PublishingProcess:
    """Starts `command` when a period of `every` seconds has begun, counted from the epoch: 3600 is every UTC hour.

    Args:
        command: publishes; its last line of output says what it did, or why it could not.
        environment: all that the process needs to know.
        every: seconds; 0 publishes at the end of a session only.
    """

    def __init__(self, command: Sequence[str], environment: dict[str, str], *, every: float) -> None:
        self._command, self._environment, self._every = tuple(command), environment, round(every * SECOND)
        self._period: int | None = None
        self._running: tuple[subprocess.Popen[bytes], IO[bytes]] | None = None

    def due(self, now: int) -> Iterator[Action]:
        """Begin if it is time, and say what became of the process before; waits for nothing."""
        yield from self._ended()
        period = now // self._every if self._every else 0
        if self._period is None:
            self._period = period
        if period != self._period and self._running is None:
            self._period = period
            yield from self._start()

    def finished(self) -> Iterator[Action]:
        """Publish what a session leaves at its end, and wait for it."""
        yield from self._ended(_PATIENCE)
        yield from self._start()
        yield from self._ended(_PATIENCE)

    def left(self) -> Iterator[Action]:
        """Let what a session leaves that fails be published after it, and wait for nothing: its end is urgent.

        The process gets none of the streams of this one: whoever reads them to their end would wait for it.
        """
        yield from self._ended()
        yield from self._start()
        if self._running is not None:
            yield Action(RESULTS, "results left to a process of their own", "--publish says what became of them")

    def _start(self) -> Iterator[Action]:
        with ExitStack() as opened:
            try:
                said = opened.enter_context(tempfile.TemporaryFile())
                process = subprocess.Popen(  # noqa: S603
                    self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
                )
            except OSError as error:
                yield Action(RESULTS, "results not published", f"no process can be started: {error.strerror}")
                return
            opened.pop_all()  # closed when the process has ended
        self._running = process, said

    def _ended(self, patience: float = 0.0) -> Iterator[Action]:
        if self._running is None:
            return
        process, said = self._running
        try:
            code = process.wait(patience)
        except subprocess.TimeoutExpired:
            if not patience:
                return
            process.kill()
            code = process.wait()
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
        said.close()
        self._running = None
        yield Action(RESULTS, "results not published" if code else "results published", lines[-1])


def publishing_process(workspace: Workspace, mode: str, environment: str, every: float) -> PublishingProcess:
    """The process that publishes the journal of `mode` in `environment`."""
    data_dir, config_dir = WorkspaceAddress.of(workspace)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BASIS_")}
    own = {"BASIS_DATA_DIR": data_dir, "BASIS_CONFIG_DIR": config_dir, "BASIS_ENVIRONMENT": environment}
    command = (sys.executable, "-m", "basis_pipeline", "live", mode, "--publish")
    return PublishingProcess(command, inherited | own, every=every)
