"""What a swap must bring does not come from the pool's price of the moment alone, which anybody can set."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.orders import Action, ExecutionHandshake, HandshakeStatus, Operation
from basis_pipeline.runs.live.parts import Alert
from basis_pipeline.venues.live.abi import unpack
from basis_pipeline.venues.live.calls import CALLS
from basis_pipeline.venues.live.onchain_limits import Limits
from basis_pipeline_tests.chain.bench import Bench, bench, order
from basis_pipeline_tests.chain.market import ETHER, WEETH_RATE, Market
from basis_pipeline_tests.chain.proxy import RpcFault, proxied
from basis_pipeline_tests.chain.test_leverage import DEBT, ETH, LST, run, set_rate
from basis_pipeline_tests.fakes.server import Reply

SALE = replace(order(Operation.SWAP, "curve", (LST, ETH), 10.0, number=2), action=Action.EXIT_PARTIAL)
STAKE = order(Operation.STAKE, "etherfi", (ETH, LST), 11.0)


@pytest.fixture
def holding(there: Bench) -> Bench:
    """10.58 weETH in the executor, and a pool that pays 1.04 for each."""
    answer = there.venues["etherfi"].execute(STAKE, there.held(), there.feed.at(there.clock.wall()))
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    return there


def push(there: Bench, to: float) -> None:
    """Trade weETH until the pool's price is `to` times 1.04, as whoever wants to profit from an order would."""
    market, node = there.market, there.node
    first = int(market.weeth, 16) < int(market.weth, 16)
    price = WEETH_RATE * to
    limit = round((price if first else 1.0 / price) ** 0.5 * 2**96)
    down = price < there.reader.pool_price(there.deployment.pools["curve"]["weETH"], "weETH", node.chain.head().number)
    sold, bought = (market.weeth, market.weth) if down else (market.weth, market.weeth)
    node.do(sold, "approve(address,uint256)", market.swap_router, 5_000 * ETHER)
    single = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
    node.do(market.swap_router, single, (sold, bought, 500, node.admin, 2**40, 5_000 * ETHER, 0, limit))
    now = there.reader.pool_price(there.deployment.pools["curve"]["weETH"], "weETH", node.chain.head().number)
    assert now == pytest.approx(price, rel=1e-6)


def sell(there: Bench) -> ExecutionHandshake:
    """The market is what it is when the order is made: a price that was pushed is the order's own."""
    answer: ExecutionHandshake = there.venues["curve"].execute(SALE, there.held(), there.feed.at(there.clock.wall()))
    return answer


def least(there: Bench) -> float:
    """WETH per weETH that the last transaction of the wallet took at least: the word of the router's call."""
    reference = there.journal.settled_after(0)[-1].facts.reference
    sent = there.node.chain.ask("eth_getTransactionByHash", reference)["input"]
    calls = unpack((CALLS, "address"), bytes.fromhex(sent[10:]))[0]
    (swap,) = (data for target, _, data, *_ in calls if target.lower() == there.market.swap_router.lower())
    return int.from_bytes(swap[4 + 32 * 6 : 4 + 32 * 7]) / (10.0 * ETHER)


def test_a_pool_that_was_pushed_down_for_the_order_is_not_sold_to(holding: Bench) -> None:
    """2% down in the moment of the quote: its own price would have allowed 2.5% less than anybody else gets."""
    push(holding, 0.98)
    before = holding.transactions()
    answer = sell(holding)
    assert (answer.status, answer.error_code) == (HandshakeStatus.FAILED, "CHAIN-009")
    assert "pays 1.01869 ETH for weETH, not the 1.0296" in answer.error_message
    assert holding.transactions() == before, "and refusing costs nothing"


def test_a_pool_that_was_pushed_up_is_sold_to_at_what_it_pays(holding: Bench) -> None:
    push(holding, 1.03)
    assert sell(holding).status is HandshakeStatus.CONFIRMED
    assert least(holding) == pytest.approx(1.04 * 1.03 * 0.995, rel=1e-6)


@pytest.mark.parametrize(("pushed", "bound"), [(0.9999, 0.9999 * 0.995), (0.996, 0.996 * 0.995), (0.993, 0.99)])
def test_the_minimum_is_the_better_of_what_the_pool_says_and_usually_says(
    holding: Bench, pushed: float, bound: float
) -> None:
    push(holding, pushed)
    answer = sell(holding)
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    assert least(holding) == pytest.approx(1.04 * bound, rel=1e-6)


@pytest.mark.parametrize(("blocks", "sold"), [(40, False), (60, True)])
def test_a_price_counts_once_it_has_held_for_half_of_the_time(holding: Bench, blocks: int, sold: bool) -> None:
    """Nine moments of the last 99 blocks: four of them do not make a price, five do."""
    push(holding, 0.97)
    holding.node.mine(blocks)
    answer = sell(holding)
    assert (answer.status is HandshakeStatus.CONFIRMED) is sold, answer.error_message
    if sold:
        assert least(holding) == pytest.approx(1.04 * 0.97 * 0.995, rel=1e-6)


def test_a_staked_token_is_not_given_away_however_long_a_pool_pays_less(market: Market, tmp_path: Path) -> None:
    """6% below what EtherFi redeems it for, for as long as anybody remembers; an operator may say that it is enough."""
    there = bench(market, tmp_path / "j.sqlite")
    there.venues["etherfi"].execute(STAKE, there.held(), there.feed.at(there.clock.wall()))
    push(there, 0.94)
    there.node.mine(200)
    answer = sell(there)
    assert answer.error_code == "CHAIN-009"
    assert "1.04, what it is redeemed for" in answer.error_message
    generous = there.again(limits=Limits(1e9, swap_discount=0.07))
    assert sell(generous).status is HandshakeStatus.CONFIRMED


def test_what_oracle_and_issuer_agree_to_be_worth_less_is_sold_for_less(holding: Bench) -> None:
    """An oracle that follows the market (-6%) says that the price is real."""
    push(holding, 0.94)
    holding.node.mine(200)
    low = round(2_500.0 * 1.04 * 0.94 * 1e8)
    holding.node.do(holding.market.prices[holding.market.weeth], "set(int256)", low)
    assert sell(holding).status is HandshakeStatus.CONFIRMED


def test_a_stack_is_not_reduced_at_a_price_that_was_made_for_it_and_people_are_told(there: Bench) -> None:
    """A quarter of the equity is lost and the stack has to go; it goes as soon as the pool is right again."""
    told: list[Alert] = []
    run(there)
    set_rate(there, 0.97)
    push(there, 0.92)
    session = there.session(tell=told.append)
    session.start()
    session.tick()
    assert [alert.what for alert in told if "CHAIN-009" in alert.message] == ["reduction failed"]
    assert there.quantity(DEBT) > 100.0
    push(there, 0.97 / 1.04)
    there.node.mine(60)
    run(there)
    assert there.quantity(DEBT) == 0.0


def test_a_node_that_has_forgotten_the_past_is_no_reason_to_sell_blindly(market: Market, tmp_path: Path) -> None:
    with proxied(market.node) as (url, provider):
        there = bench(market, tmp_path / "j.sqlite", url=url)
        there.venues["etherfi"].execute(STAKE, there.held(), there.feed.at(there.clock.wall()))
        now, held, before = there.feed.at(there.clock.wall()), there.held(), there.transactions()
        forgot = Reply(200, {"jsonrpc": "2.0", "id": 1, "error": {"code": -32_000, "message": "missing trie node"}})
        provider.faults.append(RpcFault("eth_call", reply=forgot, times=10**9, to=market.swap_pool))
        answer = there.venues["curve"].execute(SALE, held, now)
    assert answer.status is HandshakeStatus.FAILED
    assert "missing trie node" in answer.error_message
    assert there.transactions() == before
