"""A stage for live sessions: the real engine, journal and client library around a fake exchange, in market time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.settings import EngineSettings, ExecutionMode
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.tolerance import Tolerance
from basis_pipeline.live_journal.database import Entry, JournalDatabase, Kind
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.parts import SessionParts
from basis_pipeline.runs.live.record import SessionAbout, SessionLimits, begin_record
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline.venues.live.cex import LiveCex
from basis_pipeline.venues.live.feed import LiveExchangeFeed
from basis_pipeline.venues.live.patience import PatientExchange
from basis_pipeline_tests.builders import START, wired
from basis_pipeline_tests.fakes.accounts import Account, account
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.server import FakeServer

MINUTE = 60_000_000


def at(venue: str) -> dict[str, Any]:
    """Overrides that put everything at one exchange."""
    return {
        "strategy.spot_venue": venue,
        "strategy.hedge_allocation": {venue: 1.0},
        "reserve_fraction": 0.0,
        "reference_price": {"BTC": venue},
        "error_policy": "retry",
    }


def mode_at(venue: str) -> WiredMode:
    """btc_basis with everything at one exchange."""
    return wired("btc_basis", at(venue))


def live_settings(mode: WiredMode) -> EngineSettings:
    """As `runs.live.exchanges` wires a session at one exchange: no funds are moved."""
    rounded = Tolerance(relative=1e-4, usdt=1.0)
    return replace(mode.settings, execution_mode=ExecutionMode.LIVE, tolerance=rounded, linked=frozenset())


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

    account: Account
    path: Path
    clock: MarketClock
    mode: WiredMode
    options: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] | None = None
    read_only: bool = False
    limits: SessionLimits | None = None

    @property
    def books(self) -> FakeExchange:
        return self.account.books

    @property
    def server(self) -> FakeServer:
        return self.account.server

    @property
    def name(self) -> str:
        return self.account.name

    def session(self, *, database: type[JournalDatabase] = JournalDatabase, **options: Any) -> LiveSession:
        opened = database.open(self.path, belongs_to="btc_basis@dev")
        journal = LiveJournal(opened, self.clock.wall)
        about = SessionAbout.of(
            self.mode,
            live_settings(self.mode),
            "dev",
            interval=self.options.get("interval", 60.0),
            overrides=self.overrides or at(self.name),
            seed=options.get("seed"),
            limits=self.limits,
        )
        begin_record(journal, about)
        client, hearing = self.account.exchange(), self.options.get("hearing")
        client = hearing.of(self.name, client) if hearing else client
        exchange, settings = PatientExchange(client, self.clock), live_settings(self.mode)
        began, state = journal.first_state_at(), journal.last_state()
        since, seen = (self.books.now if began is None else began), (state.timestamp if state else 0)
        income: Any = {"since": since, "seen": seen}
        venue = LiveCex(exchange, settings, journal, self.clock, **income, max_notional=1e9, read_only=self.read_only)
        venues: Any = {venue.name: venue for venue in self.mode.engine_config().venues} | {self.name: venue}
        feed = LiveExchangeFeed(settings, {self.name: exchange}, {"BTC": self.name})
        parts = SessionParts(settings, self.mode.strategy, venues, feed, journal, self.clock, **self.options)
        return LiveSession(parts, **options)

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


@contextmanager
def stage(folder: Path, venue: str = "binance") -> Iterator[Stage]:
    """100,000 USDT at an exchange where BTC costs 50,000."""
    with account(venue, at=START) as made:
        yield Stage(made, folder / "journal.sqlite", MarketClock(made.books), mode_at(venue))


def holds_what_the_venue_holds(stage: Stage) -> None:
    """Venue books = journal = positions, and every intent was executed at most once; others may have traded too."""
    positions = stage.last_state.positions
    real = {
        f"{stage.name}:BaseToken:USDT": stage.account.cash,
        f"{stage.name}:BaseToken:BTC": stage.books.spot["BTC"],
        f"{stage.name}:Perp:BTCUSDT": stage.books.perps.get("BTCUSDT", (0.0, 0.0))[0],
    }
    for key, quantity in real.items():
        assert abs(positions[key].quantity - quantity) < 1e-6, (key, positions[key].quantity, quantity)
    placed = [order.client_id for order in stage.books.orders if order not in stage.books.others.placed]
    assert len(placed) == len(set(placed)), "an intent was executed twice"
    assert {entry.key for entry in stage.entries(Kind.FACTS)} == {entry.key for entry in stage.entries(Kind.INTENT)}
    assert set(placed) <= {entry.key for entry in stage.entries(Kind.INTENT)}
