"""A book that leaves by its issuer's redemption queue: Lido's or EtherFi's, as doubles on the local chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from basis_pipeline.config.gas import wire_on_chain
from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.domain.intents import Fate
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.records import LIVE_CATEGORIES, Category
from basis_pipeline.live_journal.halts import EmergencyPolicy
from basis_pipeline.runs.live.operator import emergency_stop
from basis_pipeline.runs.live.parts import Alert
from basis_pipeline.runs.live.record import SessionAbout, begin_record, journal_path
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.venues.live.deployment import Deployment, Pool, Queue, Staking, StakingKind, Token
from basis_pipeline_tests.builders import CONFIGS
from basis_pipeline_tests.chain.anvil import HERE, Node, compiled
from basis_pipeline_tests.chain.bench import MINUTE, Bench, bench, owner
from basis_pipeline_tests.chain.market import ETHER, WEETH_RATE, Market

MODE = "eth_staking_only"
OVERRIDES: Mapping[str, Any] = {"error_policy": "retry", "strategy.exit_route": "queue", "gas_reserve": 0.02}
RECEIVABLE = "wallet:Receivable:ETH"
DAY = 86_400
RATES = {"etherfi": WEETH_RATE, "lido": 1.2}
"""ETH per staked token."""


@dataclass
class Issuer:
    """Lido or EtherFi: `queue` has the receipts."""

    name: str
    token: str
    key: str
    ratio: str
    queue: str
    node: Node
    deployment: Deployment

    def finalize(self, last: int, *, paid: float = 1.0) -> None:
        """Pay all requests up to `last`; `paid` is what slashing has left of what they were promised."""
        if self.name == "lido":
            self.node.do(self.queue, "finalize(uint256,uint256)", last, round(paid * 1e9) * 10**18, value=3_000 * ETHER)
        else:
            self.node.do(self.queue, "finalize(uint256)", last, value=3_000 * ETHER)
            rate = self.node.chain.read(self.token, self.ratio, ("uint256",))
            self.set_rate(rate / ETHER * paid)

    def set_rate(self, rate: float) -> None:
        self.node.do(self.token, "setRate(uint256)", round(rate * ETHER))

    def pause(self, paused: bool) -> None:
        self.node.do(self.queue, "pause(bool)", paused)


def issuer(market: Market, name: str) -> Issuer:
    """Deployed, with a pool for the token: `lido` at 1.2 ETH per wstETH, `etherfi` at the market's 1.04."""
    node, deployment = market.node, market.deployment
    doubles = compiled(HERE / "doubles/Queues.sol")["contracts"]
    if name == "etherfi":
        pool = node.deploy(doubles["LiquidityPoolDouble"], ("address",), market.weeth)
        receipts = node.chain.read(pool, "withdrawRequestNFT()", ("address",))
        staking = replace(deployment.staking["etherfi"], queue=Queue(pool, receipts))
        told = replace(deployment, staking={"etherfi": staking})
        return Issuer(name, market.weeth, "etherfi:LST:weETH", "getRate()", receipts, node, told)
    others = compiled(HERE / "doubles/Doubles.sol")["contracts"]
    wsteth = node.deploy(others["WstETHDouble"], ("uint256",), round(RATES["lido"] * ETHER))
    queue = node.deploy(doubles["LidoQueueDouble"], ("address",), wsteth)
    node.do(market.weth, "deposit()", value=10_000 * ETHER)
    sold = Pool(market.swap_router, market.pool_of(wsteth, RATES["lido"], 500, 10), 500)
    told = replace(
        deployment,
        tokens={**deployment.tokens, "wstETH": Token(wsteth)},
        staking={"lido": Staking(StakingKind.LIDO, "wstETH", wsteth, Queue(queue, queue))},
        pools={**deployment.pools, "uniswap": {**deployment.pools["uniswap"], "wstETH": sold}},
    )
    return Issuer(name, wsteth, "lido:LST:wstETH", "stEthPerToken()", queue, node, told)


@dataclass
class Leaving:
    """A book that has staked, on the way out; `alerts` is what people were told."""

    issuer: Issuer
    there: Bench
    root: Workspace
    overrides: Mapping[str, Any]
    alerts: list[Alert] = field(default_factory=list)

    def session(self, **options: Any) -> LiveSession:
        """A session of a process of its own, started."""
        found = self.there.session(tell=self.alerts.append, **options)
        found.start()
        return found

    def leave(self, policy: EmergencyPolicy = EmergencyPolicy.EXIT_QUEUE) -> None:
        emergency_stop(self.there.path, policy)

    def told(self, what: str) -> list[str]:
        """Messages of the alerts of one kind."""
        return [alert.message for alert in self.alerts if alert.what == what]

    def operations(self) -> list[Operation]:
        return [settled.intent.order.operation for settled in self.there.again().journal.settled_after(0)]

    def fates(self) -> list[tuple[Operation, Fate]]:
        settled = self.there.again().journal.settled_after(0)
        return [(one.intent.order.operation, one.facts.fate) for one in settled]

    def gas(self) -> float:
        """ETH, as the receipts say."""
        return sum(settled.facts.fee for settled in self.there.again().journal.settled_after(0))

    def ether(self) -> float:
        chain = self.there.chain
        return float(chain.balance(owner()) + chain.balance(self.there.market.executor)) / ETHER

    def staked(self) -> float:
        return self.there.units(self.issuer.token) / ETHER

    def requests(self) -> int:
        return self.there.units(self.issuer.queue)

    def days(self, count: float) -> None:
        self.there.node.mine(seconds=round(count * DAY))


def about(out: Leaving) -> SessionAbout:
    """What a session writes down of itself."""
    there = out.there
    return SessionAbout.of(there.mode, there.settings, "dev", interval=60.0, overrides=out.overrides)


def leaving(market: Market, folder: Path, name: str, *, changes: Mapping[str, Any] | None = None) -> Leaving:
    """40 ETH, all staked but the gas reserve, by a session that has ended."""
    found, root = issuer(market, name), Workspace(folder / "data", CONFIGS)
    overrides = {**OVERRIDES, "strategy.lst": found.key.rpartition(":")[2], **(changes or {})}
    mode = wire_on_chain(ConfigFolder(CONFIGS), MODE, overrides)
    there = bench(market, journal_path(root, MODE, "dev"), mode=mode, deployment=found.deployment)
    out = Leaving(found, there, root, overrides)
    begin_record(there.journal, about(out))
    there.session().run(until=there.clock.wall() + 2 * MINUTE)
    return out


def booked(session: LiveSession, key: str) -> float:
    assert session.engine is not None
    return session.engine.state().positions[key].quantity


def equity(session: LiveSession) -> float:
    """ETH."""
    assert session.engine is not None
    latest = session.engine.position_update_handler.latest
    return latest.exposure.equity / latest.market.share_price


def earned(session: LiveSession, category: Category) -> float:
    """ETH since the opening."""
    assert session.engine is not None
    return session.engine.state().pnl.attribution[LIVE_CATEGORIES.index(category)]


def asked(out: Leaving) -> float:
    """A book whose every weETH or wstETH is in the queue; the ETH promised."""
    promised = out.staked() * RATES[out.issuer.name]
    out.leave()
    out.session().tick()
    assert out.operations() == [Operation.STAKE, Operation.REDEEM]
    return promised
