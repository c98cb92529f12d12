"""Simulated and on-chain venues keep the same promises: what a plan projects is what the chain does.

Gas and slippage differ by nature, one is measured and the other assumed; everything else is the same to a millionth.
"""

from __future__ import annotations

import pytest

from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus, Operation, Order
from basis_pipeline.domain.records import Positions
from basis_pipeline.engine.reconciliation import check_conservation
from basis_pipeline.venues.live.onchain import OPERATIONS
from basis_pipeline_tests.chain.bench import MODE, SETTINGS, Bench, order
from basis_pipeline_tests.chain.test_bookings import COLLATERAL, DEBT, ETH, LIFE, LST, apply, done, lever

SIMULATED = {venue.name: venue for venue in MODE.engine_config().venues}
ORDERS = [
    order(operation, venue, slots, quantity, 100)
    for operation, venue, slots, quantity in [
        *LIFE[2:3],
        *LIFE[5:],
        (Operation.SUPPLY, "aave_v3", (LST, COLLATERAL), 5.0),
    ]
]
GAS = 0.0005
"""ETH: more than any of these transactions pays on this chain or is assumed to pay."""


@pytest.fixture
def lived(there: Bench) -> Bench:
    """A wallet that holds something of everything: 20 ETH, 8 weETH, 12 weETH supplied, 5 WETH owed for a month."""
    for number, (operation, venue, slots, quantity) in enumerate(LIFE[:3], start=1):
        done(there, order(operation, venue, slots, quantity, number))
    there.node.mine(seconds=30 * 86_400)
    return there


def both(there: Bench, what: Order) -> tuple[Positions, ExecutionHandshake, ExecutionHandshake]:
    before, market = there.held(), there.feed.at(there.clock.wall())
    simulated = SIMULATED[what.venue].execute(what, before, market)
    live = there.venues[what.venue].execute(what, before, market)
    for answer in (simulated, live):
        assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
        check_conservation(answer, before, apply(answer, before), market, SETTINGS)
    return before, simulated, live


@pytest.mark.parametrize("what", ORDERS, ids=[f"{o.operation} {o.quantity:g}" for o in ORDERS])
def test_both_book_the_same(lived: Bench, what: Order) -> None:
    before, simulated, live = both(lived, what)
    after, real = apply(simulated, before), apply(live, before)
    for slot, key in enumerate(SETTINGS.universe.keys):
        allowed = (0.003 * what.quantity * (what.operation is Operation.SWAP) + GAS) if key == ETH else 0.0
        moved = abs(after.quantities[slot] - before.quantities[slot])
        assert real.quantities[slot] == pytest.approx(after.quantities[slot], abs=allowed + 1e-6 * moved + 1e-12), key
    assert (simulated.simulated, live.simulated) == (True, False)
    assert live.filled == simulated.filled


def test_both_book_a_group_the_same(there: Bench) -> None:
    before, simulated, live = both(there, lever(20.0, 40.0))
    after, real = apply(simulated, before), apply(live, before)
    for key in (LST, COLLATERAL, DEBT):
        slot = SETTINGS.universe.slot(key)
        assert real.quantities[slot] == pytest.approx(after.quantities[slot], rel=1e-6), key
    eth = SETTINGS.universe.slot(ETH)
    spent = before.quantities[eth] - real.quantities[eth]
    assert spent == pytest.approx(20.0 + live.gas / 2_500.0, rel=1e-9)


@pytest.mark.parametrize(
    "what",
    [
        order(Operation.STAKE, "etherfi", (ETH, LST), 1e6),
        order(Operation.SUPPLY, "aave_v3", (LST, COLLATERAL), 1e6),
        order(Operation.WITHDRAW, "aave_v3", (COLLATERAL, LST), 0.0),
        order(Operation.SWAP, "curve", (LST, ETH), 1e6),
    ],
    ids=lambda o: f"{o.operation} {o.quantity:g}",
)
def test_both_refuse_the_same_and_move_nothing(lived: Bench, what: Order) -> None:
    before, market = lived.held(), lived.feed.at(lived.clock.wall())
    sent = lived.transactions()
    for answer in (
        SIMULATED[what.venue].execute(what, before, market),
        lived.venues[what.venue].execute(what, before, market),
    ):
        assert answer.status is HandshakeStatus.FAILED
        assert (answer.deltas, answer.executed_at, bool(answer.error_message)) == ((), None, True)
    assert lived.transactions() == sent


def test_both_name_the_same_operations() -> None:
    """Live venues take no less than simulated ones, but for unwrapping; only live a redemption has to be claimed."""
    alone = {"staking": {Operation.CLAIM}}
    later = {Operation.UNWRAP_REWARD}
    for name, venue in SIMULATED.items():
        kind = SETTINGS.venues[name].kind
        assert OPERATIONS[kind] - alone.get(kind, set()) == venue.operations - later, name


def test_positions_are_of_declared_slots_of_the_venue_only(lived: Bench) -> None:
    zeros = (0.0,) * len(SETTINGS.universe)
    for name, venue in lived.venues.items():
        told = venue.positions(Positions(zeros, zeros))
        assert {SETTINGS.universe.instruments[slot].key.venue for slot in told} <= {name}
        assert set(told) == set(SIMULATED[name].positions(Positions(zeros, zeros)))
