"""What can go wrong between a session and a chain, each as something that can be made to happen (`fault_table.py`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.venues.live.chain import Fees
from basis_pipeline.venues.live.onchain import Limits
from basis_pipeline.venues.live.transactions import Payload, Signer
from basis_pipeline_tests.chain.anvil import CHAIN_ID
from basis_pipeline_tests.chain.bench import KEY, owner
from basis_pipeline_tests.chain.proxy import RpcFault
from basis_pipeline_tests.chain.stage import Stage
from basis_pipeline_tests.fakes.server import Fault, Reply
from basis_pipeline_tests.live.faults import dying, dying_at, full_at

SEND, BLOCK, READ = "eth_sendRawTransaction", "eth_getBlockByNumber", "eth_call"
BUSY = Reply(429, {"error": "too many requests"})
DOWN = Reply(503, {"error": "down"})
NONSENSE = Reply(200, "this is no JSON-RPC")
FOREVER = 10**9
REFUSED = Reply(200, {"jsonrpc": "2.0", "id": 1, "error": {"code": -32_000, "message": "internal error"}})


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        strikes: sets the fault up: before a session begins, or a minute after it has entered.
        when: while the stack is being built, while a session holds it, or while no session runs.
        database: of the first session only.
        operator: a person has to look: waits until the node is right again, or acknowledges that it is.
        lends, redeems: of `pure_lending_usdt`, of `eth_staking_only` that leaves by the queue, not of `eth_leveraged`.
        minutes: how long a session that holds its book is watched.
    """

    strikes: Callable[[Stage], None] = lambda there: None
    when: Literal["entering", "holding", "between"] = "entering"
    database: type[JournalDatabase] = JournalDatabase
    operator: Literal["", "waits", "acknowledges"] = ""
    lends: bool = False
    redeems: bool = False
    minutes: int = 4


def rpc(*faults: Callable[[], RpcFault], **rest: Any) -> Case:
    return Case(lambda there: there.provider.faults.extend(make() for make in faults), **rest)


def on(method: str, phase: Literal["before", "after"], reply: Reply, times: int = 1, **rest: Any) -> Case:
    return rpc(lambda: RpcFault(method, phase, reply, times), **rest)


def torn(times: int, **rest: Any) -> Case:
    """The connection is torn down."""
    return Case(lambda there: there.server.faults.extend([Fault("", "reset", "before")] * times), **rest)


def lasting(fault: Callable[[Stage], RpcFault], seconds: float, **rest: Any) -> Case:
    """The same thing goes wrong with every request that it fits, for so long."""

    def strikes(there: Stage) -> None:
        made, end = fault(there), there.clock.now() + seconds
        there.provider.faults.append(made)

        def passes() -> None:
            if there.clock.now() >= end:
                there.clock.passing.remove(passes)
                there.provider.faults.remove(made)

        there.clock.passing.append(passes)

    return Case(strikes, **rest)


def at(kind: Kind, happens: Callable[[Stage], None]) -> Case:
    """Right after the order's first entry of `kind`: played through at the intent, given to the node after the hash."""

    def strikes(there: Stage) -> None:
        def passes() -> None:
            if there.truth.entries(kind):
                there.clock.passing.remove(passes)
                happens(there)

        there.clock.passing.append(passes)

    return Case(strikes)


def _distorted(method: str, change: Callable[[Any], Any], times: int, to: str = "", **rest: Any) -> Case:
    def distorts(_question: Any, answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"result": change(answer["result"])}

    return rpc(lambda: RpcFault(method, times=times, distorts=distorts, to=to), **rest)


def stale(there: Stage) -> RpcFault:
    """The node answers with the block of now, whenever that was."""
    old = there.truth.node.chain.ask(BLOCK, "latest", False)
    return RpcFault(BLOCK, times=FOREVER, distorts=lambda _, answer: answer | {"result": old})


def _backwards(there: Stage) -> RpcFault:
    """Every other minute a second node answers, two blocks behind the first."""
    node, began = there.truth.node, there.clock.now()

    def distorts(question: Any, answer: dict[str, Any]) -> dict[str, Any]:
        if question["params"][0] != "latest" or (there.clock.now() - began) // 60 % 2:
            return answer
        behind = hex(max(0, int(answer["result"]["number"], 16) - 2))
        return answer | {"result": node.chain.ask(BLOCK, behind, False)}

    return RpcFault(BLOCK, times=FOREVER, distorts=distorts)


def _lies(there: Stage, times: int) -> None:
    """The collateral is gone, says the node."""
    lending = there.truth.deployment.lending
    assert lending is not None

    def nothing(_question: Any, answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"result": "0x" + "00" * 32}

    fault = RpcFault(READ, times=times, distorts=nothing, to=lending.reserves["weETH"].a_token)
    there.provider.faults.append(fault)


def _stuck(there: Stage) -> None:
    """Blocks are made, and none takes the transaction, until something pays more."""
    chain = there.truth.node.chain
    chain.ask("evm_setAutomine", False)

    def passes() -> None:
        sent = there.truth.entries(Kind.SENT)
        *before, last = sent[-1].payload.decode().partition(":")[2].split(",") if sent else [""]
        if before and chain.ask("eth_getTransactionByHash", last):
            chain.ask("anvil_mine", "0x1")
            chain.ask("evm_setAutomine", True)
            there.clock.passing.remove(passes)
            there.clock.makes_blocks = lambda: True

    there.clock.makes_blocks = lambda: False
    there.clock.passing.append(passes)


def _dear(gwei: int, seconds: float) -> Callable[[Stage], None]:
    """Gas costs so much for so long."""

    def strikes(there: Stage) -> None:
        end = there.clock.now() + seconds
        chain = there.truth.node.chain

        def passes() -> None:
            over = there.clock.now() >= end
            chain.ask("anvil_setNextBlockBaseFeePerGas", hex(10**9 if over else gwei * 10**9))
            if over:
                there.clock.passing.remove(passes)

        chain.ask("anvil_setNextBlockBaseFeePerGas", hex(gwei * 10**9))
        chain.ask("anvil_mine", "0x1")
        chain.ask("anvil_setNextBlockBaseFeePerGas", hex(gwei * 10**9))
        there.clock.passing.append(passes)

    return strikes


def _above_cap(there: Stage) -> None:
    there.limits = Limits(1e9, max_gas_price=50.0)
    _dear(60, 100.0)(there)


def _reorganised(*, again: bool) -> Callable[[Stage], None]:
    """The transaction was in a block, and then never was; something else may take its place first."""

    def strikes(there: Stage) -> None:
        node, kept = there.truth.node, there.truth.node.snapshot()

        def passes() -> None:
            if there.executed():
                there.clock.passing.remove(passes)
                rewind(there, kept)
                if again:
                    node.do(there.market.weth, "deposit()", value=1)

        there.clock.passing.append(passes)

    return strikes


def rewind(there: Stage, snapshot: str) -> None:
    """Other blocks take the place of those since `snapshot`; time does not go back."""
    now, node = there.clock.wall() // 1_000_000, there.truth.node
    node.revert(snapshot)
    node.chain.ask("evm_setNextBlockTimestamp", now + 1)
    node.mine()
    there.truth.chain.rewound()


def _deep(there: Stage) -> None:
    """All that the session before has done is undone, however deep it was; strikes between sessions."""
    rewind(there, there.beginning)


def _reverts(there: Stage) -> None:
    """The reserve is paused when the transaction comes to its block, and open again a minute later."""
    node, market = there.truth.node, there.market
    pause = "setReservePause(address,bool)"
    node.do(market.configurator, pause, market.weeth, True)
    end = there.clock.now() + 60.0

    def passes() -> None:
        if there.clock.now() >= end:
            there.clock.passing.remove(passes)
            node.do(market.configurator, pause, market.weeth, False)

    there.clock.passing.append(passes)


def _used_elsewhere(there: Stage) -> None:
    """The same key sends from another machine; the node forgets ours."""
    chain = there.truth.node.chain
    sent, raw = Signer(KEY, CHAIN_ID).sign(Payload(owner(), b"", 1, 21_000), chain.nonce(owner()), Fees(10**12, 10**9))
    chain.send(raw)
    there.truth.node.mined(sent)


def oracle_stops(there: Stage) -> None:
    """The price source has not been updated for longer than its heartbeat; then it is."""
    node, source = there.truth.node, there.market.prices[there.market.weth]
    node.do(source, "stop(uint256)", there.clock.wall() // 1_000_000 - 4_600)
    end = there.clock.now() + 90.0

    def passes() -> None:
        if there.clock.now() >= end:
            there.clock.passing.remove(passes)
            node.do(source, "stop(uint256)", 0)

    there.clock.passing.append(passes)


def _half(estimate: str) -> str:
    return hex(int(estimate, 16) // 2)


CASES: dict[str, Case] = {
    "nothing": Case(),
    "answer to sending lost, the node has it": on(SEND, "after", DOWN),
    "answer to sending lost, the node has it not": on(SEND, "before", DOWN),
    "sending hits the rate limit (429)": on(SEND, "before", BUSY),
    "sending is refused though the node has it": on(SEND, "after", REFUSED),
    "sending is answered by garbage, the node has it": on(SEND, "after", NONSENSE),
    "connection torn down twice while entering": torn(2),
    "node down while entering, three requests": on("", "before", DOWN, 3),
    "garbage on everything asked, ten times": on("", "before", NONSENSE, 10),
    "rate limit storm, twenty-five requests": on("", "before", BUSY, 25),
    "receipts unanswered for a while": on("eth_getTransactionReceipt", "before", DOWN, 6),
    "balances unanswered": on("eth_getBalance", "before", DOWN, 2),
    "node down for a minute": lasting(lambda _: RpcFault("", "before", DOWN, FOREVER), 60.0, when="holding"),
    "node down for ten minutes": lasting(lambda _: RpcFault("", "before", DOWN, FOREVER), 600.0, when="holding"),
    "node answers stale blocks for four minutes": lasting(stale, 240.0, when="holding"),
    "two nodes that disagree, heights going backwards": lasting(_backwards, 240.0, when="holding"),
    "node serves another chain after a reconnect": _distorted("eth_chainId", lambda _: "0x1", 2, when="holding"),
    "node lies about a balance at a start, twice": Case(lambda there: _lies(there, 2), when="between"),
    "node lies about a balance at a start, for minutes": Case(
        lambda there: _lies(there, 5), when="between", operator="waits"
    ),
    "oracle not updated for longer than its heartbeat": Case(oracle_stops, when="holding"),
    "transaction stuck, cancelled": Case(_stuck),
    "gas becomes forty times dearer once sent": at(Kind.SENT, _dear(40, 90.0)),
    "gas above the configured cap": Case(_above_cap),
    "reorganisation drops the transaction": Case(_reorganised(again=False)),
    "reorganisation puts another transaction first": Case(_reorganised(again=True)),
    "reorganisation deeper than the confirmations": Case(_deep, when="between", operator="acknowledges"),
    "transaction reverts in its block": at(Kind.INTENT, _reverts),
    "transaction runs out of gas": _distorted("eth_estimateGas", _half, 1),
    "nonce used by somebody else": at(Kind.INTENT, _used_elsewhere),
    "executor belongs to somebody else": _distorted(
        "eth_getCode", lambda code: code[:-2] + "00", 2, when="between", operator="waits"
    ),
    "killed before an intent is written": Case(database=dying_at(Kind.INTENT, after=False)),
    "killed after an intent is written": Case(database=dying_at(Kind.INTENT, after=True)),
    "killed before the hash is written": Case(database=dying_at(Kind.SENT, after=False)),
    "killed after the hash is written": Case(database=dying_at(Kind.SENT, after=True)),
    "killed before the facts are written": Case(database=dying_at(Kind.FACTS, after=False)),
    "killed after the facts are written": Case(database=dying_at(Kind.FACTS, after=True)),
    "killed before the state of a tick is written": Case(database=dying(9, after=False)),
    "killed after the state of a tick is written": Case(database=dying(9, after=True)),
    "disk full when an intent is written": Case(database=full_at(Kind.INTENT)),
    "disk full when a hash is written": Case(database=full_at(Kind.SENT)),
    "disk full when facts are written": Case(database=full_at(Kind.FACTS)),
}
