"""What a node says is taken for what it is: null is no answer, and an address in a receipt is not yet a contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from basis_pipeline.domain.errors import DataGapError, VenueRefusal
from basis_pipeline.domain.orders import HandshakeStatus, Operation
from basis_pipeline.venues.live.booking_chain import TRANSFER
from basis_pipeline.venues.live.contracts import executor_code
from basis_pipeline.venues.live.transactions import Signer
from basis_pipeline_tests.chain.anvil import CHAIN_ID
from basis_pipeline_tests.chain.bench import KEY, Bench, bench, order, owner
from basis_pipeline_tests.chain.market import Market
from basis_pipeline_tests.chain.proxy import ProxySkin, RpcFault, proxied
from basis_pipeline_tests.fakes.server import Reply

ETH, LST = "wallet:BaseToken:ETH", "etherfi:LST:weETH"


@pytest.fixture
def behind(market: Market, tmp_path: Path) -> Iterator[tuple[Bench, ProxySkin]]:
    with proxied(market.node) as (url, provider):
        yield bench(market, tmp_path / "journal.sqlite", url=url), provider


def null(method: str, times: int = 1) -> RpcFault:
    return RpcFault(method, reply=Reply(200, {"jsonrpc": "2.0", "id": 1, "result": None}), times=times)


@pytest.mark.parametrize("answer", [None, "0x"], ids=["null", "no data"])
def test_no_answer_about_the_market_is_a_gap(behind: tuple[Bench, ProxySkin], answer: str | None) -> None:
    there, provider = behind
    provider.faults.append(RpcFault("eth_call", distorts=lambda _, told: told | {"result": answer}))
    with pytest.raises(DataGapError, match="gave no usable answer"):
        there.feed.at(there.clock.wall())


def test_no_answer_about_a_balance_is_asked_for_again(behind: tuple[Bench, ProxySkin]) -> None:
    there, provider = behind
    held = there.held()
    provider.faults.append(null("eth_getBalance"))
    assert there.held() == held
    assert there.clock.waited == [5.0]


def test_no_answer_about_a_transaction_leaves_its_fate_open(behind: tuple[Bench, ProxySkin]) -> None:
    """A receipt without its block, as some nodes give while they are taking it in."""
    there, provider = behind
    pending = RpcFault(
        "eth_getTransactionReceipt",
        distorts=lambda _, told: told | {"result": told["result"] and told["result"] | {"blockNumber": None}},
        times=3,
    )
    provider.faults.append(pending)
    stake = order(Operation.STAKE, "etherfi", (ETH, LST), 10.4)
    answer = there.venues["etherfi"].execute(stake, there.held(), there.feed.at(there.clock.wall()))
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    assert there.transactions() == 1


def test_a_contract_is_there_once_its_creation_is_final(there: Bench) -> None:
    chain = there.node.chain
    code = bytes.fromhex(executor_code().removeprefix("0x")) + bytes(12) + bytes.fromhex(owner()[2:])
    made, raw = Signer(KEY, CHAIN_ID).sign_creation(code, chain.nonce(owner()), chain.fees(chain.head()))
    assert chain.created(made, 3) is None
    chain.send(raw)
    assert chain.created(made, 3) is None
    there.node.mine(2)
    address = chain.created(made, 3)
    assert address is not None
    assert chain.code(address) == chain.code(there.market.executor)


def test_a_creation_that_failed_has_no_address(there: Bench) -> None:
    """Its receipt names one; what is sent there is lost."""
    chain = there.node.chain
    invalid = b"\xfe"
    failed, raw = Signer(KEY, CHAIN_ID).sign_creation(invalid, chain.nonce(owner()), chain.fees(chain.head()))
    chain.send(raw)
    assert there.node.mined(failed)["contractAddress"] is not None
    with pytest.raises(VenueRefusal, match="created no contract"):
        chain.created(failed, 1)


def test_a_receipt_that_a_node_has_lost_is_no_proof_that_somebody_else_used_the_nonce(
    behind: tuple[Bench, ProxySkin],
) -> None:
    """Its index is a dozen blocks behind its state: the order was executed, and is found when the node says so."""
    there, provider = behind
    provider.swallowed["eth_getTransactionReceipt"] = None
    there.clock.script = lambda: provider.swallowed.clear() if there.clock.now() > 100.0 else None
    stake = order(Operation.STAKE, "etherfi", (ETH, LST), 10.4)
    answer = there.venues["etherfi"].execute(stake, there.held(), there.feed.at(there.clock.wall()))
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    assert there.transactions() == 1


def narrow(question: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """A provider that looks through ten blocks at once and no more."""
    asked = question["params"][0]
    if int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) < 10:
        return told
    return {"jsonrpc": "2.0", "id": told["id"], "error": {"code": -32600, "message": "up to a 10 block range"}}


def test_events_are_asked_for_in_as_many_blocks_as_the_provider_allows(behind: tuple[Bench, ProxySkin]) -> None:
    there, provider = behind
    usdt, executor, admin = there.market.usdt, there.market.executor, there.node.admin
    there.node.do(usdt, "mint(address,uint256)", admin, 10**9)
    first = there.node.chain.head().number + 1
    for _ in range(3):
        there.node.pay(usdt, executor, 10**8, admin)
        there.node.mine(30)
    last = there.node.chain.head().number
    expected = there.chain.logs((usdt,), TRANSFER, receiver=executor, first=first, last=last)
    assert len(expected) == 3
    provider.faults.append(RpcFault("eth_getLogs", distorts=narrow, times=10**6))
    assert there.chain.logs((usdt,), TRANSFER, receiver=executor, first=first, last=last) == expected
    provider.faults[:] = [RpcFault("eth_getLogs", distorts=lambda _, told: told | {"error": "no"}, times=10**6)]
    asked = len(provider.asked)
    with pytest.raises(VenueRefusal, match="refused eth_getLogs: no"):
        there.chain.logs((usdt,), TRANSFER, receiver=executor, first=first, last=last)
    assert len(provider.asked) - asked < 10, "whatever the range, it says no"
