"""What no order may exceed: its size, and what gas may cost; and a book that has to shrink is not kept from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from basis_pipeline.config.live import LiveFile, read_switches
from basis_pipeline.domain.orders import Action, ExecutionHandshake, HandshakeStatus, Operation, Order
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.runs.live.chain import Wallet, wallet_venues
from basis_pipeline.venues.live.onchain_limits import Limits
from basis_pipeline.venues.live.transactions import Signer
from basis_pipeline_tests.chain.anvil import CHAIN_ID
from basis_pipeline_tests.chain.bench import KEY, Bench, bench, order, owner
from basis_pipeline_tests.chain.market import ETHER, Market
from basis_pipeline_tests.chain.proxy import proxied

GWEI = 10**9
ETH, LST, COLLATERAL = "wallet:BaseToken:ETH", "etherfi:LST:weETH", "aave_v3:aToken:aweETH"
STAKE = order(Operation.STAKE, "etherfi", (ETH, LST), 10.4)
SALE = replace(order(Operation.SWAP, "curve", (LST, ETH), 10.0, number=2), action=Action.EXIT_PARTIAL)


def execute(there: Bench, what: Order) -> ExecutionHandshake:
    market = there.feed.at(there.clock.wall())
    answer: ExecutionHandshake = there.venues[what.venue].execute(what, there.held(), market)
    return answer


def sent(there: Bench) -> dict[str, int]:
    """Wei per unit of gas that the last order offered and paid, as the node has it."""
    reference = there.journal.settled_after(0)[-1].facts.reference
    found = there.node.chain.ask("eth_getTransactionByHash", reference)
    receipt = there.node.chain.ask("eth_getTransactionReceipt", reference)
    return {
        "most": int(found["maxFeePerGas"], 16),
        "tip": int(found["maxPriorityFeePerGas"], 16),
        "paid": int(receipt["effectiveGasPrice"], 16),
    }


def base_fee(there: Bench, gwei: int) -> None:
    there.node.chain.ask("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))
    there.node.mine()


def test_an_order_above_the_largest_allowed_is_refused(market: Market, tmp_path: Path) -> None:
    there = bench(market, tmp_path / "j.sqlite", limits=Limits(25_000.0))
    answer = execute(there, STAKE)
    assert answer.error_code == "EXEC-014"
    assert "26000.00 USDT" in answer.error_message


def test_a_staked_token_is_as_large_as_what_it_redeems_for(market: Market, tmp_path: Path) -> None:
    """10 weETH at 1.04 ETH are 26,000 USDT, alone and as a step of a group."""
    there = bench(market, tmp_path / "j.sqlite", limits=Limits(25_500.0))
    sale = order(Operation.SWAP, "curve", (LST, ETH), 10.0)
    group = replace(order(Operation.ATOMIC_DELEVER, "instadapp", (ETH, COLLATERAL), 10.0), steps=(sale,))
    for what in (sale, group):
        answer = execute(there, what)
        assert answer.error_code == "EXEC-014"
        assert "26000.00 USDT" in answer.error_message


@pytest.mark.parametrize("action", [Action.ENTRY_FULL, Action.EXIT_PARTIAL])
def test_dear_gas_stops_what_makes_the_book_larger(market: Market, tmp_path: Path, action: Action) -> None:
    there = bench(market, tmp_path / "j.sqlite", limits=Limits(1e9, max_gas_price=50.0))
    there.node.chain.ask("anvil_setNextBlockBaseFeePerGas", hex(60 * 10**9))
    there.node.mine()
    answer = execute(there, replace(STAKE, action=action))
    if action is Action.EXIT_PARTIAL:
        assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    else:
        assert answer.error_code == "CHAIN-006"
        assert "gas costs 61.0 gwei, above the 50" in answer.error_message
        assert (there.transactions(), there.entries(Kind.INTENT)) == (0, [])


def test_an_order_never_offers_more_than_gas_may_cost(market: Market, tmp_path: Path) -> None:
    """41 gwei when it is sent is below the 50 allowed; twice the base fee, which would be offered freely, is not."""
    there = bench(market, tmp_path / "j.sqlite", limits=Limits(1e9, max_gas_price=50.0))
    base_fee(there, 40)
    answer = execute(there, STAKE)
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    assert sent(there)["most"] == 50 * GWEI


def test_a_reduction_goes_out_with_what_the_wallet_can_pay(there: Bench) -> None:
    """0.02 ETH pays some 0.2 million gas at 61 gwei, but not at the 121 gwei that are offered where there is plenty."""
    assert execute(there, STAKE).status is HandshakeStatus.CONFIRMED
    there.node.chain.ask("anvil_setBalance", owner(), hex(ETHER // 50))
    base_fee(there, 60)
    answer = execute(there, SALE)
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    assert sent(there)["most"] < 121 * GWEI
    assert sent(there)["paid"] <= 61 * GWEI


def test_what_the_next_block_may_cost_has_to_be_there(there: Bench) -> None:
    assert execute(there, STAKE).status is HandshakeStatus.CONFIRMED
    there.node.chain.ask("anvil_setBalance", owner(), hex(ETHER // 200))
    base_fee(there, 60)
    answer = execute(there, SALE)
    assert answer.error_code == "EXEC-008"
    assert there.transactions() == 1


@pytest.mark.parametrize(("base", "tip"), [(1, 10), (30, 30)])
def test_a_node_that_names_a_mad_tip_is_not_believed(market: Market, tmp_path: Path, base: int, tip: int) -> None:
    """At 5,000 gwei the stake alone would cost more than an ETH."""
    with proxied(market.node) as (url, provider):
        there = bench(market, tmp_path / "j.sqlite", url=url)
        provider.swallowed["eth_maxPriorityFeePerGas"] = hex(5_000 * GWEI)
        base_fee(there, base)
        answer = execute(there, STAKE)
        assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
        assert sent(there)["tip"] == pytest.approx(tip * GWEI, rel=0.13), "blocks move the base fee by an eighth"


def test_a_swap_loses_no_more_than_the_file_says(market: Market, tmp_path: Path) -> None:
    """5 bp for the pool and about one for the weight of 10 weETH: 7 bp are enough, 4 are not."""
    there = bench(market, tmp_path / "j.sqlite")
    assert execute(there, STAKE).status is HandshakeStatus.CONFIRMED
    snapshot, wallet = there.feed.at(there.clock.wall()), Wallet(there.chain, Signer(KEY, CHAIN_ID), there.deployment)
    switches = replace(read_switches({}, "staging"), read_only=False, max_trade_size_usd=1e9)
    for loss, status in ((0.0004, HandshakeStatus.FAILED), (0.0007, HandshakeStatus.CONFIRMED)):
        venues, _ = wallet_venues(
            wallet, there.settings, None, journal=there.journal, clock=there.clock, switches=switches,
            live=LiveFile(largest_swap_loss=loss),
        )  # fmt: skip
        answer = venues["curve"].execute(SALE, there.held(), snapshot)
        assert answer.status is status, answer.error_message
        assert ("Too little received" in answer.error_message) is (status is HandshakeStatus.FAILED)
