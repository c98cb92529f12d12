"""Leaving by the redemption queue: requested, waited for, claimed; against what the queues themselves say."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.errors import ConfigError, StateError
from basis_pipeline.domain.evidence import GateStatus
from basis_pipeline.domain.intents import Fate
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.records import Category
from basis_pipeline.engine.health import HealthState
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.live_journal.halts import EmergencyPolicy
from basis_pipeline.results.live_differences.differences import GAS
from basis_pipeline.runs.live.compare import compare_live
from basis_pipeline.runs.live.operator import lift_emergency_stop
from basis_pipeline.runs.live.record import begin_record, tick_records
from basis_pipeline.runs.live.results import publish_live
from basis_pipeline.venues.live.onchain_limits import Limits
from basis_pipeline_tests.chain.bench import ChainClock, owner
from basis_pipeline_tests.chain.market import ETHER, Market
from basis_pipeline_tests.chain.queues import MODE, RECEIVABLE, Leaving, about, booked, earned, equity, leaving

STAKE, REDEEM, CLAIM, SWAP = Operation.STAKE, Operation.REDEEM, Operation.CLAIM, Operation.SWAP
RATES = {"etherfi": 1.04, "lido": 1.2}


@pytest.fixture(params=["etherfi", "lido"])
def out(request: pytest.FixtureRequest, market: Market, tmp_path: Path) -> Leaving:
    return leaving(market, tmp_path, request.param)


def test_a_book_leaves_by_the_queue_and_is_paid_when_the_issuer_pays(out: Leaving) -> None:
    staked = out.staked()
    assert staked * RATES[out.issuer.name] == pytest.approx(39.98, abs=0.21)
    out.leave()
    session = out.session()
    session.tick()
    assert out.operations() == [STAKE, REDEEM]
    assert (out.staked(), out.requests()) == (pytest.approx(0.0, abs=1e-12), 1)
    promised = staked * RATES[out.issuer.name]
    assert booked(session, RECEIVABLE) == pytest.approx(promised, rel=1e-12)
    assert equity(session) == pytest.approx(40.0 - out.gas(), rel=1e-9)
    out.days(3)
    session.tick()
    assert out.operations() == [STAKE, REDEEM], "what is not finalised is not asked for"
    out.issuer.finalize(1)
    session.tick()
    assert out.operations() == [STAKE, REDEEM, CLAIM]
    assert (booked(session, RECEIVABLE), out.requests()) == (pytest.approx(0.0, abs=1e-12), 0)
    assert out.ether() == pytest.approx(40.0 - out.gas(), abs=1e-9)
    assert equity(session) == pytest.approx(out.ether(), rel=1e-12)
    assert earned(session, Category.TRANSACTION_COSTS) == pytest.approx(-out.gas(), rel=1e-6)
    assert out.there.chain.balance(out.there.market.executor) == 0, "the wallet's owner has it"
    session.tick()
    assert session.engine is not None
    assert session.engine.health.health_of("emergency_stop").state is HealthState.CRITICAL
    assert out.operations() == [STAKE, REDEEM, CLAIM]


def asked(out: Leaving) -> float:
    """A book whose every weETH or wstETH is in the queue; the ETH promised."""
    promised = out.staked() * RATES[out.issuer.name]
    out.leave()
    out.session().tick()
    assert out.operations() == [STAKE, REDEEM]
    return promised


def test_what_slashing_takes_is_a_cost_and_is_told(out: Leaving) -> None:
    promised = asked(out)
    out.days(8)
    out.issuer.finalize(1, paid=0.97)
    session = out.session()
    session.tick()
    assert out.operations() == [STAKE, REDEEM, CLAIM]
    assert out.ether() == pytest.approx(40.0 - out.gas() - 0.03 * promised, abs=1e-8)
    assert equity(session) == pytest.approx(out.ether(), rel=1e-12)
    assert booked(session, RECEIVABLE) == pytest.approx(0.0, abs=1e-12)
    assert earned(session, Category.TRANSACTION_COSTS) == pytest.approx(-out.gas() - 0.03 * promised, rel=1e-6)
    (told,) = out.told("redemption paid less")
    assert told.startswith("[CHAIN-008]")


def test_a_restart_finds_what_waits_and_what_was_paid_meanwhile(out: Leaving) -> None:
    promised = asked(out)
    out.days(2)
    waiting = out.session()
    assert booked(waiting, RECEIVABLE) == pytest.approx(promised, rel=1e-12)
    out.issuer.finalize(1)
    out.session().tick()
    session = out.session()
    session.tick()
    assert out.operations() == [STAKE, REDEEM, CLAIM], "once"
    assert equity(session) == pytest.approx(out.ether(), rel=1e-12)


def test_a_paused_queue_takes_nothing_and_is_told(out: Leaving) -> None:
    staked = out.staked()
    out.issuer.pause(True)
    out.leave()
    session = out.session()
    session.tick()
    assert (out.operations(), out.staked()) == ([STAKE], staked)
    (told,) = out.told("reduction failed")
    assert "ResumedExpected" in told or "Pausable: paused" in told
    out.issuer.pause(False)
    session.tick()
    assert out.operations() == [STAKE, REDEEM]


def test_nothing_is_sent_where_a_session_may_only_read(out: Leaving) -> None:
    asked(out)
    out.issuer.finalize(1)
    session = out.session(limits=Limits(1e9, read_only=True))
    for _ in range(3):
        session.tick()
    assert out.operations() == [STAKE, REDEEM]
    tried = [one for _, record in tick_records(out.there.again().journal) for one in record.orders]
    assert [one.result.order.operation for one in tried].count(CLAIM) == 1, "again only after an hour"


def test_a_claim_is_as_large_as_it_is_and_waits_for_cheap_gas(out: Leaving) -> None:
    """100,000 USDT against a largest order of 1: it is home that this money goes."""
    asked(out)
    out.issuer.finalize(1)
    out.session(limits=Limits(1.0, max_gas_price=1e-6)).tick()
    assert out.operations() == [STAKE, REDEEM]
    out.session(limits=Limits(1.0)).tick()
    assert out.operations() == [STAKE, REDEEM, CLAIM]


def test_more_than_one_request_takes_is_split_and_claimed_together(market: Market, tmp_path: Path) -> None:
    """2,500 ETH of Lido's are three requests; two are paid first, the third ten days later."""
    market.node.chain.ask("anvil_setBalance", owner(), hex(2_500 * ETHER))
    out = leaving(market, tmp_path, "lido")
    out.leave()
    session = out.session()
    session.tick()
    assert out.requests() == 3
    whole = booked(session, RECEIVABLE)
    out.issuer.finalize(2)
    session.tick()
    assert (out.operations(), out.requests()) == ([STAKE, REDEEM, CLAIM], 1)
    assert booked(session, RECEIVABLE) == pytest.approx(whole / 3.0, rel=1e-12)
    out.days(10)
    out.issuer.finalize(3)
    session.tick()
    assert (out.operations(), out.requests()) == ([STAKE, REDEEM, CLAIM, CLAIM], 0)
    assert out.ether() == pytest.approx(2_500.0 - out.gas(), abs=1e-8)
    assert equity(session) == pytest.approx(out.ether(), rel=1e-12)


def test_a_request_that_the_issuer_declares_invalid_stops_trading(market: Market, tmp_path: Path) -> None:
    out = leaving(market, tmp_path, "etherfi")
    promised = asked(out)
    market.node.do(out.issuer.queue, "invalidateRequest(uint256)", 1)
    session = out.there.session()
    with pytest.raises(StateError, match="LIVE-001") as refused:
        session.start()
    assert f"{RECEIVABLE}: expected {promised:.6f}"[:-4] in str(refused.value)


def test_a_redemption_that_is_not_paid_for_twice_its_time_is_told(out: Leaving) -> None:
    asked(out)
    out.days(9)
    out.session().tick()
    assert not out.told("redemption waits")
    out.days(6)
    session = out.session()
    session.tick()
    session.tick()
    (told,) = out.told("redemption waits")
    assert "and is not paid yet" in told
    assert session.engine is not None
    assert session.engine.health.health_of("redemptions").state is HealthState.DEGRADED


def test_receipts_of_another_record_are_told_and_not_counted(out: Leaving) -> None:
    """A journal that was moved away takes the numbers of its requests with it."""
    asked(out)
    out.there.path = tmp_journal = out.there.path.with_name("fresh.sqlite")
    assert not tmp_journal.exists()
    begin_record(out.there.again().journal, about(out))
    session = out.session()
    session.tick()
    (told,) = out.told("redemption waits")
    assert "holds 1 receipts" in told
    assert booked(session, RECEIVABLE) == 0.0


def test_in_a_hurry_what_is_left_is_sold_and_what_waits_is_still_claimed(market: Market, tmp_path: Path) -> None:
    """An operator changes his mind while half of it waits: he lifts the stop, the claim is staked again, he leaves."""
    out = leaving(market, tmp_path, "etherfi")
    asked(out)
    out.issuer.finalize(1)
    lift_emergency_stop(out.there.path)
    session = out.session()
    session.tick()
    session.tick()
    assert out.operations() == [STAKE, REDEEM, CLAIM, STAKE]
    out.leave(EmergencyPolicy.EXIT_FULL)
    session.tick()
    assert out.operations()[-1] is SWAP


def test_a_mode_that_leaves_by_the_pool_cannot_be_told_to_wait(market: Market, tmp_path: Path) -> None:
    out = leaving(market, tmp_path, "etherfi", changes={"strategy.exit_route": "pool"})
    with pytest.raises(StateError, match="leaves by the pool"):
        out.leave()


@pytest.mark.parametrize("wrong", ["requests", "receipts"])
def test_a_queue_of_other_contracts_is_refused(out: Leaving, wrong: str) -> None:
    staking = out.issuer.deployment.staking[out.issuer.name]
    assert staking.queue is not None
    other = replace(staking, queue=replace(staking.queue, **{wrong: out.there.market.weth}))
    with pytest.raises(ConfigError, match=r"redemption queue|receipts of Lido's queue") as refused:
        out.there.again(deployment=replace(out.issuer.deployment, staking={out.issuer.name: other}))
    assert refused.value.code == "CHAIN-005"


def test_a_deployment_without_the_queue_is_refused(out: Leaving) -> None:
    staking = replace(out.issuer.deployment.staking[out.issuer.name], queue=None)
    with pytest.raises(ConfigError, match="of which the deployment has no contracts") as refused:
        out.there.again(deployment=replace(out.issuer.deployment, staking={out.issuer.name: staking}))
    assert refused.value.code == "CHAIN-005"


def test_the_replay_is_paid_when_the_session_was(out: Leaving) -> None:
    """Paid after three days instead of five or seven: both lives have the same money on the same days."""
    asked(out)
    out.days(3)
    out.issuer.finalize(1)
    session = out.session()
    for _ in range(3):
        session.tick()
    found = compare_live(out.root, MODE, "dev").differences
    assert abs(found.unnamed) < 1e-9
    assert found.difference == pytest.approx(found.item(GAS).difference, abs=1e-6)
    assert [pair.live.operation for pair in found.pairs if pair.live and not pair.backtest] == [CLAIM]
    assert not [pair for pair in found.pairs if pair.backtest and not pair.live]
    assert found.live[-1] == pytest.approx(out.ether(), rel=1e-12)
    [month] = publish_live(out.root, MODE, "dev", now=out.there.clock.wall())
    assert [gate.gate for gate in month.manifest.gates if gate.status is GateStatus.FAILED] == []


class Killed(BaseException):
    """The process is gone."""


class Killing(JournalDatabase):
    """Ends the process right before a kind of entry of the next order is written."""

    before: ClassVar[Kind | None] = None

    def append(self, written_at: int, kind: Kind, key: str, payload: bytes) -> bool:
        if kind is Killing.before:
            Killing.before = None
            raise Killed
        return super().append(written_at, kind, key, payload)


@pytest.mark.parametrize("before", [Kind.INTENT, Kind.SENT, Kind.FACTS, Kind.TICK])
@pytest.mark.parametrize("during", [REDEEM, CLAIM])
def test_a_kill_at_any_entry_loses_nothing_and_doubles_nothing(out: Leaving, during: Operation, before: Kind) -> None:
    promised = out.staked() * RATES[out.issuer.name]
    if during is CLAIM:
        asked(out)
        out.issuer.finalize(1)
    else:
        out.leave()
    session = out.session(database=Killing)
    Killing.before = before
    with pytest.raises(Killed):
        session.tick()
    out.days(1)
    session = out.session()
    for _ in range(2):
        session.tick()
    executed = [op for op, fate in out.fates() if fate is Fate.EXECUTED]
    assert executed == ([STAKE, REDEEM, CLAIM] if during is CLAIM else [STAKE, REDEEM])
    waiting = 0.0 if during is CLAIM else promised
    assert booked(session, RECEIVABLE) == pytest.approx(waiting, rel=1e-12, abs=1e-12)
    assert equity(session) == pytest.approx(out.ether() + waiting, rel=1e-9)


def test_a_claim_that_a_reorganisation_takes_back_is_found_out(out: Leaving) -> None:
    """The block of the claim is gone before it is final, and comes again: it is booked once."""
    asked(out)
    out.issuer.finalize(1)
    deep = replace(out.issuer.deployment, confirmations=3)
    node = out.there.node
    kept = node.snapshot()
    happened: list[str] = []

    def reorganise() -> None:
        if not happened and out.requests() == 0:
            happened.append(kept)
            node.revert(kept)

    clock = ChainClock(node, script=reorganise)
    out.there = out.there.again(deployment=deep, clock=clock)
    session = out.session()
    session.tick()
    assert happened
    assert (out.operations(), out.requests()) == ([STAKE, REDEEM, CLAIM], 0)
    assert equity(session) == pytest.approx(out.ether(), rel=1e-12)
