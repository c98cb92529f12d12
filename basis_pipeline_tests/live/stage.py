"""A stage for live sessions: the real engine, journal and client library around a fake exchange, in market time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ccxt
from msgspec.structs import replace

from basis_pipeline.domain.settings import EngineSettings, ExecutionMode, Tolerance
from basis_pipeline.domain.state import EngineState
from basis_pipeline.live_journal.database import Entry, JournalDatabase, Kind
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live_session import LiveSession, SessionParts
from basis_pipeline.venues.live.ccxt_exchange import CcxtExchange
from basis_pipeline.venues.live.cex import LiveCex
from basis_pipeline.venues.live.dialects import Binance
from basis_pipeline.venues.live.feed import LiveExchangeFeed
from basis_pipeline.venues.live.transport import Redirect
from basis_pipeline_tests.builders import START, wired
from basis_pipeline_tests.fakes.binance import BinanceSkin
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.server import FakeServer

KEY, SECRET = "the-key-of-a-test", "the-secret-of-a-test"
MINUTE = 60_000_000
MODE = wired(
    "btc_basis", {"strategy.hedge_allocation": {"binance": 1.0}, "reserve_fraction": 0.0, "error_policy": "retry"}
)
SETTINGS: EngineSettings = replace(
    MODE.settings, execution_mode=ExecutionMode.LIVE, tolerance=Tolerance(relative=1e-4, usdt=1.0)
)


@dataclass
class MarketClock:
    """Time is the exchange's; waiting moves it, and `script` changes the market on the way."""

    books: FakeExchange
    script: Callable[[FakeExchange], None] = lambda books: None
    waited: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.books.now / 1e6

    def wall(self) -> int:
        return self.books.now

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.books.now += round(seconds * 1e6)
        self.script(self.books)

    def idle(self, seconds: float, stopped: Callable[[], bool]) -> None:
        self.sleep(seconds)


@dataclass
class Stage:
    """One account at one exchange, and as many sessions on it as a test needs, each as if in a process of its own."""

    books: FakeExchange
    skin: BinanceSkin
    server: FakeServer
    path: Path
    clock: MarketClock

    def session(self, *, database: type[JournalDatabase] = JournalDatabase, **options: Any) -> LiveSession:
        opened = database.open(self.path, belongs_to="btc_basis@dev")
        journal = LiveJournal(opened, self.clock.wall)
        exchange = CcxtExchange(self._client(), Binance())
        state = journal.last_state()
        venue = LiveCex(
            exchange, SETTINGS, journal, self.clock, since=state.timestamp if state else 0, max_notional=1e9
        )
        simulated = {venue.name: venue for venue in MODE.engine_config().venues}
        feed = LiveExchangeFeed(SETTINGS, {"binance": exchange}, {"BTC": "binance"})
        venues: Any = {"wallet": simulated["wallet"], "binance": venue}
        return LiveSession(SessionParts(SETTINGS, MODE.strategy, venues, feed, journal, self.clock), **options)

    def entries(self, *kinds: Kind) -> Sequence[Entry]:
        database = JournalDatabase.read(self.path)
        found = list(database.entries(*kinds))
        database.close()
        return found

    @property
    def last_state(self) -> EngineState:
        state = LiveJournal(JournalDatabase.read(self.path), self.clock.wall).last_state()
        assert state is not None
        return state

    def _client(self) -> Any:
        client = ccxt.binance(
            {"apiKey": KEY, "secret": SECRET, "timeout": 2_000, "rateLimit": 0.1, "options": Binance.client_options}
        )
        client.session.mount("https://", Redirect(self.server.url))
        return client


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """100,000 USDT at an exchange where BTC costs 50,000."""
    books = FakeExchange()
    books.list_coin("BTC", 50_000.0)
    books.spot["USDT"], books.now = 100_000.0, START
    skin = BinanceSkin(books, KEY, SECRET)
    with FakeServer(skin) as server:
        yield Stage(books, skin, server, folder / "journal.sqlite", MarketClock(books))


def holds_what_the_venue_holds(stage: Stage) -> None:
    """Venue books = journal = positions, and every intent was executed at most once."""
    positions = stage.last_state.positions
    real = {
        "binance:BaseToken:USDT": stage.books.spot["USDT"] + stage.books.margin["USDT"],
        "binance:BaseToken:BTC": stage.books.spot["BTC"],
        "binance:Perp:BTCUSDT": stage.books.perps.get("BTCUSDT", (0.0, 0.0))[0],
    }
    for key, quantity in real.items():
        assert abs(positions[key].quantity - quantity) < 1e-6, (key, positions[key].quantity, quantity)
    placed = [order.client_id for order in stage.books.orders]
    assert len(placed) == len(set(placed)), "an intent was executed twice"
    assert {entry.key for entry in stage.entries(Kind.FACTS)} == {entry.key for entry in stage.entries(Kind.INTENT)}
    assert set(placed) <= {entry.key for entry in stage.entries(Kind.INTENT)}
