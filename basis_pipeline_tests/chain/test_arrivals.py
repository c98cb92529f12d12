"""What others send to the executor: rewards that are sold as dust, deposits that are put to work; each booked once."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.protocols import SettlementKind
from basis_pipeline.domain.records import Category
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.venues.live.arrivals import Arrivals, block_at
from basis_pipeline_tests.chain.bench import MINUTE, Bench, bench
from basis_pipeline_tests.chain.market import ETHER, Market
from basis_pipeline_tests.chain.proxy import proxied
from basis_pipeline_tests.chain.test_modes import a_token, assert_book_is_chain, earned, equity, mode, operations, run
from basis_pipeline_tests.live.faults import KilledError, dying_at

EIGEN = "wallet:BaseToken:EIGEN"


@pytest.fixture
def staking(market: Market, tmp_path: Path) -> Bench:
    return bench(market, tmp_path / "journal.sqlite", mode=mode("eth_staking_only"))


def send(there: Bench, token: str, amount: float) -> None:
    there.node.do(
        there.market.rewards[token], "transfer(address,uint256)", there.market.executor, round(amount * ETHER)
    )


def income(there: Bench) -> int:
    return len(there.entries(Kind.INCOME))


def test_rewards_are_booked_at_their_pools_price_and_sold_when_they_are_worth_it(staking: Bench) -> None:
    """100 EIGEN at 0.0005 are 0.05 ETH, below 0.2% of 40; 300 more make 0.2, and are sold at 30 bp."""
    session = run(staking)
    send(staking, "EIGEN", 100.0)
    staking.node.mine(seconds=60)
    session.tick()
    assert earned(session, Category.STAKING_REWARDS) == pytest.approx(0.05, rel=1e-3)
    assert (staking.quantity(EIGEN), operations(staking)) == (100.0, [Operation.STAKE])
    assert_book_is_chain(staking, session)
    send(staking, "EIGEN", 300.0)
    send(staking, "ETHFI", 10.0)
    staking.node.mine(seconds=60)
    before = staking.quantity("wallet:BaseToken:ETH")
    session = run(staking)
    assert operations(staking) == [Operation.STAKE, Operation.SWAP]
    assert earned(session, Category.STAKING_REWARDS) == pytest.approx(0.2 + 0.004, rel=2e-3)
    assert staking.quantity(EIGEN) == 0.0
    gas = staking.again().journal.settled_after(0)[-1].facts.fee
    sold = staking.quantity("wallet:BaseToken:ETH") - before + gas
    assert sold == pytest.approx(0.2 * 0.997, rel=1e-3)
    assert income(staking) == 3


def test_a_reward_is_booked_once_however_often_the_session_starts(staking: Bench) -> None:
    run(staking)
    send(staking, "EIGEN", 100.0)
    for kind, after in ((Kind.INCOME, False), (Kind.INCOME, True), (Kind.STATE, False)):
        dies: type[JournalDatabase] = dying_at(kind, after=after)
        with pytest.raises(KilledError):
            staking.session(database=dies).run(until=staking.clock.wall() + MINUTE)
    for _ in range(2):
        session = run(staking)
        assert earned(session, Category.STAKING_REWARDS) == pytest.approx(0.05, rel=1e-3)
    assert (staking.quantity(EIGEN), income(staking)) == (100.0, 1)


def test_a_reward_outlives_refreshes_that_are_rolled_back(staking: Bench) -> None:
    """Whatever was looked at by a tick that saved no state is looked at again, however often that happens."""
    run(staking)
    market = staking.feed.at(staking.clock.wall())
    arrivals = Arrivals(staking.chain, staking.deployment, staking.settings, staking.journal)
    send(staking, "EIGEN", 100.0)
    for moment in range(4):
        staking.node.mine(seconds=60)
        later = replace(market, timestamp=staking.clock.wall())
        (found,) = arrivals.due(SettlementKind.REWARD, later)
        assert found.amount == 100.0, f"refresh {moment}"
    run(staking)
    assert (staking.quantity(EIGEN), income(staking)) == (100.0, 1)
    assert arrivals.due(SettlementKind.REWARD, replace(market, timestamp=staking.clock.wall())) == ()


def test_a_flood_of_dust_is_neither_booked_nor_asked_about(market: Market, tmp_path: Path) -> None:
    """Each would be a question to the node and a line of the journal, for less gas than the session loses in time."""
    with proxied(market.node) as (url, provider):
        there = bench(market, tmp_path / "journal.sqlite", mode=mode("eth_staking_only"), url=url)
        run(there)
        before = there.feed.at(there.clock.wall())
        arrivals = Arrivals(there.chain, there.deployment, there.settings, there.journal)
        for _ in range(30):
            send(there, "EIGEN", 1e-6)
        send(there, "EIGEN", 100.0)
        there.node.mine(seconds=60)
        provider.asked.clear()
        (found,) = arrivals.due(SettlementKind.REWARD, replace(before, timestamp=there.clock.wall()))
        assert (found.amount, provider.asked.count("eth_getTransactionByHash")) == (100.0, 1)


def test_wrapped_ether_that_is_sent_is_a_deposit_and_is_staked(staking: Bench) -> None:
    session = run(staking)
    before = equity(session)
    staking.node.do(staking.market.weth, "deposit()", value=10 * ETHER)
    staking.node.do(staking.market.weth, "transfer(address,uint256)", staking.market.executor, 10 * ETHER)
    session = run(staking)
    assert operations(staking) == [Operation.STAKE, Operation.STAKE]
    assert equity(session) == pytest.approx(before + 10.0, abs=0.001)
    assert earned(session, Category.STAKING_REWARDS) == earned(session, Category.DELTA) == 0.0
    assert session.engine is not None
    assert abs(session.engine.state().pnl.cumulative) < 0.001, "no profit: only gas"


def test_dollars_that_are_sent_are_a_deposit_and_are_lent(market: Market, tmp_path: Path) -> None:
    there = bench(market, tmp_path / "journal.sqlite", mode=mode("pure_lending_usdt"))
    mint = ("mint(address,uint256)", market.executor)
    there.node.do(market.usdt, *mint, 50_000 * 10**6)
    for _ in range(2):
        session = run(there)
        assert session.engine is not None
        assert abs(session.engine.state().pnl.cumulative) < 2.0, "the opening capital is no deposit, however often"
    there.node.do(market.usdt, *mint, 25_000 * 10**6)
    there.node.mine(seconds=60)
    session.tick()
    session = run(there)
    assert operations(there) == [Operation.SUPPLY, Operation.SUPPLY]
    assert there.units(a_token(there, "USDT")) / 1e6 == pytest.approx(75_000.0, abs=1.0)
    assert session.engine is not None
    assert abs(session.engine.state().pnl.cumulative) < 2.0, "no profit: gas, and interest of minutes"


def test_ether_that_is_sent_leaves_no_event_and_is_staked_all_the_same(staking: Bench) -> None:
    """It is found by comparison, and is no profit whoever has sent it."""
    session = run(staking)
    staking.node.send(staking.market.executor, b"", value=ETHER)
    session = run(staking)
    assert operations(staking) == [Operation.STAKE, Operation.STAKE]
    assert session.engine is not None
    assert abs(session.engine.state().pnl.cumulative) < 0.001


def test_the_block_of_a_moment_is_the_last_one_that_is_not_younger(there: Bench) -> None:
    there.node.mine(seconds=1_000)
    head = there.chain.block("latest")
    for back in (0, 1, 2, 70):
        block = there.chain.block(head.number - back)
        found = block_at(there.chain, block.timestamp)
        assert there.chain.block(found).timestamp == block.timestamp
        assert found == head.number or there.chain.block(found + 1).timestamp > block.timestamp
    assert block_at(there.chain, head.timestamp - 1) == head.number - 1
    assert block_at(there.chain, head.timestamp + 10**9) == head.number
