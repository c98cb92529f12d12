"""`eth_leveraged` on a real Aave, Uniswap and Morpho: the strategy's own orders, one transaction each."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.intents import Fate
from basis_pipeline.domain.orders import Operation
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline_tests.builders import wired
from basis_pipeline_tests.chain.bench import MINUTE, SETTINGS, Bench, bench
from basis_pipeline_tests.chain.market import EMODE, ETHER, RAY, ZERO, Market

ETH, LST = "wallet:BaseToken:ETH", "etherfi:LST:weETH"
COLLATERAL, DEBT = "aave_v3:aToken:aweETH", "aave_v3:debtToken:debtWETH"


def run(there: Bench, minutes: int = 2) -> LiveSession:
    """A session, after which the health factor is what the protocol itself says."""
    session = there.session()
    session.run(until=there.clock.wall() + minutes * MINUTE)
    health_is_the_protocols(there, session)
    return session


def health_is_the_protocols(there: Bench, session: LiveSession) -> float | None:
    assert session.engine is not None
    ours = session.engine.position_update_handler.snapshot
    assert ours is not None
    theirs = there.reader.health_factor()
    if theirs is None:
        assert ours.risk.health_factor is None
    else:
        assert ours.risk.health_factor == pytest.approx(theirs, rel=1e-6)
    return theirs


def quantity(there: Bench, key: str) -> float:
    return there.held().quantities[SETTINGS.universe.slot(key)]


def operations(there: Bench) -> list[Operation]:
    settled = there.again().journal.settled_after(0)
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
    index = there.chain.read(
        there.market.pool, "getReserveNormalizedVariableDebt(address)", ("uint256",), there.market.weth
    )
    assert quantity(there, DEBT) * index / RAY == pytest.approx(119.4, rel=1e-6)
    assert quantity(there, LST) == 0.0
    book_is_chain(there, session)


def test_the_health_factor_is_the_protocols_own_after_a_month_of_interest(there: Bench) -> None:
    session = run(there)
    there.node.mine(seconds=30 * 86_400)
    session.tick()
    factor = health_is_the_protocols(there, session)
    assert factor is not None and 1.20 < factor < 1.2666


def test_a_low_health_factor_is_mended_in_one_transaction_and_the_stack_built_up_again(
    market: Market, tmp_path: Path
) -> None:
    """A month of interest, then 13% off the ratio: 0.95 x 0.9 / (0.75 x 1.04) = 1.096, below 1.12. Then it comes back.

    Without the drawdown stop, which would leave the market at 15%.
    """
    fearless = wired("eth_leveraged", {"error_policy": "retry", "max_drawdown": 1.0, "strategy.carry_gate": False})
    there = bench(market, tmp_path / "j.sqlite", mode=fearless)
    run(there)
    there.node.mine(seconds=30 * 86_400)
    set_rate(there, 0.90)
    low = there.reader.health_factor()
    assert low is not None and low < 1.12
    run(there, minutes=1)
    assert operations(there) == [Operation.ATOMIC_LEVER, Operation.ATOMIC_DELEVER]
    assert loan_to_value(there) < 0.755, "the pool still pays 1.04, so there is more equity than before"
    set_rate(there, 1.04)
    assert loan_to_value(there) < 0.66
    session = run(there)
    assert operations(there)[2:] == [Operation.ATOMIC_LEVER]
    assert there.transactions() == 3
    assert loan_to_value(there) == pytest.approx(0.75, abs=0.005)
    book_is_chain(there, session)


def test_a_threshold_that_governance_lowers_is_the_books_at_the_next_tick(there: Bench) -> None:
    """0.95 becomes 0.85: at a loan to value of 0.75 the health factor is 1.133, not 1.267; at 0.78 the stack goes."""
    session = run(there)
    category = "setEModeCategory(uint8,uint16,uint16,uint16,address,string)"
    there.node.do(there.market.configurator, category, EMODE, 8_000, 8_500, 10_100, ZERO, "ETH correlated")
    session.tick()
    assert health_is_the_protocols(there, session) == pytest.approx(0.85 / 0.75, rel=1e-3)
    assert operations(there) == [Operation.ATOMIC_LEVER], "and a session that starts now looks after it"
    for token in (there.market.weth, there.market.weeth):
        lower = "configureReserveAsCollateral(address,uint256,uint256,uint256)"
        there.node.do(there.market.configurator, lower, token, 7_000, 7_500, 10_700)
    there.node.do(there.market.configurator, category, EMODE, 7_700, 7_800, 10_100, ZERO, "ETH correlated")
    session.tick()
    assert (quantity(there, DEBT), there.transactions()) == (0.0, 2), "0.78 / 0.75 is below the emergency's 1.05"
    with pytest.raises(ConfigError, match=r"liquidation threshold of e-mode 1 is 0\.78, .* says 0\.95"):
        there.again()


def test_a_ratio_that_the_oracle_does_not_follow_is_no_health(there: Bench) -> None:
    """Aave caps how fast a staked token may gain: what EtherFi says beyond it is lent nothing against."""
    session = run(there)
    there.node.do(there.market.weeth, "setRate(uint256)", round(1.045 * ETHER))
    session.tick()
    assert health_is_the_protocols(there, session) == pytest.approx(0.95 / 0.75, rel=1e-3)


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
