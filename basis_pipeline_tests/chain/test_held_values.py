"""A lending book whose node is silent is reported at the last values, marked; its earnings come with the next (R97).

What the book is worth is computed here from what the contracts say, by none of the software under test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from basis_pipeline.domain.errors import SystemFailure, VenueSilence
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.records import Category
from basis_pipeline.domain.state import EngineState
from basis_pipeline.engine.health import HealthState
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.live_journal.journal import Action, LiveJournal
from basis_pipeline.runs.live.page import status_page
from basis_pipeline.runs.live.parts import Alert
from basis_pipeline.runs.live.record import joined_log, tick_records
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline.runs.live.status import heartbeat, live_status
from basis_pipeline_tests.chain.bench import MINUTE, Bench, bench
from basis_pipeline_tests.chain.market import ETH_PRICE, Market
from basis_pipeline_tests.chain.proxy import ProxySkin, RpcFault, proxied
from basis_pipeline_tests.chain.test_modes import a_token, assert_book_is_chain, earned, ether, mode, operations
from basis_pipeline_tests.fakes.server import Reply

A_USDT, USDT = "aave_v3:aToken:aUSDT", "wallet:BaseToken:USDT"
CAPITAL = 100_000 * 10**6
DAY = 86_400
DOWN, FOREVER = Reply(503, {"error": "down"}), 10**9
FOR_EVER = 1e12
"""Seconds of patience: market time is not the machine's."""


@dataclass
class Lender:
    """100,000 USDT lent by sessions that reach the chain through a provider with faults."""

    wallet: Bench
    url: str
    provider: ProxySkin
    hold: float = 30.0 * DAY
    told: list[Alert] = field(default_factory=list)

    def session(self) -> LiveSession:
        return self.wallet.session(url=self.url, hold=self.hold, tell=self.told.append)

    def entered(self) -> LiveSession:
        session = self.session()
        session.run(until=self.wallet.clock.wall() + 3 * MINUTE)
        session.tick()
        assert_book_is_chain(self.wallet, session)
        return session

    def silent(self, method: str = "") -> None:
        self.provider.faults.append(RpcFault(method, times=FOREVER, reply=DOWN))

    def tick(self, session: LiveSession, seconds: int = 60) -> None:
        self.wallet.node.mine(seconds=seconds)
        session.tick()

    def supplied(self) -> float:
        """USDT, as the aToken says now: scaled balance times index, rounded down to a millionth."""
        return self.wallet.units(a_token(self.wallet, "USDT")) / 1e6

    def worth(self) -> float:
        """USDT of everything, asked of the contracts."""
        return self.supplied() + self.wallet.units(self.wallet.market.usdt) / 1e6 + ether(self.wallet) * ETH_PRICE

    def deposit(self, usdt: int) -> None:
        self.wallet.node.do(self.wallet.market.usdt, "mint(address,uint256)", self.wallet.node.admin, usdt * 10**6)
        self.wallet.node.pay(self.wallet.market.usdt, self.wallet.market.executor, usdt * 10**6, self.wallet.node.admin)

    @property
    def state(self) -> EngineState:
        state = LiveJournal(JournalDatabase.read(self.wallet.path), self.wallet.clock.wall).last_state()
        assert state is not None
        return state

    def actions(self, what: str) -> list[Action]:
        found = (msgspec.json.decode(entry.payload, type=Action) for entry in self.wallet.entries(Kind.ACTION))
        return [action for action in found if action.what == what]


@pytest.fixture
def lender(market: Market, tmp_path: Path) -> Iterator[Lender]:
    with ExitStack() as stack:
        url, provider = stack.enter_context(proxied(market.node))
        market.node.do(market.usdt, "mint(address,uint256)", market.executor, CAPITAL)
        yield Lender(bench(market, tmp_path / "journal.sqlite", mode=mode("pure_lending_usdt")), url, provider)


def health(session: LiveSession) -> tuple[HealthState, HealthState]:
    """Of prices and of everything."""
    assert session.engine is not None
    return session.engine.health.health_of("data_provider").state, session.engine.health.check(0).overall_status


def test_five_silent_days_are_reported_at_old_values_and_earned_with_the_first_new_one(lender: Lender) -> None:
    session = lender.entered()
    before, sent = lender.state, lender.wallet.transactions()
    supplied = lender.supplied()
    yielded, rounded = (earned(session, category) for category in (Category.SUPPLY_YIELD, Category.RESIDUAL))
    lender.silent()
    for _ in range(5):
        lender.tick(session, DAY)
        state = lender.state
        assert state.timestamp == lender.wallet.clock.wall()
        assert state.market is not None and state.market.as_of == before.timestamp
        assert state.pnl == before.pnl, "no profit, no loss: the last values"
        assert state.positions == before.positions
        assert health(session) == (HealthState.DEGRADED, HealthState.DEGRADED)
    lender.provider.faults.clear()
    lender.tick(session)
    grown = lender.supplied()
    assert grown - supplied > 10.0
    assert earned(session, Category.SUPPLY_YIELD) - yielded == pytest.approx(grown - supplied, abs=3e-6)
    assert lender.state.pnl.equity == pytest.approx(lender.worth(), abs=2e-6)
    assert earned(session, Category.RESIDUAL) == pytest.approx(rounded, abs=1e-9), "what the entry rounded, and no more"
    assert lender.state.market is not None and lender.state.market.as_of is None
    assert health(session) == (HealthState.HEALTHY, HealthState.HEALTHY)
    assert (session.skipped_ticks, lender.wallet.transactions(), operations(lender.wallet)) == (
        0, sent, [Operation.SUPPLY],
    )  # fmt: skip
    assert_book_is_chain(lender.wallet, session)


def test_whoever_reads_the_number_reads_how_old_it_is(lender: Lender) -> None:
    """Status, page, health, log, alert, record: each names the moment the values are of; none does so afterwards."""
    session, path, told_at = lender.entered(), lender.wallet.path, lender.state.timestamp
    moment = live_status(path).state_at
    lender.silent()
    for _ in range(3):
        lender.tick(session)
    status, beat = live_status(path), heartbeat(path, patience=FOR_EVER)
    assert (status.values_as_of, status.health, beat.values_as_of, beat.healthy) == (moment, "degraded", moment, False)
    assert f"values are of {moment}, nobody has said newer ones" in status_page(status)
    [component] = [one for one in status.components if one.component == "data_provider"]
    assert component.state == "degraded" and moment in component.detail
    assert len(lender.actions("values held")) == 3 + 1, "every tick, and the alert"
    assert [(alert.what, moment in alert.message) for alert in lender.told] == [("values held", True)]
    journal = LiveJournal(JournalDatabase.read(path), lender.wallet.clock.wall)
    *_, first, second, third = [record.as_of for _, record in tick_records(journal)]
    assert first == second == third == told_at
    lender.provider.faults.clear()
    lender.tick(session)
    status = live_status(path)
    assert (status.values_as_of, status.health) == ("", "healthy")
    assert "nobody has said newer ones" not in status_page(status)
    assert heartbeat(path, patience=FOR_EVER).healthy
    assert len(lender.actions("values are told again")) == 1


def stale(lender: Lender) -> None:
    old = lender.wallet.node.chain.ask("eth_getBlockByNumber", "latest", False)
    fault = RpcFault("eth_getBlockByNumber", times=FOREVER, distorts=lambda _, answer: answer | {"result": old})
    lender.provider.faults.append(fault)


def no_index(lender: Lender) -> None:
    """The pool's calls are refused, everything else is answered."""
    refusal = Reply(200, {"jsonrpc": "2.0", "id": 1, "error": {"code": 3, "message": "execution reverted"}})
    fault = RpcFault("eth_call", times=FOREVER, reply=refusal, to=lender.wallet.market.pool)
    lender.provider.faults.append(fault)


def silent_oracle(lender: Lender) -> None:
    source = lender.wallet.market.prices[lender.wallet.market.weth]
    lender.wallet.node.do(source, "stop(uint256)", lender.wallet.clock.wall() // 1_000_000 - 5_000)


def another_chain(lender: Lender) -> None:
    fault = RpcFault("eth_chainId", times=FOREVER, distorts=lambda _, answer: answer | {"result": "0x1"})
    lender.provider.faults.append(fault)


@pytest.mark.parametrize("strikes", [stale, no_index, silent_oracle, another_chain], ids=lambda case: case.__name__)
def test_a_rate_that_is_missing_for_whatever_reason_is_held(lender: Lender, strikes: Callable[[Lender], None]) -> None:
    session = lender.entered()
    equity, source = lender.state.pnl.equity, lender.wallet.market.prices[lender.wallet.market.weth]
    strikes(lender)
    for _ in range(4):
        lender.tick(session, 150)
        assert lender.state.pnl.equity == equity
        assert lender.state.market is not None and lender.state.market.as_of is not None
    lender.provider.faults.clear()
    lender.wallet.node.do(source, "stop(uint256)", 0)
    lender.tick(session)
    assert lender.state.pnl.equity == pytest.approx(lender.worth(), abs=2e-6)
    assert session.skipped_ticks == 0


def test_beyond_the_limit_it_fails_as_it_did(lender: Lender) -> None:
    lender.hold = 600.0
    session = lender.entered()
    last = lender.state.timestamp
    lender.silent()
    for _ in range(9):
        lender.tick(session)
    assert lender.state.timestamp - last <= 600_000_000
    with pytest.raises(SystemFailure, match=r"no tick was completed for .* reported on at such values for 600 s"):
        lender.tick(session, 120)
    with pytest.raises(VenueSilence):  # of a process: a SystemFailure, and the supervisor tries again
        lender.session()
    lender.provider.faults.clear()
    lender.entered()
    assert lender.state.pnl.equity == pytest.approx(lender.worth(), abs=2e-6)


def test_without_a_time_to_hold_a_tick_is_skipped(lender: Lender) -> None:
    lender.hold = 0.0
    session = lender.entered()
    last = lender.state.timestamp
    lender.silent()
    lender.tick(session)
    assert (session.skipped_ticks, lender.state.timestamp, lender.told) == (1, last, [])
    assert health(session)[0] is HealthState.UNKNOWN


def test_a_deposit_that_was_seen_by_a_tick_that_failed_is_booked_after_the_silence(lender: Lender) -> None:
    """Of two deposits one was written down when the node fell silent: a state saved then would count it as booked."""
    session = lender.entered()
    known = len(lender.wallet.entries(Kind.INCOME))
    lender.deposit(1_000)
    lender.deposit(2_000)
    handed_on = RpcFault("eth_getTransactionByHash", distorts=lambda _, answer: answer)
    lender.provider.faults += [handed_on, *(RpcFault("eth_getTransactionByHash", reply=DOWN) for _ in range(4))]
    lender.tick(session)
    assert len(lender.wallet.entries(Kind.INCOME)) == known + 1
    lender.provider.faults.clear()
    lender.silent()
    lender.tick(session)
    assert session.skipped_ticks == 2
    lender.provider.faults.clear()
    lender.tick(session)
    assert round(flows(lender)[-1]) == 3_000
    lender.tick(session)
    assert lender.state.pnl.equity == pytest.approx(lender.worth(), abs=2e-6)
    assert_book_is_chain(lender.wallet, session)
    assert lender.actions("adjusted to the venues") == []


def test_a_deposit_during_the_silence_is_found_by_the_next_session(lender: Lender) -> None:
    """An hour of old values, then the process dies: the search for deposits begins where anybody looked last."""
    session = lender.entered()
    lender.hold = 2.0 * 3_600
    silence = lender.session()
    silence.start()
    lender.silent()
    lender.deposit(5_000)
    for _ in range(60):
        lender.tick(silence)
    assert session is not silence and silence.skipped_ticks == 0
    lender.provider.faults.clear()
    again = lender.entered()
    assert lender.actions("differs") == []
    assert_book_is_chain(lender.wallet, again)
    assert operations(lender.wallet) == [Operation.SUPPLY, Operation.SUPPLY]
    assert sum(flows(lender)) == pytest.approx(100_000.0 + 40 * ETH_PRICE + 5_000.0)
    assert lender.state.pnl.equity == pytest.approx(lender.worth(), abs=2e-6)


def flows(lender: Lender) -> list[float]:
    """What came in from outside at every timestep, in order."""
    journal = LiveJournal(JournalDatabase.read(lender.wallet.path), lender.wallet.clock.wall)
    log = joined_log(record for _, record in tick_records(journal))
    return [log.commits[closing].pnl.flow for closing in log.closings]
