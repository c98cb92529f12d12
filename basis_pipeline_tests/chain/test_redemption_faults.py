"""What goes wrong around a redemption queue: it pays less, late, or nothing; the session dies; the chain turns back."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.errors import ConfigError, StateError
from basis_pipeline.domain.intents import Fate
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.records import Category
from basis_pipeline.engine.health import HealthState
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.results.live_differences.differences import FEES, OTHER_COSTS
from basis_pipeline.runs.live.compare import compare_live
from basis_pipeline.runs.live.record import begin_record
from basis_pipeline_tests.chain.bench import ChainClock
from basis_pipeline_tests.chain.market import Market
from basis_pipeline_tests.chain.queues import (
    MODE,
    RATES,
    RECEIVABLE,
    Leaving,
    about,
    asked,
    booked,
    earned,
    equity,
    leaving,
)

STAKE, REDEEM, CLAIM = Operation.STAKE, Operation.REDEEM, Operation.CLAIM


@pytest.fixture(params=["etherfi", "lido"])
def out(request: pytest.FixtureRequest, market: Market, tmp_path: Path) -> Leaving:
    return leaving(market, tmp_path, request.param)


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
    found = compare_live(out.root, MODE, "dev").differences
    assert found.item(OTHER_COSTS).live == pytest.approx(-0.03 * promised, rel=1e-6)
    assert found.item(FEES).live == 0.0
    (told,) = out.told("redemption paid less")
    assert told.startswith("[CHAIN-008]")


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


def test_a_loss_that_only_a_start_finds_is_told_as_well(out: Leaving) -> None:
    promised = asked(out)
    out.issuer.finalize(1, paid=0.97)
    session = out.session(database=Killing)
    Killing.before = Kind.FACTS
    with pytest.raises(Killed):
        session.tick()
    assert not out.told("redemption paid less")
    session = out.session()
    assert len(out.told("redemption paid less")) == 1
    assert earned(session, Category.TRANSACTION_COSTS) == pytest.approx(-out.gas() - 0.03 * promised, rel=1e-6)


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


def test_requests_that_a_deep_reorganisation_takes_back_are_left_to_an_operator(out: Leaving) -> None:
    """The chain has the tokens again and no request; the book has a claim that nobody owes."""
    staked = out.staked()
    out.leave()
    session = out.session()
    kept = out.there.node.snapshot()
    session.tick()
    assert out.operations() == [STAKE, REDEEM]
    out.there.node.revert(kept)
    out.days(0.01)
    assert (out.requests(), out.staked()) == (0, staked)
    with pytest.raises(StateError, match="LIVE-001"):
        out.session()
    again = out.session(acknowledged=True)
    assert (booked(again, RECEIVABLE), booked(again, out.issuer.key)) == (0.0, pytest.approx(staked, rel=1e-12))
