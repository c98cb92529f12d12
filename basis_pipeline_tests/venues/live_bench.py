"""A live venue of the real client library, a fake exchange on loopback, and a clock that only moves by waiting."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from basis_pipeline.domain.orders import Order
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.venues.live.cex import LiveCex
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.engine.faulty import RecordingClock
from basis_pipeline_tests.fakes.accounts import KEY, SECRET, Account, account
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.server import FakeServer
from basis_pipeline_tests.venues.test_simulated import SETTINGS

__all__ = ["KEY", "SECRET", "Bench", "bench"]


@dataclass
class Bench:
    """`venue` talks to `account` through its server; `again` is the same account in a process started later."""

    account: Account
    journal: LiveJournal
    clock: RecordingClock
    venue: LiveCex
    path: Path

    @property
    def books(self) -> FakeExchange:
        return self.account.books

    @property
    def server(self) -> FakeServer:
        return self.account.server

    @property
    def skin(self) -> Any:
        return self.account.skin

    def again(self) -> Bench:
        return _opened(self.account, self.path)

    def sent(self, order: Order) -> int:
        """How many orders with this intent's client id the exchange has accepted."""
        return sum(placed.client_id == self.journal.next_id(order.operation_id) for placed in self.books.orders)


def _opened(made: Account, path: Path, **options: Any) -> Bench:
    journal = LiveJournal.open(path, belongs_to="btc_basis@dev", now=itertools.count(1).__next__)
    clock = RecordingClock()
    options = {"since": 0, "max_notional": 1e9, **options}
    venue = LiveCex(made.exchange(), SETTINGS, journal, clock, **options)
    return Bench(made, journal, clock, venue, path)


@contextmanager
def bench(folder: Path, *, usdt: float = 100_000.0, margin: float = 50_000.0, **options: Any) -> Iterator[Bench]:
    """A funded account at Binance at the prices of the simulated venues' tests."""
    with account("binance", usdt=usdt, margin=margin, at=START) as made:
        yield _opened(made, folder / "journal.sqlite", **options)
