"""A stage with several exchanges: one network, one clock, the real wiring, and as many sessions as a test needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from basis_pipeline.config.live import AddressFile, LiveFile, TransfersFile, read_switches
from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.wiring import WiredMode, wire_mode
from basis_pipeline.domain.state import EngineState
from basis_pipeline.live_journal.database import Entry, JournalDatabase, Kind
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.exchanges import TransferPlan, exchange_venues, live_settings, transfer_plan
from basis_pipeline.runs.live.parts import SessionParts
from basis_pipeline.runs.live.record import SessionAbout, begin_record
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline_tests.builders import CONFIGS, START
from basis_pipeline_tests.fakes.accounts import Account, account
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.network import FakeNetwork

MINUTE = 60_000_000
ADDRESSES = {"binance": "0xb1naNce", "bybit": "0xbyb1t", "okx": "0x0kx"}
SHIPPED = {"binance": 0.6, "bybit": 0.4}
THREE = {"binance": 0.5, "bybit": 0.3, "okx": 0.2}
SWITCHES = {
    "BASIS_LIVE_TRADING__ENABLED": "true",
    "BASIS_LIVE_TRADING__READ_ONLY": "false",
    "BASIS_LIVE_TRADING__MAX_TRADE_SIZE_USD": "1000000",
    "BASIS_LIVE_TRADING__MAX_TRANSFER_SIZE_USD": "1000000",
}


@dataclass
class FleetClock:
    """Time is the same at all exchanges; waiting moves it, and `script` changes the world on the way."""

    books: tuple[FakeExchange, ...]
    script: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.books[0].now / 1e6

    def wall(self) -> int:
        return self.books[0].now

    def sleep(self, seconds: float) -> None:
        self.set(self.wall() + round(seconds * 1e6))
        self.script()

    def idle(self, seconds: float, stopped: Callable[[], bool]) -> None:
        self.sleep(seconds)

    def set(self, moment: int) -> None:
        for books in self.books:
            books.now = moment
            books.network.deliver(moment)


@dataclass
class Fleet:
    """Accounts at several exchanges with deposit addresses that know each other."""

    accounts: dict[str, Account]
    network: FakeNetwork
    path: Path
    clock: FleetClock
    mode: WiredMode
    live: LiveFile
    environment: str = "prod"
    variables: dict[str, str] = field(default_factory=lambda: dict(SWITCHES))
    options: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)

    @property
    def asset(self) -> str:
        return self.mode.file.asset

    @property
    def transfers(self) -> TransferPlan:
        return transfer_plan(self.mode, self.environment, read_switches(self.variables, self.environment), self.live)

    def books(self, name: str) -> FakeExchange:
        return self.accounts[name].books

    def session(self, *, database: type[JournalDatabase] = JournalDatabase, **options: Any) -> LiveSession:
        """As in a process of its own."""
        journal = LiveJournal(database.open(self.path, belongs_to=f"{self.mode.name}@dev"), self.clock.wall)
        settings = live_settings(self.mode, self.live, self.transfers.linked)
        seed = options.get("seed")
        begin_record(
            journal, SessionAbout.of(self.mode, settings, "dev", interval=60.0, overrides=self.overrides, seed=seed)
        )
        venues, feed, transit = exchange_venues(
            {name: made.exchange() for name, made in self.accounts.items()},
            self.mode,
            settings,
            self.transfers,
            journal=journal,
            clock=self.clock,
            switches=read_switches(self.variables, self.environment),
            live=self.live,
        )
        parts = SessionParts(
            settings, self.mode.strategy, venues, feed, journal, self.clock, transit=transit, **self.options
        )
        return LiveSession(parts, **options)

    def live_for(self, minutes: float, **options: Any) -> LiveSession:
        session = self.session(**options)
        session.run(until=self.clock.wall() + round(minutes * MINUTE))
        return session

    def entries(self, *kinds: Kind) -> Sequence[Entry]:
        database = JournalDatabase.read(self.path)
        found = list(database.entries(*kinds))
        database.close()
        return found

    def reading(self) -> JournalDatabase:
        return JournalDatabase.read(self.path)

    def states(self) -> list[EngineState]:
        return list(LiveJournal(self.reading(), self.clock.wall).states())

    def margin_ratios(self) -> dict[str, float]:
        """By venue, from the books of the venues."""
        ratios = {}
        for name, made in self.accounts.items():
            quantity, entry = made.books.perps[f"{self.asset}USDT"]
            mark = made.books.market(f"{self.asset}USDT", perp=True).mark
            ratios[name] = (made.cash + quantity * (mark - entry)) / abs(quantity * mark)
        return ratios

    @property
    def last_state(self) -> EngineState:
        state = LiveJournal(JournalDatabase.read(self.path), self.clock.wall).last_state()
        assert state is not None
        return state

    @property
    def in_transit(self) -> float:
        """USDT that the network has taken and no exchange has got or got back."""
        return sum(w.amount for w in self.network.withdrawals if w.state != "failed" and not w.delivered)

    def short(self, name: str) -> float:
        return -self.books(name).perps.get(f"{self.asset}USDT", (0.0, 0.0))[0]


def mode_over(allocation: Mapping[str, float], name: str = "btc_basis", **overrides: Any) -> WiredMode:
    return wire_mode(ConfigFolder(CONFIGS), name, spread_over(allocation) | overrides, late=len(allocation) > 1)


def spread_over(allocation: Mapping[str, float]) -> dict[str, Any]:
    """Overrides that put everything at these exchanges."""
    return {"strategy.hedge_allocation": dict(allocation), "reserve_fraction": 0.0}


@contextmanager
def fleet(
    folder: Path,
    allocation: Mapping[str, float] = THREE,
    *,
    usdt: Mapping[str, float] | None = None,
    mode: str = "btc_basis",
    at: int = START,
) -> Iterator[Fleet]:
    """100,000 USDT at Binance unless said otherwise; BTC costs 50,000 and ETH 2,500."""
    placed = {"binance": 100_000.0} if usdt is None else usdt
    network = FakeNetwork()
    with ExitStack() as stack:
        accounts = {name: stack.enter_context(account(name, usdt=placed.get(name, 0.0), at=at)) for name in allocation}
        for name, made in accounts.items():
            made.books.opens_deposits(ADDRESSES[name], network)
            made.books.allowed |= set(ADDRESSES.values())
        listed = {name: {"USDT": AddressFile(network="ERC20", address=ADDRESSES[name])} for name in allocation}
        live = LiveFile(transfers=TransfersFile(addresses=listed))
        clock = FleetClock(tuple(made.books for made in accounts.values()))
        overrides, path = spread_over(allocation), folder / "journal.sqlite"
        yield Fleet(accounts, network, path, clock, mode_over(allocation, mode), live, overrides=overrides)


def without_addresses(there: Fleet) -> None:
    there.live = there.live.model_copy(update={"transfers": TransfersFile()})


def holds_what_the_venues_hold(there: Fleet) -> None:
    """Books of the venues + network = journal = positions; no order and no transfer was made twice."""
    state, asset = there.last_state, there.asset
    keys = state.positions
    for name, made in there.accounts.items():
        credited = {
            f"{name}:BaseToken:USDT": made.cash,
            f"{name}:Perp:{asset}USDT": made.books.perps.get(f"{asset}USDT", (0.0, 0.0))[0],
        }
        if name == there.mode.file.strategy.spot_venue:  # type: ignore[union-attr]
            credited[f"{name}:BaseToken:{asset}"] = made.books.spot[asset]
        for key, quantity in credited.items():
            assert abs(keys[key].quantity - quantity) < 1e-6, (key, keys[key].quantity, quantity)
    awaited = sum(p.quantity for key, p in keys.items() if ":Receivable:" in key)
    assert abs(awaited - there.in_transit) < 1e-6, (awaited, there.in_transit)
    assert abs(sum(arrival.quantity for arrival in state.arrivals) - awaited) < 1e-6
    nothing_twice(there)


def nothing_twice(there: Fleet) -> None:
    intended = {entry.key for entry in there.entries(Kind.INTENT)}
    assert {entry.key for entry in there.entries(Kind.FACTS)} == intended
    made = [order.client_id for account in there.accounts.values() for order in account.books.orders]
    made += [w.client_id for w in there.network.withdrawals]
    assert len(made) == len(set(made)), "an intent was executed twice"
    assert set(made) <= intended


def is_entered(there: Fleet) -> None:
    """Three shorts in their parts of what was bought, whatever happened on the way."""
    shorts = [there.short(name) for name in there.accounts]
    assert shorts == pytest.approx([0.665, 0.399, 0.266], abs=0.003)
    assert there.books("binance").spot["BTC"] == pytest.approx(sum(shorts), rel=2e-3)


def said(there: Fleet) -> str:
    return "\n".join(entry.payload.decode() for entry in there.entries(Kind.ACTION))
