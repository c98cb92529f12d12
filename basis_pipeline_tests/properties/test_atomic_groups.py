"""Atomic groups of any steps: all of them or none, nothing below zero, no loan left open, value conserved (R44-R47)."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Action, ExecutionHandshake, HandshakeStatus, Operation, Order, Side
from basis_pipeline.domain.protocols import Venue
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.engine.reconciliation import check_conservation
from basis_pipeline_tests.builders import START, Moment, snapshot, wired

ETH, LST = "wallet:BaseToken:ETH", "etherfi:LST:weETH"
HELD, OWED = "aave_v3:aToken:aweETH", "aave_v3:debtToken:debtWETH"
GAS_UNITS, GWEI = 1_250_000, 20.0

LEGS = {
    Operation.FLASH_BORROW: ("instadapp", ETH, ETH),
    Operation.FLASH_REPAY: ("instadapp", ETH, ETH),
    Operation.STAKE: ("etherfi", ETH, LST),
    Operation.SUPPLY: ("aave_v3", LST, HELD),
    Operation.BORROW: ("aave_v3", OWED, ETH),
    Operation.REPAY: ("aave_v3", OWED, ETH),
    Operation.WITHDRAW: ("aave_v3", HELD, LST),
    Operation.SWAP: ("curve", LST, ETH),
}


class World(NamedTuple):
    settings: EngineSettings
    market: MarketSnapshot
    executor: Venue


@cache
def world(flash_fee_bp: int) -> World:
    mode = wired("eth_leveraged", {"venues.instadapp.flash_fee_bp": flash_fee_bp})
    moment = Moment(
        prices={"ETH": 2_500.0},
        ratio={"weETH": 1.04},
        index={HELD: 1.01, OWED: 1.07},
        last={LST: 1.038 * 2_500.0},
        gas=GWEI,
    )
    executor = next(venue for venue in mode.engine_config().venues if venue.name == "instadapp")
    return World(mode.settings, snapshot(mode.settings, START, moment), executor)


def step(settings: EngineSettings, operation: Operation, quantity: float) -> Order:
    venue, slot, counter = LEGS[operation]
    return Order(
        venue=venue,
        operation=operation,
        slot=settings.universe.slot(slot),
        counter_slot=settings.universe.slot(counter),
        quantity=quantity,
        action=Action.ENTRY_FULL,
        side=Side.SELL if operation is Operation.SWAP else None,
    )


def group(settings: EngineSettings, steps: list[tuple[Operation, float]]) -> Order:
    legs = tuple(step(settings, operation, quantity) for operation, quantity in steps)
    head = replace(legs[0], venue="instadapp", operation=Operation.ATOMIC_LEVER, quantity=100.0)
    return replace(head, steps=legs, operation_id=1)


def book(settings: EngineSettings, eth: float, staked: float, owed: float) -> Positions:
    held = {ETH: eth, HELD: staked, OWED: owed}
    return Positions(tuple(held.get(key, 0.0) for key in settings.universe.keys), (0.0,) * len(settings.universe))


def after(handshake: ExecutionHandshake, before: Positions) -> Positions:
    quantities = list(before.quantities)
    for delta in handshake.deltas:
        quantities[delta.slot] += delta.amount
    return replace(before, quantities=tuple(quantities))


def check(world: World, order: Order, before: Positions) -> HandshakeStatus:
    """What must hold of every group, whether it was carried out or not."""
    handshake = world.executor.execute(order, before, world.market)
    result, universe = after(handshake, before), world.settings.universe
    check_conservation(handshake, before, result, world.market, world.settings)
    gas = GAS_UNITS * GWEI * 1e-9
    if handshake.status is HandshakeStatus.ROLLED_BACK:
        (burnt,) = handshake.deltas
        assert (burnt.slot, burnt.amount, burnt.source) == (universe.slot(ETH), -gas, DeltaSource.GAS)
        assert handshake.executed_at is None
        assert handshake.error_message
        return handshake.status
    assert handshake.status is HandshakeStatus.CONFIRMED
    assert min(result.quantities) >= -1e-12 * 1e4
    lent = sum(leg.quantity for leg in order.steps if leg.operation is Operation.FLASH_BORROW)
    repaid = sum(leg.quantity for leg in order.steps if leg.operation is Operation.FLASH_REPAY)
    assert abs(lent - repaid) <= 1e-9 * max(lent, 1.0)
    value = {
        key: result.quantities[universe.slot(key)] * world.market.value[universe.slot(key)] for key in (HELD, OWED)
    }
    assert -value[OWED] <= 0.93 * value[HELD] + 1e-6
    return handshake.status


QUANTITY = st.floats(0.01, 400.0)
FEE = st.sampled_from((0, 5))


def lever_steps(own: float, loan: float, fee: float) -> list[tuple[Operation, float]]:
    return [
        (Operation.FLASH_BORROW, loan),
        (Operation.STAKE, own + loan),
        (Operation.SUPPLY, (own + loan) / 1.04),
        (Operation.BORROW, loan * (1.0 + fee)),
        (Operation.FLASH_REPAY, loan),
    ]


@given(own=st.floats(1.0, 100.0), loan_to_value=st.floats(0.05, 0.92), fee_bp=FEE)
@settings(deadline=None)
def test_a_sound_group_is_carried_out(own: float, loan_to_value: float, fee_bp: int) -> None:
    place, fee = world(fee_bp), fee_bp * 1e-4
    loan = loan_to_value * own / (1.0 + fee - loan_to_value)
    order = group(place.settings, lever_steps(own, loan, fee))
    assert check(place, order, book(place.settings, own + 1.0, 0.0, 0.0)) is HandshakeStatus.CONFIRMED


@given(
    own=st.floats(1.0, 100.0),
    loan_to_value=st.floats(0.05, 0.92),
    fee_bp=FEE,
    broken=st.integers(0, 4),
    factor=st.floats(1.2, 50.0),
)
@settings(deadline=None)
def test_one_failing_step_anywhere_rolls_the_whole_group_back(
    own: float, loan_to_value: float, fee_bp: int, broken: int, factor: float
) -> None:
    """A step that lends, takes or pays back more than there is; a borrowing too many breaks the limit or stays over."""
    place, fee = world(fee_bp), fee_bp * 1e-4
    loan = loan_to_value * own / (1.0 + fee - loan_to_value)
    steps = lever_steps(own, loan, fee)
    operation, quantity = steps[broken]
    steps[broken] = (operation, quantity * factor)
    outcome = check(place, group(place.settings, steps), book(place.settings, own + 0.1, 0.0, 0.0))
    if operation is Operation.BORROW:
        assume(factor * loan * (1.0 + fee) > 0.93 * (own + loan))
    if operation is Operation.STAKE:
        assume(factor * (own + loan) > own + loan + 0.1)
    assert outcome is HandshakeStatus.ROLLED_BACK


@given(
    steps=st.lists(st.tuples(st.sampled_from(sorted(LEGS)), QUANTITY), min_size=1, max_size=8),
    eth=st.floats(0.1, 400.0),
    staked=st.floats(0.0, 400.0),
    share=st.floats(0.0, 0.85),
    fee_bp=FEE,
)
@settings(deadline=None, max_examples=300)
def test_any_group_is_done_whole_or_not_at_all(
    steps: list[tuple[Operation, float]], eth: float, staked: float, share: float, fee_bp: int
) -> None:
    place = world(fee_bp)
    owed = staked * 1.01 * 1.04 * share / 1.07
    check(place, group(place.settings, steps), book(place.settings, eth, staked, owed))
