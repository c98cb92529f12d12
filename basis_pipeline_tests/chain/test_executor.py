"""The executor contract: its source is what is shipped, and nobody but its owner gets anything out of it."""

from __future__ import annotations

from typing import Any

import pytest

from basis_pipeline.domain.errors import VenueRefusal
from basis_pipeline.venues.live.abi import call_data, pack, word
from basis_pipeline.venues.live.calls import CALLS, EXECUTE, NOBODY, Call
from basis_pipeline.venues.live.contracts import FOLDER, compiled_executor
from basis_pipeline_tests.chain.anvil import HERE, Node, compiled
from basis_pipeline_tests.chain.bench import MINUTE, Bench, owner
from basis_pipeline_tests.chain.market import ETHER, Market

STRANGER = 7


def run(market: Market, *calls: Call, lender: str = NOBODY, sender: str | None = None, value: int = 0) -> bytes:
    data = call_data(EXECUTE, [call.packed for call in calls], lender)
    return market.node.chain.call(market.executor, data, sender=sender or owner(), value=value)


@pytest.fixture
def doubles(market: Market) -> dict[str, str]:
    found: dict[str, str] = compiled(HERE / "doubles/Doubles.sol")["contracts"]
    return found


def test_the_shipped_bytecode_is_what_the_source_compiles_to() -> None:
    fresh: dict[str, Any] = compiled(FOLDER / "Executor.sol")
    shipped = compiled_executor()
    assert fresh["compiler"] == shipped.compiler
    assert fresh["contracts"] == shipped.contracts


def test_only_the_owner_runs_calls_and_sweeps(market: Market) -> None:
    stranger = market.node.accounts[STRANGER]
    with pytest.raises(VenueRefusal, match="NotOwner"):
        run(market, sender=stranger)
    with pytest.raises(VenueRefusal, match="NotOwner"):
        market.node.chain.call(market.executor, call_data("sweep(address)", NOBODY), sender=stranger)


@pytest.mark.parametrize(
    "callback", ["onMorphoFlashLoan(uint256,bytes)", "executeOperation(address,uint256,uint256,address,bytes)"]
)
def test_nobody_calls_back_without_being_awaited(market: Market, callback: str) -> None:
    inside = pack(("address", CALLS), market.weth, [])
    arguments = (1, inside) if callback.startswith("on") else (market.weth, 1, 0, market.executor, inside)
    data = call_data(callback, *arguments)
    for caller in (market.node.accounts[STRANGER], owner(), market.morpho):
        with pytest.raises(VenueRefusal, match="NotAwaited"):
            market.node.chain.call(market.executor, data, sender=caller)


def test_a_loan_that_somebody_else_initiated_is_refused(market: Market) -> None:
    inside = pack(("address", CALLS), market.weth, [])
    flash = call_data(
        "flashLoanSimple(address,address,uint256,bytes,uint16)", market.executor, market.weth, ETHER, inside, 0
    )
    with pytest.raises(VenueRefusal, match="NotAwaited"):
        market.node.chain.call(market.pool, flash, sender=market.node.accounts[STRANGER])


def test_a_second_callback_of_one_list_is_refused(market: Market, doubles: dict[str, str]) -> None:
    """The lender named by the list is awaited once; a lender that calls twice gets nothing."""
    lender = market.node.deploy(doubles["UninvitedLender"])
    inside = pack(("address", CALLS), market.weth, [])
    offer = Call(lender, call_data("offer(address,bytes)", market.executor, inside))
    run(market, offer, lender=lender)
    with pytest.raises(VenueRefusal, match="NotAwaited"):
        run(market, offer, offer, lender=lender)


@pytest.mark.parametrize(
    "inside",
    [
        call_data(EXECUTE, [], NOBODY),
        call_data("sweep(address)", NOBODY),
        call_data("onMorphoFlashLoan(uint256,bytes)", 1, b""),
        call_data("executeOperation(address,uint256,uint256,address,bytes)", NOBODY, 1, 0, NOBODY, b""),
    ],
    ids=["execute", "sweep", "Morpho's callback", "Aave's callback"],
)
def test_nothing_that_a_list_calls_gets_back_in(market: Market, doubles: dict[str, str], inside: bytes) -> None:
    token = market.node.deploy(doubles["ReentrantToken"])
    market.node.do(token, "tell(bytes)", inside)
    transfer = Call(token, call_data("transfer(address,uint256)", owner(), 1))
    with pytest.raises(VenueRefusal, match=r"NotOwner|NotAwaited"):
        run(market, transfer, lender=market.morpho)


def test_a_whole_life_leaves_no_approval_and_no_token_behind(there: Bench) -> None:
    """Entry, a month, exit; then nobody may take anything, and nothing but WETH that the swap saved is left."""
    there.session().run(until=there.clock.wall() + MINUTE)
    there.node.mine(seconds=30 * 86_400)
    there.node.do(there.market.weeth, "setRate(uint256)", round(0.97 * ETHER))
    there.market.set_eth_price(2_500.0)
    there.session().run(until=there.clock.wall() + MINUTE)
    market, allowance = there.market, "allowance(address,address)"
    for token in (market.weth, market.weeth, market.usdt):
        for spender in (market.pool, market.swap_router, market.morpho, owner()):
            assert there.chain.read(token, allowance, ("uint256",), market.executor, spender) == 0, (token, spender)
    assert (there.units(market.weeth), there.units(market.usdt), there.chain.balance(market.executor)) == (0, 0, 0)
    assert there.units(market.weth) < ETHER
    assert there.chain.balance(owner()) > 9 * ETHER


def test_a_token_that_says_no_fails_the_list(market: Market, doubles: dict[str, str]) -> None:
    token = market.node.deploy(doubles["RefusingToken"])
    transfer = Call(token, call_data("transfer(address,uint256)", owner(), 1))
    with pytest.raises(VenueRefusal, match="TokenRefused"):
        run(market, transfer)


def test_a_call_to_an_address_without_code_fails_the_list(market: Market) -> None:
    with pytest.raises(VenueRefusal, match="NoCode"):
        run(market, Call(market.node.accounts[STRANGER], call_data("transfer(address,uint256)", owner(), 1)))


def test_an_amount_outside_of_the_data_is_refused(market: Market) -> None:
    data = call_data("transfer(address,uint256)", owner(), 0)
    for at in (0, word(2)):
        with pytest.raises(VenueRefusal, match="BadOffset"):
            run(market, Call(market.weth, data, 0, market.weth, at))


def test_a_whole_balance_is_spent_where_the_list_says_so(market: Market) -> None:
    node = market.node
    node.do(market.weth, "deposit()", value=3)
    node.do(market.weth, "transfer(address,uint256)", market.executor, 3)
    call = Call(market.weth, call_data("transfer(address,uint256)", node.accounts[8], 0), 0, market.weth, word(1))
    send(node, market, call)
    assert node.chain.read(market.weth, "balanceOf(address)", ("uint256",), node.accounts[8]) == 3


def test_sweeping_returns_tokens_and_eth_to_the_owner(market: Market) -> None:
    node = market.node
    node.do(market.weth, "deposit()", value=5)
    node.do(market.weth, "transfer(address,uint256)", market.executor, 5)
    node.send(market.executor, b"", value=7)
    node.chain.ask("anvil_impersonateAccount", owner())
    for token in (market.weth, NOBODY):
        node.do(market.executor, "sweep(address)", token, sender=owner())
    assert node.chain.read(market.weth, "balanceOf(address)", ("uint256",), owner()) == 5
    assert node.chain.balance(market.executor) == 0


def send(node: Node, market: Market, *calls: Call) -> None:
    node.chain.ask("anvil_impersonateAccount", owner())
    node.do(market.executor, EXECUTE, [call.packed for call in calls], NOBODY, sender=owner())
