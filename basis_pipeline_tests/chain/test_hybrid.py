"""Exchanges and a chain in one session: the hedged modes and a basis mode with its wallet.

The exchanges are fakes driven by the real client library, the chain has the real contracts; what moves between them are
transactions of that chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline.domain.state import EngineState
from basis_pipeline.live_journal.database import JournalDatabase
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline_tests.chain.bench import owner
from basis_pipeline_tests.chain.hybrid import Hybrid, hybrid
from basis_pipeline_tests.chain.market import ETH_PRICE, ETHER, WEETH_RATE, Market

SIMPLE, LEVERED = "usdt_eth_staking_hedged_simple", "usdt_eth_staking_hedged_leveraged"
LST, COLLATERAL, DEBT = "etherfi:LST:weETH", "aave_v3:aToken:aweETH", "aave_v3:debtToken:debtWETH"
SHORTS = ("binance:Perp:ETHUSDT", "bybit:Perp:ETHUSDT")
ENTRY = ["transfer", "transfer", "spot_trade", "perp_trade", "spot_trade", "perp_trade", "transfer"]


@pytest.fixture
def simple(market: Market, tmp_path: Path) -> Iterator[Hybrid]:
    with hybrid(market, tmp_path, SIMPLE) as made:
        yield made


@pytest.fixture
def levered(market: Market, tmp_path: Path) -> Iterator[Hybrid]:
    with hybrid(market, tmp_path, LEVERED) as made:
        yield made


def operations(there: Hybrid) -> list[str]:
    """Of orders that were executed, in order."""
    settled = LiveJournal(JournalDatabase.read(there.path), there.clock.wall).settled_after(0)
    return [str(done.intent.order.operation) for done in settled]


def book_is_reality(there: Hybrid) -> None:
    """Committed positions = balances of the fakes and of the contracts; nothing is awaited any more."""
    real = there.really()
    for key, position in there.state.positions.items():
        assert position.quantity == pytest.approx(real.get(key, 0.0), rel=1e-9, abs=1e-8), key
    assert there.state.arrivals == ()


def states(there: Hybrid) -> list[EngineState]:
    return list(LiveJournal(JournalDatabase.read(there.path), there.clock.wall).states())


def net_eth(state: EngineState, rate: float = WEETH_RATE) -> float:
    """ETH of everything, by hand: tokens, what is on its way, staked at the protocol's rate, less debt and shorts.

    Aave's indices move by less than 1e-6 in these tests.
    """
    held = {key: position.quantity for key, position in state.positions.items()}
    plain = sum(q for key, q in held.items() if key.endswith((":ETH", ":ETHUSDT")))
    return plain + rate * (held.get(LST, 0.0) + held.get(COLLATERAL, 0.0)) - held.get(DEBT, 0.0)


def stays_neutral(there: Hybrid, band: float) -> None:
    """At the end of every tick the book is within `band` of equity of no ETH at all."""
    price = ETH_PRICE
    for state in states(there):
        assert state.market is not None
        price = state.market.price[-1]
        assert abs(net_eth(state)) * price < band * state.pnl.equity, (state.timestamp, net_eth(state))


def gas_paid(there: Hybrid) -> float:
    """ETH, from the receipts of every transaction of the owner on this chain."""
    paid, ask = 0, there.node.chain.ask
    for number in range(there.node.chain.head().number + 1):
        for transaction in ask("eth_getBlockByNumber", hex(number), True)["transactions"]:
            if transaction["from"].lower() == owner().lower():
                receipt = ask("eth_getTransactionReceipt", transaction["hash"])
                paid += int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    return paid / ETHER


def costs_of_fills(there: Hybrid) -> float:
    """USDT: fees, and every fill against the price of 2,500 that nothing has moved from."""
    paid = 0.0
    for made in there.accounts.values():
        for trade in (trade for order in made.books.orders for trade in order.trades):
            worse = (trade.price - ETH_PRICE) * trade.quantity * (1.0 if trade.buy else -1.0)
            paid += worse + trade.fee * (ETH_PRICE if trade.fee_token == "ETH" else 1.0)
        paid += sum(w.fee * (ETH_PRICE if w.token == "ETH" else 1.0) for w in made.books.withdrawals)
    return paid


def interest(there: Hybrid) -> float:
    """ETH owed beyond what was flash-borrowed, at the last tick."""
    state, universe = there.state, there.plan.settings.universe
    if universe.find(DEBT) is None:
        return 0.0
    assert state.market is not None
    owed = state.positions[DEBT].quantity * state.market.index[universe.slot(DEBT)]
    settled = LiveJournal(JournalDatabase.read(there.path), there.clock.wall).settled_after(0)
    return owed - settled[-1].intent.order.steps[0].quantity


def test_the_capital_goes_from_the_wallet_to_the_exchanges_and_comes_back_as_eth_that_is_staked(simple: Hybrid) -> None:
    """Nothing is bought before the cash has arrived, nothing staked before the ETH has; each order once."""
    simple.live_for(12)
    assert operations(simple) == [*ENTRY, "stake"]
    book_is_reality(simple)
    staked = simple.really()[LST] * WEETH_RATE
    shorts = -sum(simple.really()[key] for key in SHORTS)
    assert staked + simple.really()["wallet:BaseToken:ETH"] == pytest.approx(shorts, rel=2e-3)
    assert simple.really()["wallet:BaseToken:ETH"] == pytest.approx(0.1, abs=1e-3), "what pays the gas is not staked"
    stays_neutral(simple, 0.02)


@pytest.mark.parametrize("mode", [SIMPLE, LEVERED])
def test_an_entry_costs_what_fills_fees_and_gas_cost(market: Market, tmp_path: Path, mode: str) -> None:
    """Equity = capital and gas brought along - fills against 2,500 - fees - gas - interest, to a cent."""
    with hybrid(market, tmp_path, mode) as there:
        before = gas_paid(there)
        there.live_for(12)
        paid = costs_of_fills(there) + (gas_paid(there) - before + interest(there)) * ETH_PRICE
        assert paid > 100.0
        assert there.state.pnl.equity == pytest.approx(100_000.0 + 0.1 * ETH_PRICE - paid, abs=0.01)


def test_a_rise_calls_for_margin_and_eth_comes_back_from_the_chain(simple: Hybrid) -> None:
    """+35%: part of the stack is sold on the pool, its ETH on Binance, the shorts covered in step, Bybit topped up."""
    simple.live_for(12)
    simple.set_eth_price(3_375.0)
    simple.live_for(20)
    assert operations(simple)[8:12] == ["swap", "transfer", "transfer", "spot_trade"]
    state = simple.state
    assert state.market is not None
    for name in ("binance", "bybit"):
        made = simple.accounts[name]
        short, entry = made.books.perps["ETHUSDT"]
        assert (made.cash + short * (3_375.0 - entry)) / (-short * 3_375.0) > 0.5, f"margin of {name} is restored"
    book_is_reality(simple)
    stays_neutral(simple, 0.02)


def test_a_fall_frees_margin_that_is_staked(simple: Hybrid) -> None:
    """-40%: profit of the shorts becomes more of the pair; USDT from Bybit, ETH to the wallet, staked on arrival."""
    simple.live_for(12)
    staked = simple.really()[LST]
    simple.set_eth_price(1_500.0)
    simple.live_for(25)
    assert simple.really()[LST] > 1.2 * staked
    book_is_reality(simple)
    stays_neutral(simple, 0.02)


def test_an_exit_brings_everything_back_to_the_wallet(simple: Hybrid) -> None:
    """The staked token loses 40%: the stop sells it, ETH crosses to Binance, shorts are covered, cash is withdrawn."""
    simple.live_for(12)
    simple.node.do(simple.market.weeth, "setRate(uint256)", round(0.62 * ETHER))
    session = simple.live_for(40)
    assert session.engine is not None and session.engine.strategy_manager.state.halted == "drawdown"
    real = simple.really()
    assert all(real[key] == 0.0 for key in SHORTS)
    assert real[LST] < 1e-12, "what a float cannot name of the last wei"
    assert real["wallet:BaseToken:USDT"] == pytest.approx(simple.state.pnl.equity, rel=5e-3)
    assert real["wallet:BaseToken:ETH"] == pytest.approx(0.1, abs=2e-3)
    book_is_reality(simple)


def account_data(there: Hybrid) -> tuple[int, ...]:
    lending, executor = there.market.deployment.lending, there.market.executor
    assert lending is not None
    read = there.node.chain.read(lending.pool, "getUserAccountData(address)", ("uint256",) * 6, executor)
    return tuple(int(word) for word in read)


def health_factor(session: LiveSession) -> float:
    assert session.engine is not None
    snapshot = session.engine.position_update_handler.snapshot
    assert snapshot is not None and snapshot.risk.health_factor is not None
    return snapshot.risk.health_factor


def test_a_levered_entry_is_one_group_with_the_protocols_own_health_factor(levered: Hybrid) -> None:
    session = levered.live_for(12)
    assert operations(levered) == [*ENTRY, "atomic_lever"]
    book_is_reality(levered)
    stays_neutral(levered, 0.02)
    assert health_factor(session) == pytest.approx(account_data(levered)[5] / 1e18, rel=1e-6)
    debt, collateral = account_data(levered)[1], account_data(levered)[0]
    assert debt / collateral == pytest.approx(0.65, abs=1e-4)
    levered.node.mine(seconds=30 * 86_400)
    session.tick()
    assert health_factor(session) == pytest.approx(account_data(levered)[5] / 1e18, rel=1e-6), "a month of interest"


def test_a_low_health_factor_is_mended_in_one_transaction(levered: Hybrid) -> None:
    """The protocol's rate falls 4.8%: repaid out of what the pool pays for collateral, then the pair is rebalanced."""
    levered.live_for(12)
    before = account_data(levered)[5] / 1e18
    levered.node.do(levered.market.weeth, "setRate(uint256)", round(0.99 * ETHER))
    levered.market.set_eth_price(ETH_PRICE)
    assert account_data(levered)[5] / 1e18 < before - 0.05
    session = levered.live_for(15)
    assert "atomic_delever" in operations(levered)
    data = account_data(levered)
    assert data[1] / data[0] == pytest.approx(0.65, abs=0.021)
    assert health_factor(session) == pytest.approx(data[5] / 1e18, rel=1e-6)
    book_is_reality(levered)


def test_a_levered_exit_leaves_no_debt_and_no_short(levered: Hybrid) -> None:
    levered.live_for(12)
    levered.node.do(levered.market.weeth, "setRate(uint256)", round(0.90 * ETHER))
    levered.market.set_eth_price(ETH_PRICE)
    levered.live_for(40)
    real = levered.really()
    assert all(real[key] == 0.0 for key in (*SHORTS, COLLATERAL, DEBT))
    assert real["wallet:BaseToken:USDT"] == pytest.approx(levered.state.pnl.equity, rel=5e-3)
    book_is_reality(levered)


@pytest.mark.parametrize(("mode", "coin"), [("btc_basis", "BTC"), ("eth_basis", "ETH")])
def test_a_basis_mode_as_shipped_begins_in_the_wallet_and_keeps_its_reserve_there(
    market: Market, tmp_path: Path, mode: str, coin: str
) -> None:
    """0.5% stay in the wallet; the rest is spot and margin at three exchanges. ETH that pays the gas is not touched."""
    over = {"strategy.hedge_allocation": {"binance": 0.5, "bybit": 0.3, "okx": 0.2}}
    with hybrid(market, tmp_path, mode, exchanges=("binance", "bybit", "okx"), **over) as there:
        there.live_for(10)
        real = there.really()
        assert operations(there)[:3] == ["transfer"] * 3
        assert real["wallet:BaseToken:USDT"] == pytest.approx(0.005 * 100_250.0, rel=0.25)
        assert real["wallet:BaseToken:ETH"] == pytest.approx(0.1, abs=1e-3)
        shorts = sum(real[f"{name}:Perp:{coin}USDT"] for name in there.accounts)
        assert real[f"binance:BaseToken:{coin}"] == pytest.approx(-shorts, rel=2e-3)
        book_is_reality(there)
