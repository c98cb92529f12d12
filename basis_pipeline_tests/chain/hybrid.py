"""Exchanges and a wallet at once: fake exchanges whose withdrawals and deposits are transactions of a real chain.

The session is the command's own: `plan_live` on a configuration folder with this chain and these addresses, then the
wiring of `runs.live.venues`; only clock and clients are a test's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

from basis_pipeline.config.variables import CREDENTIALS, credentials_prefix
from basis_pipeline.domain.state import EngineState
from basis_pipeline.live_journal.database import Entry, JournalDatabase, Kind
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.chain import open_wallet
from basis_pipeline.runs.live.hearing import Hearing
from basis_pipeline.runs.live.parts import SessionParts
from basis_pipeline.runs.live.plan import LivePlan, plan_live
from basis_pipeline.runs.live.record import begin_record
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline.runs.live.venues import hybrid_venues
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.venues.live.abi import unpack
from basis_pipeline.venues.live.booking_chain import TRANSFER
from basis_pipeline_tests.builders import CONFIGS
from basis_pipeline_tests.chain.anvil import Node
from basis_pipeline_tests.chain.bench import KEY, MINUTE, owner
from basis_pipeline_tests.chain.market import ETH_PRICE, ETHER, Market
from basis_pipeline_tests.fakes.accounts import KEYS, Account, account
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.network import Deposit, FakeNetwork, Withdrawal

HOT_WALLET = 9
"""The node's account that exchanges pay withdrawals from."""
DEPOSITS = {"binance": 5, "bybit": 6, "okx": 7}
"""The node's accounts that are deposit addresses."""


class ChainNetwork(FakeNetwork):
    """Withdrawals to the wallet are sent on the chain, and so are deposits at exchanges, which are seen there."""

    def __init__(self, market: Market, **options: Any) -> None:
        super().__init__(**options)
        self.market, self.node = market, market.node
        self._seen = self.node.chain.head().number
        self._lock = threading.Lock()
        self._incoming: list[tuple[int, Deposit]] = []

    def _send(self, withdrawal: Withdrawal) -> None:
        super()._send(withdrawal)
        if withdrawal.state == "sent" and withdrawal.mishap != "loses":
            withdrawal.transaction = self._pay(withdrawal)
            withdrawal.delivered = withdrawal.address not in self._credit

    def _deliver(self, withdrawal: Withdrawal, now: int) -> None:
        """Everything is delivered by the chain."""
        withdrawal.delivered = True

    def _pay(self, withdrawal: Withdrawal) -> str:
        hot, amount = self.node.accounts[HOT_WALLET], withdrawal.amount
        if withdrawal.token == "ETH":
            receipt = self.node.send(withdrawal.address, b"", value=round(amount * ETHER), sender=hot)
        else:
            receipt = self.node.pay(self.market.usdt, withdrawal.address, round(amount * 1e6), hot)
        return str(receipt["transactionHash"])

    def deliver(self, now: int) -> None:
        with self._lock:  # servers of several exchanges ask for it
            super().deliver(now)
            self._watch(now)
            due = [(at, line) for at, line in self._incoming if now - at >= self.confirming * 1_000_000]
            self._incoming = [pair for pair in self._incoming if pair not in due]
            for _, line in due:
                line.at = now
                self._credit[line.address](line, True)

    def _watch(self, now: int) -> None:
        """New blocks: Transfer events of USDT, and ETH as an internal or outright transfer, to deposit addresses."""
        head = self.node.chain.block("latest").number
        for number in range(self._seen + 1, head + 1):
            for address in self._credit:
                self._incoming += [(now, line) for line in self._arrived(number, address, now)]
        self._seen = max(self._seen, head)

    def _arrived(self, number: int, address: str, now: int) -> Iterator[Deposit]:
        topics = [TRANSFER, None, "0x" + address.lower().removeprefix("0x").rjust(64, "0")]
        query = {"fromBlock": hex(number), "toBlock": hex(number), "address": self.market.usdt, "topics": topics}
        for log in self.node.chain.ask("eth_getLogs", query):
            amount = int(unpack(("uint256",), bytes.fromhex(log["data"].removeprefix("0x")))[0]) / 1e6
            yield Deposit(str(next(self._ids)), "USDT", amount, address, log["transactionHash"], now)
        added = self.node.chain.balance(address, number) - self.node.chain.balance(address, number - 1)
        if added > 0:
            block = self.node.chain.ask("eth_getBlockByNumber", hex(number), False)
            yield Deposit(str(next(self._ids)), "ETH", added / ETHER, address, block["transactions"][0], now)


@dataclass
class HybridClock:
    """Time is the newest block's, at the exchanges as well; waiting makes blocks."""

    node: Node
    accounts: Mapping[str, Account]
    script: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.wall() / 1e6

    def wall(self) -> int:
        moment = self.node.chain.block("latest").timestamp
        for made in self.accounts.values():
            made.books.now = moment
        return moment

    def sleep(self, seconds: float) -> None:
        if seconds:
            self.node.mine(seconds=max(1, round(seconds)))
        for made in self.accounts.values():
            made.books.network.deliver(self.wall())
        self.script()

    def idle(self, seconds: float, stopped: Callable[[], bool]) -> None:
        self.sleep(seconds)


@dataclass
class Hybrid:
    """One wallet and accounts at exchanges, and as many sessions as a test needs, each as of a process of its own."""

    market: Market
    accounts: dict[str, Account]
    network: ChainNetwork
    clock: HybridClock
    workspace: Workspace
    mode: str
    overrides: dict[str, Any]
    variables: dict[str, str]
    path: Path
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def node(self) -> Node:
        return self.market.node

    @property
    def plan(self) -> LivePlan:
        return plan_live(self.workspace, self.mode, overrides=self.overrides, variables=self.variables)

    def session(self, *, database: type[JournalDatabase] = JournalDatabase, **options: Any) -> LiveSession:
        plan = self.plan
        assert plan.chain is not None
        journal = LiveJournal(database.open(self.path, belongs_to=f"{self.mode}@staging"), self.clock.wall)
        begin_record(journal, plan.about(60.0))
        clients = {name: made.exchange() for name, made in self.accounts.items()}
        hearing = self.options.get("hearing") or Hearing(lambda action: None)
        wallet = open_wallet(plan.chain, plan.environment, self.clock, plan.live, hearing)
        venues, feed, transit = hybrid_venues(plan, clients, wallet, journal, self.clock)
        parts = SessionParts(
            plan.settings, plan.wired.strategy, venues, feed, journal, self.clock, transit=transit, **self.options
        )
        return LiveSession(parts, **options)

    def live_for(self, minutes: float, **options: Any) -> LiveSession:
        session = self.session(**options)
        session.run(until=self.clock.wall() + round(minutes * MINUTE))
        return session

    def set_eth_price(self, price: float) -> None:
        """Everywhere at once: exchanges and oracle."""
        self.market.set_eth_price(price)
        for made in self.accounts.values():
            made.books.set_price("ETH", price)

    @property
    def state(self) -> EngineState:
        found = LiveJournal(JournalDatabase.read(self.path), self.clock.wall).last_state()
        assert found is not None
        return found

    def entries(self, *kinds: Kind) -> Sequence[Entry]:
        database = JournalDatabase.read(self.path)
        found = list(database.entries(*kinds))
        database.close()
        return found

    def units(self, token: str, holder: str) -> int:
        return int(self.node.chain.read(token, "balanceOf(address)", ("uint256",), holder))

    def really(self) -> dict[str, float]:
        """What there is by position key, asked of the fakes' books and of the contracts themselves."""
        held: dict[str, float] = {}
        for name, made in self.accounts.items():
            held[f"{name}:BaseToken:USDT"] = made.cash
            for coin in ("BTC", "ETH"):
                held[f"{name}:BaseToken:{coin}"] = made.books.spot[coin]
                held[f"{name}:Perp:{coin}USDT"] = made.books.perps.get(f"{coin}USDT", (0.0, 0.0))[0]
        market, executor = self.market, self.market.executor
        held["wallet:BaseToken:USDT"] = self.units(market.usdt, executor) / 1e6
        ether = self.node.chain.balance(owner()) + self.node.chain.balance(executor) + self.units(market.weth, executor)
        held["wallet:BaseToken:ETH"] = ether / ETHER
        held["etherfi:LST:weETH"] = self.units(market.weeth, executor) / ETHER
        lending = market.deployment.lending
        assert lending is not None
        for key, contract in (
            ("aave_v3:aToken:aweETH", lending.reserves["weETH"].a_token),
            ("aave_v3:debtToken:debtWETH", lending.reserves["WETH"].debt_token),
        ):
            scaled = self.node.chain.read(contract, "scaledBalanceOf(address)", ("uint256",), executor)
            held[key] = scaled / ETHER
        return held


@contextmanager
def hybrid(
    market: Market,
    folder: Path,
    mode: str,
    *,
    exchanges: Sequence[str] = ("binance", "bybit"),
    usdt: float = 100_000.0,
    eth: float = 0.1,
    books: type[FakeExchange] = FakeExchange,
    delays: tuple[float, float] = (40.0, 200.0),
    **overrides: Any,
) -> Iterator[Hybrid]:
    """`usdt` in the executor and `eth` of the owner for gas; nothing at the exchanges. ETH costs 2,500, BTC 50,000.

    `delays` are seconds that an exchange takes to send a withdrawal, and to credit a deposit.
    """
    node = market.node
    node.chain.ask("anvil_setBalance", owner(), hex(round(eth * ETHER)))
    node.do(market.usdt, "mint(address,uint256)", market.executor, round(usdt * 1e6))
    node.do(market.usdt, "mint(address,uint256)", node.accounts[HOT_WALLET], 10**15)
    network = ChainNetwork(market, processing=delays[0], confirming=delays[1])
    with ExitStack() as stack:
        now = node.chain.block("latest").timestamp
        accounts = {name: stack.enter_context(account(name, usdt=0.0, at=now, opens=books)) for name in exchanges}
        for name, made in accounts.items():
            made.books.opens_deposits(node.accounts[DEPOSITS[name]], network)
            made.books.withdrawal_fees["ETH"] = 0.0004
            made.books.allowed |= {market.executor, owner(), *(node.accounts[n] for n in DEPOSITS.values())}
            made.books.set_price("ETH", ETH_PRICE)
        configs = _configs(market, folder, accounts)
        variables = _variables(market, accounts)
        yield Hybrid(
            market, accounts, network, HybridClock(node, accounts), Workspace(folder / "data", configs), mode,
            overrides, variables, folder / "journal.sqlite",
        )  # fmt: skip


def _configs(market: Market, folder: Path, accounts: Mapping[str, Account]) -> Path:
    """The shipped configuration, with this chain and these addresses."""
    configs = folder / "configs"
    (configs / "chains").mkdir(parents=True)
    for child in CONFIGS.iterdir():
        if child.name not in ("chains", "live.yaml"):
            (configs / child.name).symlink_to(child)
    content = msgspec.to_builtins(market.deployment)
    del content["executor"]
    (configs / "chains/test.yaml").write_text(yaml.safe_dump(content))
    live = yaml.safe_load((CONFIGS / "live.yaml").read_text())
    lines = {
        name: {token: {"network": "ERC20", "address": made.books.deposit_address} for token in ("USDT", "ETH")}
        for name, made in accounts.items()
    }
    lines["wallet"] = {
        "USDT": {"network": "ERC20", "address": market.executor},
        "ETH": {"network": "ERC20", "address": owner()},
    }
    live["transfers"]["addresses"] = lines
    (configs / "live.yaml").write_text(yaml.safe_dump(live))
    return configs


def _variables(market: Market, accounts: Mapping[str, Account]) -> dict[str, str]:
    given = {
        "BASIS_ENVIRONMENT": "staging",
        "BASIS_EXECUTION_MODE": "live",
        "BASIS_LIVE_TRADING__ENABLED": "true",
        "BASIS_LIVE_TRADING__READ_ONLY": "false",
        "BASIS_LIVE_TRADING__MAX_TRADE_SIZE_USD": "1000000",
        "BASIS_LIVE_TRADING__MAX_TRANSFER_SIZE_USD": "1000000",
        "BASIS_STAGING__ALCHEMY__RPC_URL": market.node.url,
        "BASIS_STAGING__ALCHEMY__PRIVATE_KEY": KEY,
        "BASIS_STAGING__ALCHEMY__NETWORK": "test",
        "BASIS_STAGING__ALCHEMY__EXECUTOR_ADDRESS": market.executor,
    }
    for name, made in accounts.items():
        given[f"BASIS_LIVE_TRADING__ENDPOINT_{name.upper()}"] = made.server.url
        prefix, ends = credentials_prefix("staging"), CREDENTIALS[name]
        given |= {prefix + end: KEYS[name][field] for field, end in ends.items()}
    return given
