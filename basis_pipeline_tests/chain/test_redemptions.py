"""Leaving by the redemption queue: requested, waited for, claimed; against what the queues themselves say."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from basis_pipeline.cli.live import live_command
from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.evidence import GateStatus
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.records import Category
from basis_pipeline.engine.health import HealthState
from basis_pipeline.live_journal.halts import EmergencyPolicy
from basis_pipeline.results.live_differences.differences import GAS
from basis_pipeline.runs.live.compare import compare_live
from basis_pipeline.runs.live.operator import lift_emergency_stop
from basis_pipeline.runs.live.record import tick_records
from basis_pipeline.runs.live.results import publish_live
from basis_pipeline.venues.live.onchain_limits import Limits
from basis_pipeline_tests.chain.bench import owner
from basis_pipeline_tests.chain.market import ETHER, Market
from basis_pipeline_tests.chain.queues import (
    MODE,
    RATES,
    RECEIVABLE,
    Leaving,
    asked,
    booked,
    earned,
    equity,
    leaving,
)

STAKE, REDEEM, CLAIM, SWAP = Operation.STAKE, Operation.REDEEM, Operation.CLAIM, Operation.SWAP


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


def test_the_command_has_a_book_leave_by_the_queue(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BASIS_ENVIRONMENT", raising=False)
    out = leaving(market, tmp_path, "lido")
    done = CliRunner().invoke(live_command, [MODE, "--emergency-stop", "exit_queue"], obj=out.root)
    assert done.exit_code == 0, done.output
    out.session().tick()
    assert out.operations() == [STAKE, REDEEM]


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
