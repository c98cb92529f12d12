"""What a receipt books is what the contracts hold, for every operation, and the stated costs explain the value."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.errors import AccountingError, OrderError
from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus, Operation, Order
from basis_pipeline.domain.records import Positions
from basis_pipeline.engine.position_monitor import PositionMonitor
from basis_pipeline.engine.reconciliation import check_conservation
from basis_pipeline.venues.live.deployment import Lender, LenderKind
from basis_pipeline.venues.live.programs import Account, Terms, program
from basis_pipeline_tests.builders import wired
from basis_pipeline_tests.chain.bench import SETTINGS, Bench, bench, order, owner
from basis_pipeline_tests.chain.market import Market

ETH, LST = "wallet:BaseToken:ETH", "etherfi:LST:weETH"
COLLATERAL, DEBT = "aave_v3:aToken:aweETH", "aave_v3:debtToken:debtWETH"
LIFE: list[tuple[Operation, str, tuple[str, str], float]] = [
    (Operation.STAKE, "etherfi", (ETH, LST), 20.8),
    (Operation.SUPPLY, "aave_v3", (LST, COLLATERAL), 12.0),
    (Operation.BORROW, "aave_v3", (DEBT, ETH), 5.0),
    (Operation.BORROW, "aave_v3", (DEBT, ETH), 1.0),
    (Operation.REPAY, "aave_v3", (DEBT, ETH), 0.000_001),
    (Operation.REPAY, "aave_v3", (DEBT, ETH), 2.0),
    (Operation.WITHDRAW, "aave_v3", (COLLATERAL, LST), 3.5),
    (Operation.SWAP, "curve", (LST, ETH), 4.0),
    (Operation.STAKE, "etherfi", (ETH, LST), 1.0),
]
"""A position's life: each step a month after the one before, so that interest is in every balance."""


def apply(answer: ExecutionHandshake, before: Positions) -> Positions:
    return PositionMonitor(SETTINGS.universe, before, 0).update_state(0, answer.deltas, answer.operation_id)


def done(there: Bench, what: Order) -> tuple[ExecutionHandshake, Positions]:
    """Executed and booked on what was held before."""
    before, market = there.held(), there.feed.at(there.clock.wall())
    answer = there.venues[what.venue].execute(what, before, market)
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    after = apply(answer, before)
    check_conservation(answer, before, after, market, SETTINGS)
    return answer, after


def test_every_booking_is_the_change_of_a_balance(there: Bench) -> None:
    for number, (operation, venue, slots, quantity) in enumerate(LIFE, start=1):
        answer, after = done(there, order(operation, venue, slots, quantity, number))
        for slot, key in enumerate(SETTINGS.universe.keys):
            held = there.held().quantities[slot]
            assert after.quantities[slot] == pytest.approx(held, rel=1e-12, abs=1e-15), (operation, key)
        assert answer.gas > 0.0
        there.node.mine(seconds=30 * 86_400)


def test_a_debt_is_repaid_to_the_last_wei_whatever_it_has_grown_to(there: Bench) -> None:
    for number, (operation, venue, slots, quantity) in enumerate(LIFE[:3], start=1):
        done(there, order(operation, venue, slots, quantity, number))
    there.node.mine(seconds=30 * 86_400)
    market, held = there.feed.at(there.clock.wall()), there.held()
    debt = SETTINGS.universe.slot(DEBT)
    owed = held.quantities[debt] * market.index[debt]
    assert owed > 5.001
    there.node.mine(seconds=60)
    answer = there.venues["aave_v3"].execute(order(Operation.REPAY, "aave_v3", (DEBT, ETH), owed, 4), held, market)
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    assert there.held().quantities[debt] == 0.0
    assert apply(answer, held).quantities[debt] == 0.0
    pool = there.market.pool
    left = there.chain.read(there.market.weth, "allowance(address,address)", ("uint256",), there.market.executor, pool)
    assert left == 0


def test_a_swap_pays_the_pools_fee_and_its_own_weight(there: Bench) -> None:
    """5 bp of 10.4 ETH are 13 USDT; its weight in a range of a hundred thousand is about one more basis point."""
    done(there, order(Operation.STAKE, "etherfi", (ETH, LST), 20.8, 1))
    answer, _ = done(there, order(Operation.SWAP, "curve", (LST, ETH), 10.0, 2))
    assert answer.filled == 10.0
    assert answer.slippage == pytest.approx(13.0 + 26_000.0 * 1e-4, abs=1.0)
    assert answer.price == pytest.approx(1.04 * 2_500.0 - answer.slippage / 10.0, rel=1e-12)


def test_facts_found_later_book_the_same(there: Bench) -> None:
    what = order(Operation.STAKE, "etherfi", (ETH, LST), 20.8)
    market = there.feed.at(there.clock.wall())
    answer = there.venues["etherfi"].execute(what, there.held(), market)
    (settled,) = there.again().journal.settled_after(0)
    assert there.again().venues["etherfi"].booked(settled.intent.order, settled.facts, market) == answer


def test_aave_lends_for_a_fee_that_is_stated(market: Market, tmp_path: Path) -> None:
    """flashLoanSimple takes 5 bp: 0.02 of 40 ETH, 50 USDT."""
    lent = replace(market.deployment, lender=Lender(LenderKind.AAVE, market.pool))
    rules = {"venues.instadapp.flash_fee_bp": 5}
    settings = replace(SETTINGS, venues=wired("eth_leveraged", rules).settings.venues)
    there = bench(market, tmp_path / "j.sqlite", deployment=lent, settings=settings)
    market.node.do(market.configurator, "updateFlashloanPremiumTotal(uint128)", 5)
    group = lever(20.0, 40.0, fee=0.0005)
    snapshot = there.feed.at(there.clock.wall())
    before = there.held()
    answer = there.venues["instadapp"].execute(group, before, snapshot)
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    assert answer.fee == pytest.approx(40.0 * 0.0005 * 2_500.0)
    check_conservation(answer, before, apply(answer, before), snapshot, settings)
    with pytest.raises(AccountingError, match="PNL-002"):
        check_conservation(replace(answer, fee=0.0), before, apply(answer, before), snapshot, settings)
    assert there.held().quantities[SETTINGS.universe.slot(DEBT)] == pytest.approx(40.02)


def lever(own: float, loan: float, *, fee: float = 0.0) -> Order:
    steps = (
        order(Operation.FLASH_BORROW, "instadapp", (ETH, ETH), loan),
        order(Operation.STAKE, "etherfi", (ETH, LST), own + loan),
        order(Operation.SUPPLY, "aave_v3", (LST, COLLATERAL), (own + loan) / 1.04),
        order(Operation.BORROW, "aave_v3", (DEBT, ETH), loan * (1.0 + fee)),
        order(Operation.FLASH_REPAY, "instadapp", (ETH, ETH), loan),
    )
    return replace(order(Operation.ATOMIC_LEVER, "instadapp", (ETH, COLLATERAL), own + loan), steps=steps)


def test_a_group_whose_loan_cannot_be_repaid_is_refused_without_cost(there: Bench) -> None:
    steps = lever(20.0, 40.0).steps
    broken = replace(lever(20.0, 40.0), steps=(*steps[:3], replace(steps[3], quantity=10.0), steps[4]))
    answer = there.venues["instadapp"].execute(broken, there.held(), there.feed.at(there.clock.wall()))
    assert answer.status is HandshakeStatus.FAILED
    assert "nsufficient funds" in answer.error_message
    assert there.transactions() == 0


def test_a_session_without_transfers_lets_nothing_leave(there: Bench) -> None:
    away = order(Operation.TRANSFER, "wallet", (ETH, ETH), 1.0)
    answer = there.venues["wallet"].execute(away, there.held(), there.feed.at(there.clock.wall()))
    assert (answer.error_code, there.transactions()) == ("TRANSFER-006", 0)


def test_an_operation_without_a_contract_is_refused_by_name(there: Bench) -> None:
    terms = Terms(replace(there.deployment, pools={}), SETTINGS, 0.005)
    what = order(Operation.SWAP, "curve", (LST, ETH), 1.0)
    with pytest.raises(OrderError, match="no contract for swap of etherfi:LST:weETH at curve"):
        program(what, there.held(), there.feed.at(there.clock.wall()), Account(owner(), {"WETH": 0}, 0, 0), terms)
