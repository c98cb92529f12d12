"""Atomic groups on the chain: whichever step fails, everything is undone, and only the gas is gone.

A group whose failure can be seen beforehand is refused without cost; to fail in its block, it has to be broken after it
was played through. So the chain is changed between playing through and sending, for each step by what breaks that step.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.intents import Fate
from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus, Operation, Order
from basis_pipeline.engine.reconciliation import check_conservation
from basis_pipeline_tests.chain.anvil import HERE, compiled
from basis_pipeline_tests.chain.bench import SETTINGS, Bench, order, owner
from basis_pipeline_tests.chain.market import ETHER
from basis_pipeline_tests.chain.test_bookings import COLLATERAL, DEBT, ETH, LST, apply, lever

MONTH = 30 * 86_400
BROKEN = "0x60006000fd"  # push 0, push 0, revert: whatever is called there fails


def delever(there: Bench, repaid: float) -> Order:
    """Repays part of the debt from collateral that is sold, as the planner's own groups do."""
    staked = repaid / 1.04 * 1.002
    steps = (
        order(Operation.FLASH_BORROW, "instadapp", (ETH, ETH), repaid),
        order(Operation.REPAY, "aave_v3", (DEBT, ETH), repaid),
        order(Operation.WITHDRAW, "aave_v3", (COLLATERAL, LST), staked),
        order(Operation.SWAP, "curve", (LST, ETH), staked),
        order(Operation.FLASH_REPAY, "instadapp", (ETH, ETH), repaid),
    )
    return replace(order(Operation.ATOMIC_DELEVER, "instadapp", (COLLATERAL, ETH), repaid, 2), steps=steps)


def drain_lender(there: Bench) -> None:
    """The flash lender lends nothing any more: its WETH is gone."""
    node, weth, morpho = there.node, there.market.weth, there.market.morpho
    node.chain.ask("anvil_impersonateAccount", morpho)
    node.chain.ask("anvil_setBalance", morpho, hex(ETHER))
    node.do(weth, "transfer(address,uint256)", node.admin, there.units(weth, morpho), sender=morpho)


def take_code(contract: Callable[[Bench], str]) -> Callable[[Bench], None]:
    """The contract of this step fails whatever it is asked."""
    return lambda there: there.node.chain.ask("anvil_setCode", contract(there), BROKEN)


def freeze(token: Callable[[Bench], str]) -> Callable[[Bench], None]:
    return lambda there: there.node.do(there.market.configurator, "setReservePause(address,bool)", token(there), True)


def collateral_crash(there: Bench) -> None:
    """weETH is worth a third at the oracle: the loan is not covered any more, and nothing can be withdrawn."""
    there.node.do(there.market.prices[there.market.weeth], "set(int256)", 800 * 10**8)


def dump(there: Bench) -> None:
    """Somebody sells on the pool first: the proceeds fall below what the order allows."""
    market, node = there.market, there.node
    node.do(market.weeth, "approve(address,uint256)", market.swap_router, 5_000 * ETHER)
    single = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
    sale = (market.weeth, market.weth, 500, node.admin, 2**40, 5_000 * ETHER, 0, 0)
    node.do(market.swap_router, single, sale)


def greedy(there: Bench) -> None:
    """The lender lends, and then takes more than was agreed."""
    made = there.node.deploy(compiled(HERE / "doubles/Doubles.sol")["contracts"]["GreedyLender"])
    there.node.chain.ask("anvil_setCode", there.market.morpho, "0x" + there.chain.code(made).hex())


LEVER = {
    "flash_borrow": drain_lender,
    "stake": take_code(lambda there: there.market.weeth),
    "supply": freeze(lambda there: there.market.weeth),
    "borrow": collateral_crash,
    "flash_repay": greedy,
}
DELEVER = {
    "flash_borrow": drain_lender,
    "repay": freeze(lambda there: there.market.weth),
    "withdraw": collateral_crash,
    "swap": dump,
    "flash_repay": greedy,
}


def broken_on_the_way(there: Bench, what: Order, breaks: Callable[[Bench], None]) -> ExecutionHandshake:
    """Played through as it is, then broken, then sent."""

    def strike() -> None:
        there.clock.script = lambda: None
        breaks(there)

    before, market = there.held(), there.feed.at(there.clock.wall())
    there.clock.script = strike
    answer: ExecutionHandshake = there.venues["instadapp"].execute(what, before, market)
    check_conservation(answer, before, apply(answer, before), market, SETTINGS)
    return answer


def costs_gas_only(there: Bench, answer: ExecutionHandshake, before: dict[str, int], ether: int) -> None:
    assert answer.status is HandshakeStatus.ROLLED_BACK, answer.error_message
    settled = there.journal.settled_after(0)[-1]
    assert (settled.facts.fate, [b.position_key for b in settled.facts.bookings]) == (Fate.REVERTED, [ETH])
    assert [delta.amount for delta in answer.deltas] == [-settled.facts.fee]
    assert balances(there) == before
    assert there.chain.balance(owner()) == ether - round(settled.facts.fee * ETHER)


def balances(there: Bench) -> dict[str, int]:
    """Scaled units at Aave, WETH and ETH of the executor, from the contracts; weETH may have lost its code."""
    lending = there.deployment.lending
    assert lending is not None
    scaled = {"collateral": lending.reserves["weETH"].a_token, "debt": lending.reserves["WETH"].debt_token}
    found = {
        name: int(there.chain.read(address, "scaledBalanceOf(address)", ("uint256",), there.market.executor))
        for name, address in scaled.items()
    }
    return found | {"WETH": there.units(there.market.weth), "ETH": there.chain.balance(there.market.executor)}


@pytest.mark.parametrize("step", LEVER)
def test_an_entry_that_fails_at_any_step_is_undone_whole(there: Bench, step: str) -> None:
    before, ether = balances(there), there.chain.balance(owner())
    answer = broken_on_the_way(there, lever(20.0, 40.0), LEVER[step])
    costs_gas_only(there, answer, before, ether)


@pytest.mark.parametrize("step", DELEVER)
def test_a_reduction_that_fails_at_any_step_is_undone_whole(there: Bench, step: str) -> None:
    entered = there.venues["instadapp"].execute(lever(20.0, 40.0), there.held(), there.feed.at(there.clock.wall()))
    assert entered.status is HandshakeStatus.CONFIRMED, entered.error_message
    there.node.mine(seconds=MONTH)
    before, ether = balances(there), there.chain.balance(owner())
    assert before["debt"] > 0
    answer = broken_on_the_way(there, delever(there, 10.0), DELEVER[step])
    costs_gas_only(there, answer, before, ether)


def test_the_reduction_succeeds_where_nothing_is_broken(there: Bench) -> None:
    """What the tests above break does work."""
    there.venues["instadapp"].execute(lever(20.0, 40.0), there.held(), there.feed.at(there.clock.wall()))
    there.node.mine(seconds=MONTH)
    answer = broken_on_the_way(there, delever(there, 10.0), lambda there: None)
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    assert there.quantity(DEBT) < 30.5
