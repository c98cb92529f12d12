"""The two streams: answers go to standard output, everything else to standard error."""

from __future__ import annotations

import sys

from rich.console import Console

_WIDTH_OF_FILES = 160
"""Columns where the output goes to a file or a pipe, which have no width of their own."""


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else _WIDTH_OF_FILES)


OUT, ERR = _console(stderr=False), _console(stderr=True)
