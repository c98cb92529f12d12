"""Who gets to see an order before its block, and what ends one that no block takes: never more than is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from basis_pipeline.config.chain import ChainAccess
from basis_pipeline.config.live import LiveFile
from basis_pipeline.domain.errors import ConfigError, SystemFailure
from basis_pipeline.domain.intents import Fate
from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus, Operation, Order
from basis_pipeline.domain.secret import Secret
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.runs.live.chain import open_wallet
from basis_pipeline.runs.live.hearing import Hearing
from basis_pipeline.venues.live.chain import Fees
from basis_pipeline_tests.chain.bench import KEY, MINUTE, Bench, bench, order, owner
from basis_pipeline_tests.chain.market import Market
from basis_pipeline_tests.chain.proxy import ProxySkin, RpcFault, proxied
from basis_pipeline_tests.chain.test_leverage import ETH, LST, run
from basis_pipeline_tests.fakes.server import Reply
from basis_pipeline_tests.live.faults import KilledError, dying_at

STAKE = order(Operation.STAKE, "etherfi", (ETH, LST), 10.4)
SEND = "eth_sendRawTransaction"


@pytest.fixture
def parted(market: Market, tmp_path: Path) -> Iterator[tuple[Bench, ProxySkin, ProxySkin]]:
    """A wallet that asks one provider and sends through another: the bench, the node, the relay."""
    with proxied(market.node) as (url, node), proxied(market.node) as (relay_url, relay):
        yield bench(market, tmp_path / "j.sqlite", url=url, relay=relay_url), node, relay


@pytest.fixture
def stuck(there: Bench) -> Bench:
    """No block takes anything: transactions wait at the node."""
    there.node.chain.ask("evm_setAutomine", False)
    there.clock.makes_blocks = lambda: False
    return there


def execute(there: Bench, what: Order = STAKE) -> ExecutionHandshake:
    answer: ExecutionHandshake = there.venues["etherfi"].execute(what, there.held(), there.feed.at(there.clock.wall()))
    return answer


def attempts(there: Bench) -> list[str]:
    """Hashes of all that was ever signed for the only order."""
    return there.entries(Kind.SENT)[-1].payload.decode().partition(":")[2].split(",")


def resolved_again(there: Bench) -> None:
    """By the next process, which cannot know it yet."""
    process = there.again()
    (left,) = process.journal.open_intents()
    assert process.venues["etherfi"].resolve(left) is None


def dearer(there: Bench, base_fee: int) -> None:
    """A block with this base fee, in which there is no room for anything."""
    chain = there.node.chain
    chain.ask("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
    chain.ask("evm_setBlockGasLimit", hex(1))
    chain.ask("anvil_mine", "0x1")
    chain.ask("evm_setBlockGasLimit", hex(60_000_000))


def offered(there: Bench, transaction: str) -> Fees:
    found = there.node.chain.fees_of(transaction)
    assert found is not None
    return found


def test_an_order_goes_to_the_relay_alone(parted: tuple[Bench, ProxySkin, ProxySkin]) -> None:
    there, node, relay = parted
    answer = execute(there)
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    assert (node.asked.count(SEND), relay.asked.count(SEND)) == (0, 1)
    assert set(relay.asked) == {SEND}, "everything else is asked of the node"


def test_what_a_relay_never_brings_into_a_block_is_cancelled_through_both(
    parted: tuple[Bench, ProxySkin, ProxySkin],
) -> None:
    there, node, relay = parted
    relay.swallowed[SEND] = "0x" + "00" * 32
    answer = execute(there)
    assert (answer.status, answer.error_code) == (HandshakeStatus.FAILED, "VEN-007")
    assert node.asked.count(SEND) >= 1
    (settled,) = there.journal.settled_after(0)
    assert settled.facts.fate is Fate.REVERTED
    receipt = there.node.chain.ask("eth_getTransactionReceipt", settled.facts.reference)
    assert int(receipt["gasUsed"], 16) == 21_000, "only the cancellation was ever public"


def test_a_relay_that_says_nothing_costs_the_order_and_not_the_session(
    parted: tuple[Bench, ProxySkin, ProxySkin],
) -> None:
    there, _, relay = parted
    relay.faults.append(RpcFault(reply=Reply(503, {"error": "down"}), times=10**9))
    assert execute(there).error_code == "VEN-007"
    relay.faults.clear()
    assert execute(there, replace(STAKE, operation_id=2)).status is HandshakeStatus.CONFIRMED


def test_a_relay_of_another_chain_is_refused_before_anything_is_signed(market: Market, there: Bench) -> None:
    """Staging on a private copy would otherwise hand its transactions to the main network."""
    with proxied(market.node) as (url, relay):
        relay.swallowed["eth_chainId"] = "0x1"
        access = ChainAccess(market.deployment, Secret(market.node.url), Secret(KEY), Secret(url))
        with pytest.raises(ConfigError, match=r"CHAIN-001.*serves chain 1,"):
            open_wallet(access, "staging", there.clock, LiveFile(), Hearing(lambda _: None))


def test_gas_that_gets_three_times_as_dear_on_the_way_stops_no_order(stuck: Bench) -> None:
    """Six full blocks double the base fee, ten make it 3.2 times: an order in a rush is not to begin anew each time."""
    chain = stuck.node.chain

    def rises() -> None:
        if stuck.entries(Kind.SENT) and chain.nonce(owner(), "pending") > chain.nonce(owner()):
            stuck.clock.script = lambda: None
            dearer(stuck, 3 * chain.block("latest").base_fee)
            stuck.clock.makes_blocks = lambda: True

    stuck.clock.script = rises
    chain.ask("anvil_setNextBlockBaseFeePerGas", hex(10**10))
    chain.ask("anvil_mine", "0x1")
    answer = execute(stuck)
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    (settled,) = stuck.journal.settled_after(0)
    receipt = stuck.node.chain.ask("eth_getTransactionReceipt", settled.facts.reference)
    assert int(receipt["effectiveGasPrice"], 16) > 2.5 * 10**10


def test_a_cancellation_that_waits_is_not_outbid_by_every_start(stuck: Bench) -> None:
    """Each would offer 1.3 times the last: after twenty starts two hundred times what the first one did."""
    assert execute(stuck).status is HandshakeStatus.PENDING
    first = attempts(stuck)
    assert len(first) == 2
    for _ in range(3):
        resolved_again(stuck)
    assert attempts(stuck) == first
    stuck.clock.makes_blocks = lambda: True
    process = stuck.again()
    (left,) = process.journal.open_intents()
    found = process.venues["etherfi"].resolve(left)
    assert found is not None and found.reference == first[1]
    assert (stuck.transactions(), stuck.units(stuck.market.weeth)) == (1, 0)


def test_a_cancellation_is_outbid_where_gas_has_become_too_dear_for_it(stuck: Bench) -> None:
    assert execute(stuck).status is HandshakeStatus.PENDING
    before = offered(stuck, attempts(stuck)[1])
    dearer(stuck, 20 * before.most)
    resolved_again(stuck)
    assert len(attempts(stuck)) == 3
    assert offered(stuck, attempts(stuck)[2]).most > 20 * before.most


def test_a_cancellation_offers_no_more_than_the_wallet_has(stuck: Bench) -> None:
    """1.2 times what waits is enough to replace it, and for the next block; 1.3 times would be refused."""
    assert execute(stuck).status is HandshakeStatus.PENDING
    before = offered(stuck, attempts(stuck)[1])
    dearer(stuck, before.most)
    stuck.node.chain.ask("anvil_setBalance", owner(), hex(before.most * 12 // 10 * 21_000))
    resolved_again(stuck)
    assert offered(stuck, attempts(stuck)[2]).most == before.most * 12 // 10


def test_who_cannot_pay_a_cancellation_is_told_so_and_the_session_waits_for_it(there: Bench) -> None:
    """The order is signed, waits at a price that leaves nothing, and the wallet is emptied by another machine."""
    there.node.chain.ask("evm_setAutomine", False)
    there.clock.makes_blocks = lambda: False
    with pytest.raises(KilledError):
        there.session(database=dying_at(Kind.SENT, after=True)).run(until=there.clock.wall() + MINUTE)
    there.node.chain.ask("anvil_setBalance", owner(), hex(1000))
    with pytest.raises(SystemFailure, match=r"fate of intent .* is not known: .*EXEC-008.*send ETH to this address"):
        there.session().start()


def test_a_node_that_is_down_at_a_start_over_an_open_order_ends_it_as_one_that_may_be_started_again(
    market: Market, tmp_path: Path
) -> None:
    with proxied(market.node) as (url, provider):
        there = bench(market, tmp_path / "j.sqlite")
        with pytest.raises(KilledError):
            dies: type[JournalDatabase] = dying_at(Kind.SENT, after=True)
            there.session(database=dies).run(until=there.clock.wall() + MINUTE)
        session = there.session(url=url)
        provider.faults.append(RpcFault(reply=Reply(503, {"error": "down"}), times=50))
        with pytest.raises(SystemFailure, match=r"fate of intent .* is not known: .*VEN-004"):
            session.start()
        provider.faults.clear()
        run(there)
    assert [intent.facts.fate for intent in there.again().journal.settled_after(0)] == [Fate.REVERTED, Fate.EXECUTED]
