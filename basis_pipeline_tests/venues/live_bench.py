"""A live venue of the real client library, a fake exchange on loopback, and a clock that only moves by waiting."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ccxt

from basis_pipeline.domain.orders import Order
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.venues.live.ccxt_exchange import CcxtExchange
from basis_pipeline.venues.live.cex import LiveCex
from basis_pipeline.venues.live.dialects import Binance
from basis_pipeline.venues.live.transport import Redirect
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.engine.faulty import RecordingClock
from basis_pipeline_tests.fakes.binance import BinanceSkin
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.server import FakeServer
from basis_pipeline_tests.venues.test_simulated import SETTINGS

KEY, SECRET = "the-key-of-a-test", "the-secret-of-a-test"


@dataclass
class Bench:
    """`venue` talks to `books` through `server`; `again` is the same account in a process started later."""

    books: FakeExchange
    server: FakeServer
    skin: BinanceSkin
    journal: LiveJournal
    clock: RecordingClock
    venue: LiveCex
    path: Path

    def again(self) -> Bench:
        journal = LiveJournal.open(self.path, belongs_to="btc_basis@dev", now=itertools.count(1).__next__)
        clock = RecordingClock()
        venue = live_venue(self.server, journal, clock)
        return Bench(self.books, self.server, self.skin, journal, clock, venue, self.path)

    def sent(self, order: Order) -> int:
        """How many orders with this intent's client id the exchange has accepted."""
        return sum(placed.client_id == self.journal.next_id(order.operation_id) for placed in self.books.orders)


def live_venue(server: FakeServer, journal: LiveJournal, clock: RecordingClock, **options: Any) -> LiveCex:
    client = ccxt.binance(
        {"apiKey": KEY, "secret": SECRET, "timeout": 1_000, "rateLimit": 0.1, "options": Binance.client_options}
    )
    client.session.mount("https://", Redirect(server.url))
    exchange = CcxtExchange(client, Binance())
    return LiveCex(exchange, SETTINGS, journal, clock, **{"since": 0, "max_notional": 1e9, **options})


@contextmanager
def bench(folder: Path, *, usdt: float = 100_000.0, margin: float = 50_000.0) -> Iterator[Bench]:
    """A funded account at the prices of the simulated venues' tests."""
    books = FakeExchange()
    books.list_coin("BTC", 50_000.0)
    books.list_coin("ETH", 2_500.0)
    books.spot["USDT"], books.margin["USDT"], books.now = usdt, margin, START
    skin = BinanceSkin(books, KEY, SECRET)
    path = folder / "journal.sqlite"
    journal = LiveJournal.open(path, belongs_to="btc_basis@dev", now=itertools.count(1).__next__)
    with FakeServer(skin) as server:
        clock = RecordingClock()
        yield Bench(books, server, skin, journal, clock, live_venue(server, journal, clock), path)
