"""Whatever happens to a transaction on its way: executed at most once, found by its hash, booked as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.errors import DataGapError
from basis_pipeline.domain.intents import Facts, Fate
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus, Operation, Order
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.venues.live.chain import Fees
from basis_pipeline.venues.live.transactions import Payload, Signer
from basis_pipeline_tests.chain.anvil import CHAIN_ID
from basis_pipeline_tests.chain.bench import KEY, Bench, bench, order, owner
from basis_pipeline_tests.chain.market import ETHER, Market
from basis_pipeline_tests.chain.proxy import ProxySkin, proxied
from basis_pipeline_tests.live.test_session import KilledError, dying

ETH, LST = "wallet:BaseToken:ETH", "etherfi:LST:weETH"
COLLATERAL, DEBT = "aave_v3:aToken:aweETH", "aave_v3:debtToken:debtWETH"
STAKE = order(Operation.STAKE, "etherfi", (ETH, LST), 10.4)
"""Becomes 10 weETH at 1.04."""


@pytest.fixture
def lossy(market: Market, tmp_path: Path) -> Iterator[tuple[Bench, ProxySkin]]:
    """A wallet whose node is behind a provider with faults."""
    with proxied(market.node) as (url, skin):
        yield bench(market, tmp_path / "journal.sqlite", url=url), skin


def now(there: Bench) -> MarketSnapshot:
    return there.feed.at(there.clock.wall())


def execute(there: Bench, what: Order = STAKE) -> ExecutionHandshake:
    answer: ExecutionHandshake = there.venues[what.venue].execute(what, there.held(), now(there))
    return answer


def staked(there: Bench) -> float:
    units = there.chain.read(there.market.weeth, "balanceOf(address)", ("uint256",), there.market.executor)
    return float(units) / ETHER


def facts(there: Bench) -> list[Facts]:
    found = [intent.facts for intent in there.journal.settled_after(0)]
    assert there.journal.open_intents() == ()
    return found


def restarted(there: Bench) -> Facts | None:
    """The only open intent, resolved by the next process."""
    process = there.again()
    (left,) = process.journal.open_intents()
    found: Facts | None = process.venues[left.intent.order.venue].resolve(left)
    return found


def test_an_order_is_one_transaction_found_by_the_hash_that_was_journalled(there: Bench) -> None:
    answer = execute(there)
    assert answer.status is HandshakeStatus.CONFIRMED
    assert staked(there) == 10.0
    assert [entry.kind for entry in there.entries(Kind.INTENT, Kind.SENT, Kind.FACTS)] == [
        Kind.INTENT, Kind.SENT, Kind.FACTS
    ]  # fmt: skip
    assert there.entries(Kind.SENT)[0].payload.decode() == f"{there.market.sent_before}:{facts(there)[0].reference}"


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_lost_answer_to_sending_is_found_out_on_chain(lossy: tuple[Bench, ProxySkin], phase: str) -> None:
    there, provider = lossy
    provider.lost.append(("eth_sendRawTransaction", phase))  # type: ignore[arg-type]
    assert execute(there).status is HandshakeStatus.CONFIRMED
    assert (staked(there), there.transactions()) == (10.0, 1)


def test_nonce_too_low_does_not_hide_that_it_was_mined(lossy: tuple[Bench, ProxySkin]) -> None:
    """The provider shows no receipt for a while, so the same bytes are sent again and refused."""
    there, provider = lossy
    provider.swallowed["eth_getTransactionReceipt"] = None

    def shows_it_after_seven_seconds() -> None:
        if there.clock.now() >= 7.0:
            provider.swallowed.clear()

    there.clock.script = shows_it_after_seven_seconds
    assert execute(there).status is HandshakeStatus.CONFIRMED
    assert provider.asked.count("eth_sendRawTransaction") >= 3
    assert (staked(there), there.transactions()) == (10.0, 1)


def test_a_dropped_transaction_is_sent_again_as_it_is(there: Bench) -> None:
    there.node.chain.ask("evm_setAutomine", False)
    dropped: list[str] = []

    def drop_it() -> None:
        if not dropped and there.clock.now() >= 1.0:
            (sent,) = there.entries(Kind.SENT)
            dropped.append(sent.payload.decode().partition(":")[2])
            there.node.chain.ask("anvil_dropTransaction", dropped[0])

    there.clock.makes_blocks = lambda: bool(dropped)
    there.clock.script = drop_it
    answer = execute(there)
    assert answer.status is HandshakeStatus.CONFIRMED
    assert [fact.reference for fact in facts(there)] == dropped
    assert (staked(there), there.transactions()) == (10.0, 1)


def test_a_reorganisation_is_waited_out(market: Market, tmp_path: Path) -> None:
    """Three blocks make it final; after two the chain is rewound to before it was sent."""
    there = bench(market, tmp_path / "j.sqlite", deployment=replace(market.deployment, confirmations=4))
    before, rewound = market.node.snapshot(), []

    def rewind_after_three_seconds() -> None:
        if not rewound and there.clock.now() >= 1.0:
            assert staked(there) == 10.0
            market.node.revert(before)
            there.chain.rewound()
            rewound.append(True)
            assert staked(there) == 0.0

    there.clock.script = rewind_after_three_seconds
    answer = execute(there)
    assert rewound and answer.status is HandshakeStatus.CONFIRMED
    assert (staked(there), there.transactions(), len(facts(there))) == (10.0, 1, 1)


def test_what_no_block_takes_is_cancelled_and_only_the_cancellation_is_paid(lossy: tuple[Bench, ProxySkin]) -> None:
    there, provider = lossy
    provider.swallowed["eth_sendRawTransaction"] = "0x" + "00" * 32
    there.clock.script = lambda: provider.swallowed.clear() if len(there.entries(Kind.SENT)) > 1 else None
    before = there.held().quantities[0]
    answer = execute(there)
    assert (answer.status, answer.error_code) == (HandshakeStatus.FAILED, "VEN-007")
    (fact,) = facts(there)
    assert fact.fate is Fate.REVERTED
    assert there.held().quantities[0] == pytest.approx(before - fact.fee, abs=1e-13)
    receipt = there.node.chain.ask("eth_getTransactionReceipt", fact.reference)
    assert int(receipt["gasUsed"], 16) == 21_000
    assert fact.fee == pytest.approx(21_000 * int(receipt["effectiveGasPrice"], 16) / ETHER, rel=1e-15)
    assert answer.gas == pytest.approx(fact.fee * 2_500.0)
    assert (staked(there), there.transactions()) == (0.0, 1)


def test_a_nonce_used_by_somebody_else_ends_the_order(lossy: tuple[Bench, ProxySkin]) -> None:
    there, provider = lossy
    provider.swallowed["eth_sendRawTransaction"] = "0x" + "00" * 32
    elsewhere = Payload(owner(), b"", 1, 21_000)
    _, raw = Signer(KEY, CHAIN_ID).sign(elsewhere, there.node.chain.nonce(owner()), Fees(10**12, 10**9))
    used: list[bytes] = []

    def the_same_key_sends_from_another_machine() -> None:
        if not used:
            used.append(raw)
            there.node.chain.send(raw)

    there.clock.script = the_same_key_sends_from_another_machine
    answer = execute(there)
    assert (answer.status, answer.error_code) == (HandshakeStatus.FAILED, "VEN-008")
    provider.swallowed.clear()
    assert (staked(there), there.transactions(), facts(there)[0].fate) == (0.0, 1, Fate.REJECTED)


def test_a_node_that_stays_silent_leaves_the_fate_open_and_the_next_process_finds_it(
    lossy: tuple[Bench, ProxySkin],
) -> None:
    there, provider = lossy
    there.clock.script = lambda: provider.lost.extend([("eth_getBlockByNumber", "before")] * 3)
    answer = execute(there)
    assert answer.status is HandshakeStatus.PENDING
    there.clock.script = lambda: None
    provider.lost.clear()
    found = restarted(there)
    assert found is not None
    assert there.transactions() == 1
    assert (staked(there) == 10.0) is (found.fate is Fate.EXECUTED)


@pytest.mark.parametrize(
    ("entry", "fate"),
    [(1, Fate.REJECTED), (2, Fate.REVERTED), (3, Fate.EXECUTED)],
    ids=["after the intent: never signed", "after signing: never sent, cancelled", "before the facts: executed"],
)
def test_a_crash_at_each_entry_leaves_one_fate(there: Bench, entry: int, fate: Fate) -> None:
    dies: type[JournalDatabase] = dying(entry, after=entry != 3)
    with pytest.raises(KilledError):
        execute(there.again(database=dies))
    found = restarted(there)
    assert found is not None and found.fate is fate
    assert staked(there) == (10.0 if fate is Fate.EXECUTED else 0.0)
    assert facts(there.again()) == [found]


def test_a_node_that_falls_behind_is_not_traded_on(lossy: tuple[Bench, ProxySkin]) -> None:
    there, provider = lossy
    old = there.node.chain.ask("eth_getBlockByNumber", "latest", False)
    there.node.mine(3)
    market, held = now(there), there.held()
    provider.swallowed["eth_getBlockByNumber"] = old
    with pytest.raises(DataGapError, match="after it was at"):
        now(there)
    answer = there.venues["etherfi"].execute(STAKE, held, market)
    assert answer.status is HandshakeStatus.FAILED
    assert (there.transactions(), there.entries(Kind.INTENT)) == (0, [])


def test_an_old_block_is_a_gap(there: Bench) -> None:
    with pytest.raises(DataGapError, match=r"newest block \d+ is 121 s old"):
        there.feed.at(there.clock.wall() + 121_000_000)


def test_what_would_revert_is_refused_in_words_and_costs_nothing(there: Bench) -> None:
    borrow = order(Operation.BORROW, "aave_v3", (DEBT, ETH), 1.0)
    answer = execute(there, borrow)
    assert answer.status is HandshakeStatus.FAILED
    assert "34: there is no collateral" in answer.error_message
    assert (there.transactions(), answer.deltas, there.entries(Kind.INTENT)) == (0, (), [])


def test_a_transaction_that_reverts_in_its_block_costs_its_gas_and_nothing_else(there: Bench) -> None:
    """Somebody dumps on the pool after the order was played through."""
    execute(there)
    before = there.held().quantities

    def dump_first() -> None:
        there.clock.script = lambda: None
        market = there.market
        there.node.do(market.weeth, "approve(address,uint256)", market.swap_router, 5_000 * ETHER)
        single = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
        there.node.do(
            market.swap_router, single,
            (market.weeth, market.weth, 500, there.node.admin, 2**40, 5_000 * ETHER, 0, 0),
        )  # fmt: skip

    there.clock.script = dump_first
    answer = execute(there, order(Operation.SWAP, "curve", (LST, ETH), 10.0, number=2))
    assert answer.status is HandshakeStatus.FAILED
    fact = facts(there)[1]
    assert (fact.fate, [booking.position_key for booking in fact.bookings]) == (Fate.REVERTED, [ETH])
    after = there.held().quantities
    assert after[0] == pytest.approx(before[0] - fact.fee, abs=1e-13)
    assert after[1:] == before[1:]
    assert [delta.amount for delta in answer.deltas] == [-fact.fee]


def test_nothing_is_sent_while_something_else_of_the_account_waits(there: Bench) -> None:
    there.node.chain.ask("evm_setAutomine", False)
    _, raw = Signer(KEY, CHAIN_ID).sign(
        Payload(owner(), b"", 1, 21_000), there.node.chain.nonce(owner()), Fees(10**12, 10**9)
    )
    there.node.chain.send(raw)
    answer = execute(there)
    assert "on its way" in answer.error_message
    assert there.entries(Kind.INTENT) == []


def test_gas_that_cannot_be_paid_is_refused_before_anything_is_signed(there: Bench) -> None:
    there.node.chain.ask("anvil_setBalance", owner(), hex(10**19))
    answer = execute(there, order(Operation.STAKE, "etherfi", (ETH, LST), 9.99999))
    assert answer.error_code == "EXEC-008"
    assert there.entries(Kind.INTENT) == []
