"""A backtest that is there to be killed, however fast the machine is: it waits for ever before it publishes a month."""

from __future__ import annotations

_SCRIPT = """
import signal
from basis_pipeline.cli import main
from basis_pipeline.results.store import ResultsStore

publish = ResultsStore.publish_month

def publish_or_wait(store, manifest, tables, state):
    if manifest.month == {month!r}:
        signal.pause()
    return publish(store, manifest, tables, state)

ResultsStore.publish_month = publish_or_wait
main()
"""


def unending(month: str) -> tuple[str, str]:
    """Arguments of the interpreter, before those of the command; `month` is never published."""
    return "-c", _SCRIPT.format(month=month)
