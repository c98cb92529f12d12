"""Modes on chain alone, each through its life: entry, a month of growth, a rebalance, the exit; against the contracts.

What a mode is worth is computed here from what the contracts say themselves (balances, redemption ratio), by none of
the software under test.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from basis_pipeline.config.gas import wire_on_chain
from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.intents import Fate
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.protocols import Strategy
from basis_pipeline.domain.records import CATEGORIES, Category
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline_tests.builders import CONFIGS
from basis_pipeline_tests.chain.bench import MINUTE, Bench, bench, owner
from basis_pipeline_tests.chain.market import ETHER, RAY, WEETH_RATE, Market

MONTH, YEAR = 30 * 86_400, 365 * 86_400
GAS = 0.002
"""ETH: more than a handful of transactions pays on this chain."""


def mode(name: str) -> WiredMode:
    return wire_on_chain(ConfigFolder(CONFIGS), name, {"error_policy": "retry"})


@pytest.fixture
def there(market: Market, tmp_path: Path) -> Callable[[str], Bench]:
    return lambda name: bench(market, tmp_path / "journal.sqlite", mode=mode(name))


def run(there: Bench, minutes: int = 3, strategy: Strategy | None = None) -> LiveSession:
    session = there.session(strategy=strategy)
    session.run(until=there.clock.wall() + minutes * MINUTE)
    assert_book_is_chain(there, session)
    return session


def assert_book_is_chain(there: Bench, session: LiveSession) -> None:
    assert session.engine is not None
    state, held = session.engine.state(), there.held()
    for slot, key in enumerate(there.settings.universe.keys):
        assert state.positions[key].quantity == pytest.approx(held.quantities[slot], rel=1e-9, abs=1e-9), key


def equity(session: LiveSession) -> float:
    """In the share class, as the session sees it."""
    assert session.engine is not None
    snapshot = session.engine.position_update_handler.snapshot
    assert snapshot is not None
    return snapshot.exposure.equity / snapshot.market.share_price


def earned(session: LiveSession, category: Category) -> float:
    """Since the opening, in the share class."""
    assert session.engine is not None
    return session.engine.state().pnl.attribution[CATEGORIES.index(category)]


def operations(there: Bench) -> list[Operation]:
    settled = there.again().journal.settled_after(0)
    assert all(intent.facts.fate is Fate.EXECUTED for intent in settled)
    return [intent.intent.order.operation for intent in settled]


def ether(there: Bench) -> float:
    """Of the wallet's owner and of the executor."""
    return float(there.chain.balance(owner()) + there.chain.balance(there.market.executor)) / ETHER


def a_token(there: Bench, token: str) -> str:
    lending = there.deployment.lending
    assert lending is not None
    return lending.reserves[token].a_token


def reserve_word(there: Bench, token: str, word: int) -> int:
    return int(there.chain.read(there.market.pool, "getReserveData(address)", ("uint256",) * 15, token)[word])


def changed(there: Bench, **changes: Any) -> Strategy:
    """The mode's own strategy with other parameters: what an operator who changes his mind would run."""
    return replace(there.mode.strategy, **changes)  # type: ignore[type-var]


def gas_paid(there: Bench) -> float:
    """ETH, as the receipts of all that was sent say."""
    return sum(settled.facts.fee for settled in there.again().journal.settled_after(0))


def test_lent_ether_grows_by_what_the_a_token_says_and_comes_back(there: Callable[[str], Bench]) -> None:
    wallet = there("pure_lending_eth")
    session = run(wallet)
    assert operations(wallet) == [Operation.WRAP, Operation.SUPPLY]
    a_weth, weth = a_token(wallet, "WETH"), wallet.market.weth
    supplied, rate = wallet.units(a_weth) / ETHER, reserve_word(wallet, weth, 2) / RAY
    assert supplied == pytest.approx(39.98, abs=GAS)
    wallet.node.mine(seconds=MONTH)
    session.tick()
    grown = wallet.units(a_weth) / ETHER
    assert grown / supplied == pytest.approx(1.0 + rate * MONTH / YEAR, rel=1e-6), "simple interest"
    assert earned(session, Category.SUPPLY_YIELD) == pytest.approx(grown - supplied, rel=1e-4)
    assert grown - supplied > 0.03
    assert equity(session) == pytest.approx(ether(wallet) + wallet.units(weth) / ETHER + grown, rel=1e-12)
    session = run(wallet, strategy=changed(wallet, reserve_fraction=0.5))
    assert operations(wallet)[2:] == [Operation.WITHDRAW, Operation.UNWRAP]
    assert wallet.units(a_weth) / ETHER == pytest.approx(grown / 2.0, abs=0.03)
    session = run(wallet, strategy=changed(wallet, reserve_fraction=1.0))
    assert (wallet.units(a_weth), wallet.units(weth) < 10**12) == (0, True)
    assert ether(wallet) == pytest.approx(40.0 + (grown - supplied) - gas_paid(wallet), abs=1e-5)
    assert earned(session, Category.TRANSACTION_COSTS) == pytest.approx(-gas_paid(wallet), rel=1e-6)


def test_lent_dollars_pay_gas_from_the_ether_of_the_wallet(there: Callable[[str], Bench]) -> None:
    """100,000 USDT at the executor, 40 ETH at its owner: gas comes out of the ETH, which is neither lent nor sold."""
    wallet = there("pure_lending_usdt")
    usdt, a_usdt = wallet.market.usdt, a_token(wallet, "USDT")
    wallet.node.do(usdt, "mint(address,uint256)", wallet.market.executor, 100_000 * 10**6)
    session = run(wallet)
    assert operations(wallet) == [Operation.SUPPLY]
    assert (wallet.units(usdt), wallet.units(a_usdt) / 1e6) == (0, pytest.approx(100_000.0, abs=1.0))
    assert ether(wallet) == pytest.approx(40.0 - gas_paid(wallet), rel=1e-12)
    supplied, rate = wallet.units(a_usdt), reserve_word(wallet, usdt, 2) / RAY
    wallet.node.mine(seconds=MONTH)
    session.tick()
    grown = wallet.units(a_usdt)
    assert grown / supplied == pytest.approx(1.0 + rate * MONTH / YEAR, rel=1e-6)
    assert equity(session) == pytest.approx(grown / 1e6 + ether(wallet) * 2_500.0, rel=1e-9)
    assert earned(session, Category.SUPPLY_YIELD) == pytest.approx((grown - supplied) / 1e6, rel=1e-3)
    assert grown - supplied > 80 * 10**6
    assert earned(session, Category.TRANSACTION_COSTS) == pytest.approx(-gas_paid(wallet) * 2_500.0, rel=1e-9)
    wallet.market.set_eth_price(2_600.0)
    wallet.node.mine(seconds=60)
    session.tick()
    assert earned(session, Category.DUST) == pytest.approx(ether(wallet) * 100.0, rel=1e-5), "the tank is ETH"
    run(wallet, strategy=changed(wallet, reserve_fraction=1.0))
    assert operations(wallet) == [Operation.SUPPLY, Operation.WITHDRAW]
    assert (wallet.units(a_usdt), wallet.units(usdt) >= grown) == (0, True)


def test_staked_ether_is_worth_what_the_protocol_redeems_it_for(there: Callable[[str], Bench]) -> None:
    wallet = there("eth_staking_only")
    session = run(wallet)
    assert operations(wallet) == [Operation.STAKE]
    weeth = wallet.market.weeth
    assert wallet.units(weeth) / ETHER == pytest.approx(39.8 / WEETH_RATE, abs=GAS)
    wallet.node.mine(seconds=MONTH)
    wallet.node.do(weeth, "setRate(uint256)", round(WEETH_RATE * 1.0025 * ETHER))
    session.tick()
    staked = wallet.units(weeth) / ETHER * WEETH_RATE * 1.0025
    assert equity(session) == pytest.approx(ether(wallet) + staked, rel=1e-12)
    assert earned(session, Category.STAKING_YIELD) == pytest.approx(39.8 * 0.0025, abs=1e-5)
    run(wallet, strategy=changed(wallet, reserve_fraction=0.3))
    assert operations(wallet) == [Operation.STAKE, Operation.SWAP]
    run(wallet)
    assert operations(wallet) == [Operation.STAKE, Operation.SWAP, Operation.STAKE], "back to what it was"
    session = run(wallet, strategy=changed(wallet, reserve_fraction=1.0))
    weth = wallet.units(wallet.market.weth) / ETHER
    assert wallet.units(weeth) < 10**6, "wei that no float can name"
    assert equity(session) == pytest.approx(ether(wallet) + weth, rel=1e-12)
    assert equity(session) == pytest.approx(39.8 * 1.0025 + 0.2, rel=0.005), "two sales at 5 bp and the pool's weight"
