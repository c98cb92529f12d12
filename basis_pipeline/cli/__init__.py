"""The `basis` command: arguments in, one call into `runs`, tables and messages out. Imports `runs` and `domain`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

SERVICES = ("live", "dev", "serve")
"""Commands that run until they are asked to stop."""


def main() -> None:
    """Entry point. A service that is asked to stop before it has begun, or was even imported, has nothing to finish."""
    if sys.argv[1:2] and sys.argv[1] in SERVICES:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _leave)
    from basis_pipeline.cli.main import main as run  # noqa: PLC0415 - after the signals are set

    run()


def _leave(_number: int, _frame: FrameType | None) -> None:
    """At once: an exception would be lost where Python cannot hand it on, as in the midst of an import."""
    os._exit(0)
