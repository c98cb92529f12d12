"""ETH of the book is ETH that can be used: gas is paid by the owner, wherever the rest of it happens to be."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus, Operation, Order
from basis_pipeline_tests.chain.bench import Bench, order, owner
from basis_pipeline_tests.chain.market import ETHER
from basis_pipeline_tests.chain.test_bookings import COLLATERAL, DEBT, ETH, LST, done, lever

STAKE = order(Operation.STAKE, "etherfi", (ETH, LST), 10.4)


def execute(there: Bench, what: Order) -> ExecutionHandshake:
    """Booked as the chain has it, to the wei that a float can name."""
    answer, after = done(there, what)
    for slot, key in enumerate(there.settings.universe.keys):
        assert after.quantities[slot] == pytest.approx(there.held().quantities[slot], rel=1e-12, abs=1e-15), key
    return answer


def owned(there: Bench) -> float:
    return there.chain.balance(owner()) / ETHER


def test_what_a_sale_brings_goes_back_to_the_owner_who_pays_the_gas(there: Bench) -> None:
    """10 weETH at 1.04, less what a swap may lose: that much is certain before it is sent, the rest stays as WETH."""
    execute(there, STAKE)
    there.node.chain.ask("anvil_setBalance", owner(), hex(ETHER // 20))
    execute(there, order(Operation.SWAP, "curve", (LST, ETH), 10.0, 2))
    assert owned(there) == pytest.approx(0.05 + 10.4 * 0.995, abs=0.001)
    assert there.units(there.market.weth) / ETHER == pytest.approx(10.4 * 0.0044, abs=0.001)
    execute(there, replace(STAKE, quantity=5.2, operation_id=3))
    assert there.units(there.market.weth) < ETHER // 100


def test_the_whole_exit_of_a_levered_stack_is_ether_of_the_owner(there: Bench) -> None:
    execute(there, lever(20.0, 40.0))
    there.node.mine(seconds=30 * 86_400)
    held, index = there.held(), there.feed.at(there.clock.wall()).index
    tokens, owed = (
        held.quantities[slot] * index[slot] for slot in map(there.settings.universe.slot, (COLLATERAL, DEBT))
    )
    steps = (
        order(Operation.FLASH_BORROW, "instadapp", (ETH, ETH), owed),
        order(Operation.REPAY, "aave_v3", (DEBT, ETH), owed),
        order(Operation.WITHDRAW, "aave_v3", (COLLATERAL, LST), tokens),
        order(Operation.SWAP, "curve", (LST, ETH), tokens),
        order(Operation.FLASH_REPAY, "instadapp", (ETH, ETH), owed),
    )
    execute(there, replace(order(Operation.ATOMIC_DELEVER, "instadapp", (COLLATERAL, ETH), tokens, 2), steps=steps))
    assert there.quantity(DEBT) == 0.0
    assert owned(there) == pytest.approx(20.0 + 60.0 * 0.995 - owed, abs=0.01)
    assert there.units(there.market.weth) / ETHER < 0.31, "what the swap did not lose"


def test_ether_that_was_sent_to_the_executor_is_used_first(there: Bench) -> None:
    """5 ETH at the executor by mistake: a stake of 10.4 takes them, and 5.4 of the owner's 6."""
    there.node.send(there.market.executor, b"", value=5 * ETHER)
    there.node.chain.ask("anvil_setBalance", owner(), hex(6 * ETHER))
    execute(there, STAKE)
    assert there.chain.balance(there.market.executor) == 0
    assert owned(there) == pytest.approx(0.6, abs=0.001)


def test_ether_at_the_executor_that_an_order_does_not_need_stays_in_the_book(there: Bench) -> None:
    there.node.send(there.market.executor, b"", value=12 * ETHER)
    before = owned(there)
    answer = execute(there, STAKE)
    assert answer.status is HandshakeStatus.CONFIRMED
    assert there.chain.balance(there.market.executor) == round(1.6 * ETHER)
    assert owned(there) == pytest.approx(before, abs=0.001)
