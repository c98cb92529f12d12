"""Leaving by the redemption queue: requested, waited for, claimed; against what the queues themselves say."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.records import Category
from basis_pipeline.engine.health import HealthState
from basis_pipeline_tests.chain.market import Market
from basis_pipeline_tests.chain.queues import RECEIVABLE, Leaving, booked, earned, equity, leaving

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
