"""What the page of a live run shows while the session runs: an observation at its start, every hour, and at its end.

A thread reads the journal for it, so that whatever becomes of Dagster's storage the session itself goes on.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from basis_pipeline.defs.metadata import Metadata, timing_table
from basis_pipeline.domain.errors import BasisError
from basis_pipeline.domain.timeline import SECOND
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.runs.live.status import LiveStatus, live_status

LOOK_SECONDS = 5.0
HOUR_SECONDS = 3_600.0

_LOG = logging.getLogger("basis.live")


class Watch:
    """How one session is told about, from now on.

    Args:
        journal: its file.
        tell: takes where the session stands.
        recovered: called once, when the session still completes ticks `healthy` seconds from now.
    """

    def __init__(
        self, journal: Path, *, tell: Callable[[LiveStatus], None], recovered: Callable[[], None], healthy: float
    ) -> None:
        self._journal, self._tell, self._recovered = journal, tell, recovered
        self._tell_from = time.time()
        self._healthy_from: float = self._tell_from + healthy

    def look(self) -> None:
        """Tell what is due: where the session stands, if it did something since that was due."""
        last = _last_state(self._journal)
        if last >= self._tell_from:
            self.tell()
            self._tell_from = time.time() + HOUR_SECONDS
        if last >= self._healthy_from:
            self._recovered()
            self._healthy_from = float("inf")

    def tell(self) -> None:
        if self._journal.is_file():
            self._tell(live_status(self._journal))


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Look now and then while the block runs, and tell once more when it has ended, however it did."""
    over = threading.Event()

    def look_until_over() -> None:
        while not over.wait(LOOK_SECONDS):
            _guarded(watch.look)

    thread = threading.Thread(target=look_until_over, name="live-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        _guarded(watch.tell)


def observation(status: LiveStatus, skipped: int, page: str) -> Metadata:
    """Numbers are plotted over time by the UI; none of equity before the first state."""
    columns = ("position", "quantity")
    held = [
        dg.TableRecord(dict(zip(columns, (key, f"{quantity:,.8f}"), strict=True)))
        for key, quantity in status.positions.items()
    ]
    worth = {"equity": status.equity, "drawdown (%)": status.drawdown and round(100.0 * status.drawdown, 6)}
    known = {name: dg.MetadataValue.float(value) for name, value in worth.items() if value is not None}
    return known | {
        "share class": dg.MetadataValue.text(status.share_class),
        "last tick": dg.MetadataValue.text(status.state_at or "none yet"),
        "values of": dg.MetadataValue.text(status.values_as_of or "the last tick"),
        "skipped ticks": dg.MetadataValue.int(skipped),
        "orders so far": dg.MetadataValue.int(status.orders),
        "orders of unknown fate": dg.MetadataValue.text(", ".join(status.open_intents) or "none"),
        "positions": dg.MetadataValue.table(held, dg.TableSchema([dg.TableColumn(name) for name in columns])),
        "timings": timing_table((status.phases | status.delays).items()),
        "status page": dg.MetadataValue.url(page),
    }


def _last_state(journal: Path) -> float:
    """When the last state was written, in seconds since 1970; 0 before the first."""
    if not journal.is_file():
        return 0.0
    with closing(JournalDatabase.read(journal)) as database:
        entry = database.last(Kind.STATE)
        return entry.written_at / SECOND if entry else 0.0


def _guarded(action: Callable[[], None]) -> None:
    """What the page misses is said in the log of the process; the next look tries again."""
    try:
        action()
    except (SQLAlchemyError, sqlite3.Error, dg.DagsterError, BasisError) as error:
        _LOG.warning("the run's page was not told how the session is: %s", error)
