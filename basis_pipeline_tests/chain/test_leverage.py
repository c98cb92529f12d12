"""`eth_leveraged` on a real Aave, Uniswap and Morpho: the strategy's own orders, one transaction each."""

from __future__ import annotations

import pytest

from basis_pipeline.domain.intents import Fate
from basis_pipeline.domain.orders import Operation
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live_session import LiveSession
from basis_pipeline_tests.chain.bench import MINUTE, SETTINGS, Bench
from basis_pipeline_tests.chain.market import ETHER

ETH, LST = "wallet:BaseToken:ETH", "etherfi:LST:weETH"
COLLATERAL, DEBT = "aave_v3:aToken:aweETH", "aave_v3:debtToken:debtWETH"


def run(there: Bench, minutes: int = 2) -> LiveSession:
    session = there.session()
    session.run(until=there.clock.wall() + minutes * MINUTE)
    return session


def quantity(there: Bench, key: str) -> float:
    return there.held().quantities[SETTINGS.universe.slot(key)]


def operations(there: Bench) -> list[Operation]:
    settled = LiveJournal.open(there.path, belongs_to="eth_leveraged@dev", now=there.clock.wall).settled_after(0)
    assert all(intent.facts.fate is Fate.EXECUTED for intent in settled)
    return [intent.intent.order.operation for intent in settled]


def book_is_chain(there: Bench, session: LiveSession) -> None:
    """The committed positions are the balances of the contracts, to a billionth."""
    assert session.engine is not None
    state = session.engine.state()
    for slot, key in enumerate(SETTINGS.universe.keys):
        assert state.positions[key].quantity == pytest.approx(there.held().quantities[slot], rel=1e-9, abs=1e-9), key


def set_rate(there: Bench, rate: float) -> None:
    """EtherFi's ratio and what Aave's oracle makes of it; the pool does not follow."""
    there.node.do(there.market.weeth, "setRate(uint256)", round(rate * ETHER))
    there.market.set_eth_price(2_500.0)


def loan_to_value(there: Bench) -> float:
    data = there.chain.read(there.market.pool, "getUserAccountData(address)", ("uint256",) * 6, there.market.executor)
    return float(data[1] / data[0])


def test_the_entry_is_one_transaction(there: Bench) -> None:
    """39.8 ETH of its own at a loan to value of 0.75: 159.2 ETH staked at 1.04, 119.4 WETH owed."""
    session = run(there)
    assert operations(there) == [Operation.ATOMIC_LEVER]
    assert there.transactions() == 1
    assert quantity(there, COLLATERAL) == pytest.approx(159.2 / 1.04, rel=1e-12)
    assert quantity(there, DEBT) == pytest.approx(119.4, rel=1e-8)
    assert quantity(there, LST) == 0.0
    book_is_chain(there, session)


def test_the_health_factor_is_the_protocols_own(there: Bench) -> None:
    session = run(there)
    assert session.engine is not None
    there.node.mine(seconds=30 * 86_400)
    session.tick()
    ours = session.engine.position_update_handler.snapshot
    assert ours is not None and ours.risk.health_factor is not None
    assert ours.risk.health_factor == pytest.approx(there.reader.health_factor(), rel=1e-6)
    assert 1.20 < ours.risk.health_factor < 1.2666, "a month of interest is in it"


def test_a_rebalance_is_one_transaction_and_restores_the_target(there: Bench) -> None:
    run(there)
    set_rate(there, 1.005)
    assert loan_to_value(there) > 0.775, "beyond the band of 2%, before the drawdown stop"
    session = run(there)
    assert operations(there) == [Operation.ATOMIC_LEVER, Operation.ATOMIC_DELEVER]
    assert there.transactions() == 2
    assert loan_to_value(there) == pytest.approx(0.75, abs=0.005)
    book_is_chain(there, session)


def test_the_exit_is_one_transaction_and_leaves_no_debt(there: Bench) -> None:
    run(there)
    set_rate(there, 0.97)  # a quarter of the equity is lost: the drawdown stop leaves the market
    session = run(there)
    assert operations(there) == [Operation.ATOMIC_LEVER, Operation.ATOMIC_DELEVER]
    assert there.transactions() == 2
    assert (quantity(there, DEBT), quantity(there, COLLATERAL), quantity(there, LST)) == (0.0, 0.0, 0.0)
    book_is_chain(there, session)
