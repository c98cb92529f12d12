"""One funded wallet on the test market, its venues, and sessions on it as if each were a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.orders import Action, Operation, Order, Side
from basis_pipeline.domain.protocols import Strategy
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings, ExecutionMode
from basis_pipeline.domain.timeline import SECOND
from basis_pipeline.domain.tolerance import Tolerance
from basis_pipeline.live_journal.database import Entry, JournalDatabase, Kind
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.parts import Alert, SessionParts
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline.venues.live.chain import Chain
from basis_pipeline.venues.live.chain_feed import ChainReader, LiveChainFeed
from basis_pipeline.venues.live.deployment import Deployment
from basis_pipeline.venues.live.onchain import OPERATIONS, LiveOnChain, OnChainAccount
from basis_pipeline.venues.live.onchain_limits import Limits
from basis_pipeline.venues.live.transactions import Signer
from basis_pipeline_tests.builders import wired
from basis_pipeline_tests.chain.anvil import CHAIN_ID, PATIENCE_SECONDS, Node, PromptChain
from basis_pipeline_tests.chain.market import Market

KEY = "0x" + "5c" * 32
MINUTE = 60_000_000
MODE = wired("eth_leveraged", {"error_policy": "retry"})
UNLIMITED = Limits(1e9)


def live(mode: WiredMode) -> EngineSettings:
    return replace(mode.settings, execution_mode=ExecutionMode.LIVE, tolerance=Tolerance(relative=1e-4, usdt=1.0))


SETTINGS = live(MODE)


@dataclass
class ChainClock:
    """Time is the newest block's; waiting makes blocks, and `script` does things to the chain on the way."""

    node: Node
    script: Callable[[], None] = lambda: None
    waited: list[float] = field(default_factory=list)
    makes_blocks: Callable[[], bool] = lambda: True

    def now(self) -> float:
        return sum(self.waited)

    def wall(self) -> int:
        return self.node.chain.block("latest").timestamp

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        if seconds and self.makes_blocks():
            self.node.mine(seconds=max(1, round(seconds)))
        self.script()

    def idle(self, seconds: float, stopped: Callable[[], bool]) -> None:
        self.sleep(seconds)


@dataclass
class Bench:
    """`journal` and `venues` of one process; `again` is the next one."""

    market: Market
    path: Path
    clock: ChainClock
    journal: LiveJournal
    deployment: Deployment
    chain: Chain
    account: OnChainAccount
    venues: dict[str, Any]
    feed: LiveChainFeed
    reader: ChainReader
    mode: WiredMode
    settings: EngineSettings

    @property
    def node(self) -> Node:
        return self.market.node

    def again(self, **changes: Any) -> Bench:
        kept = {"clock": self.clock, "mode": self.mode, "deployment": self.deployment}
        return bench(self.market, self.path, **(kept | changes))

    def session(
        self,
        *,
        database: type[JournalDatabase] = JournalDatabase,
        strategy: Strategy | None = None,
        url: str = "",
        limits: Limits = UNLIMITED,
        hold: float = 0.0,
        tell: Callable[[Alert], None] | None = None,
        **options: Any,
    ) -> LiveSession:
        process = self.again(database=database, url=url, limits=limits)
        strategy = strategy or self.mode.strategy
        parts = SessionParts(
            self.settings, strategy, process.venues, process.feed, process.journal, self.clock, hold=hold, tell=tell
        )
        return LiveSession(parts, **options)

    def held(self) -> Positions:
        zeros = (0.0,) * len(self.settings.universe)
        quantities = list(zeros)
        for venue in self.venues.values():
            for slot, quantity in venue.positions(Positions(zeros, zeros)).items():
                quantities[slot] = quantity
        return Positions(tuple(quantities), zeros)

    def quantity(self, key: str) -> float:
        return self.held().quantities[self.settings.universe.slot(key)]

    def units(self, token: str, holder: str = "") -> int:
        """What a token contract says of the executor, or of another holder."""
        return int(self.chain.read(token, "balanceOf(address)", ("uint256",), holder or self.market.executor))

    def entries(self, *kinds: Kind) -> Sequence[Entry]:
        database = JournalDatabase.read(self.path)
        found = list(database.entries(*kinds))
        database.close()
        return found

    def transactions(self) -> int:
        """How many transactions of the wallet this test has brought onto the chain."""
        return self.node.chain.nonce(owner()) - self.market.sent_before


def owner() -> str:
    return Signer(KEY, CHAIN_ID).address


def bench(
    market: Market,
    path: Path,
    *,
    clock: ChainClock | None = None,
    deployment: Deployment | None = None,
    url: str = "",
    database: type[JournalDatabase] = JournalDatabase,
    limits: Limits = UNLIMITED,
    mode: WiredMode = MODE,
    settings: EngineSettings | None = None,
    relay: str = "",
) -> Bench:
    deployment = deployment or market.deployment
    settings = settings or live(mode)
    clock = clock or ChainClock(market.node)
    journal = LiveJournal(database.open(path, belongs_to=f"{mode.name}@dev"), clock.wall)
    chain = Chain(url, timeout=PATIENCE_SECONDS) if url else PromptChain(market.node.url, timeout=PATIENCE_SECONDS)
    account = OnChainAccount(
        chain, Signer(KEY, CHAIN_ID), deployment, settings,
        journal=journal, clock=clock, limits=limits, relay=Chain(relay, timeout=PATIENCE_SECONDS) if relay else None,
    )  # fmt: skip
    venues = {
        name: LiveOnChain(name, rules.kind, account, settings)
        for name, rules in settings.venues.items()
        if rules.kind in OPERATIONS
    }
    reader = ChainReader(chain, deployment, settings)
    return Bench(
        market, path, clock, journal, deployment, chain, account, venues, LiveChainFeed(settings, reader), reader,
        mode, settings,
    )  # fmt: skip


def order(operation: Operation, venue: str, slots: tuple[str, str], quantity: float, number: int = 1) -> Order:
    universe = SETTINGS.universe
    return Order(
        venue=venue, operation=operation, slot=universe.slot(slots[0]), counter_slot=universe.slot(slots[1]),
        quantity=quantity, action=Action.ENTRY_FULL, operation_id=number,
        side=Side.SELL if operation is Operation.SWAP else None,
    )  # fmt: skip


def seconds(count: float) -> int:
    return round(count * SECOND)
