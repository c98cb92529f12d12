"""A wallet behind a provider with faults, on a chain whose time moves only by waiting, for sessions that go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from basis_pipeline.config.gas import wire_on_chain
from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.domain.intents import Fate
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.runs.live.record import SessionAbout, begin_record, tick_records
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline.venues.live.chain import Chain, check_network
from basis_pipeline.venues.live.onchain import Limits
from basis_pipeline.venues.live.patience import Patience
from basis_pipeline_tests.builders import CONFIGS
from basis_pipeline_tests.chain.anvil import CHAIN_ID, PATIENCE_SECONDS
from basis_pipeline_tests.chain.bench import MODE, Bench, ChainClock, bench, owner
from basis_pipeline_tests.chain.market import Market
from basis_pipeline_tests.chain.proxy import ProxySkin
from basis_pipeline_tests.chain.queues import OVERRIDES, RECEIVABLE, Issuer
from basis_pipeline_tests.chain.queues import issuer as issuer_of
from basis_pipeline_tests.fakes.server import FakeServer

CONFIRMATIONS = 3
ETH_PRICE = 2_500.0
COLLATERAL, DEBT = "aave_v3:aToken:aweETH", "aave_v3:debtToken:debtWETH"
ENTERED = 150.0
"""weETH: the entry supplies 153."""
LENDING = wire_on_chain(ConfigFolder(CONFIGS), "pure_lending_usdt", {"error_policy": "retry"})
LENT, CAPITAL = "aave_v3:aToken:aUSDT", 100_000
REDEEMING = wire_on_chain(ConfigFolder(CONFIGS), "eth_staking_only", OVERRIDES)
REDEEMED, STAKED = 39.5, 38.0
"""ETH that waits, or weETH, of the 40 ETH of such a book."""
HOLD = 3_600.0
"""Seconds, as shipped (`held_values_seconds`)."""


@dataclass
class EventfulClock(ChainClock):
    """At the end of every wait all that is `passing` happens, in its order."""

    passing: list[Callable[[], None]] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        for happens in list(self.passing):
            happens()


@dataclass
class Stage:
    """`truth` reads the chain past the provider and its faults."""

    market: Market
    path: Path
    clock: EventfulClock
    provider: ProxySkin
    server: FakeServer
    truth: Bench
    first_block: int
    beginning: str
    limits: Limits = field(default_factory=lambda: Limits(1e9))
    lends: bool = False
    issuer: Issuer | None = None

    def session(self, *, database: type[JournalDatabase] = JournalDatabase, acknowledged: bool = False) -> LiveSession:
        """A session of a process of its own, with all that a start checks."""
        chain = Chain(self.server.url, timeout=PATIENCE_SECONDS)
        Patience(self.clock).ask(lambda: check_network(chain, expected=CHAIN_ID, environment="dev"))
        return self.truth.session(
            database=database,
            acknowledged=acknowledged,
            url=self.server.url,
            limits=self.limits,
            hold=HOLD if self.lends else 0.0,
        )

    def entered(self) -> bool:
        """Whether the chain has all that the mode wants to hold."""
        if self.lends:
            return self.truth.quantity(LENT) > 0.99 * CAPITAL
        if self.issuer is not None:
            held = self._seen()
            return held.quantity(RECEIVABLE) > REDEEMED or held.quantity(self.issuer.key) > STAKED
        return self.truth.quantity(COLLATERAL) > ENTERED

    def _seen(self) -> Bench:
        """The truth of now: what waits in a queue is known by the journal, which has got longer."""
        return self.truth.again() if self.issuer else self.truth

    def held(self) -> int:
        """Ticks that were completed at values that were told before."""
        return sum(record.as_of is not None for _, record in tick_records(self.truth.journal))

    def executed(self) -> int:
        """Transactions of the executor that are on the chain and succeeded."""
        chain, found = self.truth.node.chain, 0
        for number in range(self.first_block, chain.block("latest").number + 1):
            for sent in chain.ask("eth_getBlockByNumber", hex(number), True)["transactions"]:
                if (sent["to"] or "").lower() == self.market.executor.lower():
                    receipt = chain.ask("eth_getTransactionReceipt", sent["hash"])
                    found += sent["from"].lower() == owner().lower() and receipt["status"] == "0x1"
        return found

    def intents_executed(self) -> int:
        return sum(s.facts.fate is Fate.EXECUTED for s in self.truth.journal.settled_after(0))

    def open_intents(self) -> int:
        return len({e.key for e in self.truth.entries(Kind.INTENT)} - {e.key for e in self.truth.entries(Kind.FACTS)})

    def lost(self) -> float:
        """USDT by which the last saved book differs from the chain."""
        state = self.truth.journal.last_state()
        assert state is not None
        held, index = self._seen().held(), self.truth.feed.at(self.clock.wall()).value
        keys = self.truth.settings.universe.keys
        gaps = (
            abs(state.positions[key].quantity - held.quantities[slot]) * abs(index[slot])
            for slot, key in enumerate(keys)
        )
        return sum(gaps)


@contextmanager
def stage(market: Market, folder: Path, *, lends: bool = False, redeems: bool = False) -> Iterator[Stage]:
    """A stage on a market that is put back by the caller: for a stack of staked ETH, for USDT that is lent, or for
    staked ETH that EtherFi redeems.
    """
    clock = EventfulClock(market.node)
    issuer = issuer_of(market, "etherfi") if redeems else None
    deployment = replace(issuer.deployment if issuer else market.deployment, confirmations=CONFIRMATIONS)
    mode = LENDING if lends else REDEEMING if redeems else MODE
    provider = ProxySkin(market.node)
    path = folder / "journal.sqlite"
    with FakeServer(provider) as server:
        if lends:
            market.node.do(market.usdt, "mint(address,uint256)", market.executor, CAPITAL * 10**6)
        for _ in range(CONFIRMATIONS):  # what the wallet was given is final when the session begins
            market.node.chain.ask("anvil_setNextBlockBaseFeePerGas", hex(10**9))
            market.node.mine()
        try:
            truth = bench(market, path, clock=clock, deployment=deployment, mode=mode)
            if redeems:  # what an operator may say depends on what the record is of
                begin_record(truth.journal, SessionAbout.of(mode, truth.settings, "dev", interval=60.0))
            first = market.node.chain.block("latest").number + 1
            beginning = market.node.snapshot()
            yield Stage(market, path, clock, provider, server, truth, first, beginning, lends=lends, issuer=issuer)
        finally:
            market.node.chain.ask("evm_setAutomine", True)
