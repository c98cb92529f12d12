"""Orders that others leave on an account, and trades they make there: refused at a start, told in a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import VenueRefusal
from basis_pipeline.engine.health import HealthState
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.runs.live.foreign_orders import COMPONENT
from basis_pipeline.runs.live.parts import Alert
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.fakes.accounts import EXCHANGES, Account, account
from basis_pipeline_tests.fakes.server import Fault
from basis_pipeline_tests.live.faults import KilledError, dying_at
from basis_pipeline_tests.live.stage import MINUTE, Stage, holds_what_the_venue_holds, stage

KINDS = {
    "spot": {"perp": False, "conditional": False},
    "perp": {"perp": True, "conditional": False},
    "conditional perp": {"perp": True, "conditional": True},
}


@pytest.fixture(params=EXCHANGES)
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path, request.param) as made:
        yield made


@pytest.fixture(params=EXCHANGES)
def at(request: pytest.FixtureRequest) -> Iterator[Account]:
    with account(request.param, at=START) as made:
        yield made


def health(session: LiveSession) -> tuple[HealthState, str, bool]:
    assert session.engine is not None
    found = session.engine.health.health_of(COMPONENT)
    return found.state, found.detail, session.engine.health.may_execute


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_refuses_an_order_that_rests_and_leaves_it_alone(anywhere: Stage, kind: str) -> None:
    order = anywhere.books.others.rest("ETHUSDT", buy=True, quantity=2.0, limit=2_000.0, **KINDS[kind])
    with pytest.raises(VenueRefusal) as refusal:
        anywhere.session().run(until=START + MINUTE)
    assert refusal.value.code == "VEN-011"
    said = f"{anywhere.name} has an open order {order.order_id} (client id {order.client_id}) to buy "
    assert refusal.value.message.startswith(said) and "ETH" in refusal.value.message
    assert "cancel what rests" in refusal.value.remedy
    assert anywhere.books.others.resting == [order] and anywhere.books.orders == []
    anywhere.books.others.resting.clear()
    anywhere.session().run(until=anywhere.books.now + MINUTE)
    assert len(anywhere.books.orders) == 2


def test_hundreds_of_orders_are_all_seen(at: Account) -> None:
    """More than one page of OKX (100) and of Bybit (50)."""
    for number in range(230):
        kind = {"perp": bool(number % 2), "conditional": number % 4 == 1}
        at.books.others.rest("BTCUSDT", buy=True, quantity=0.001, limit=1_000.0, **kind)
    seen = {order.client_id for order in at.exchange().open_orders()}
    assert seen == {order.client_id for order in at.books.others.resting}


def test_under_a_session_it_is_told_once_and_trading_stays_open_until_it_is_gone(
    there: Stage, told: list[Alert]
) -> None:
    session = there.session()
    session.run(until=START + 2 * MINUTE)
    order = there.books.others.rest("BTCUSDT", perp=False, buy=False, quantity=0.5, limit=60_000.0)
    for _ in range(3):
        there.clock.sleep(300.0)
        session.tick()
    state, detail, may = health(session)
    assert (state, may) == (HealthState.DEGRADED, True)
    assert f"order {order.order_id} (client id {order.client_id}) to sell 0.5 BTCUSDT spot" in detail
    assert [alert.what for alert in told] == ["foreign order rests"] and "[VEN-011]" in told[0].message
    there.books.others.resting.clear()
    there.clock.sleep(300.0)
    session.tick()
    assert health(session)[0] is HealthState.HEALTHY
    holds_what_the_venue_holds(there)


def test_a_trade_of_somebody_else_is_named_and_the_comparison_decides(anywhere: Stage) -> None:
    """0.1 BTC are 5,000 USDT beside a hedge: nothing is traded until somebody has looked."""
    told: list[Alert] = []
    anywhere.options = {"tell": told.append, "watch": 60.0}
    session = anywhere.session()
    session.run(until=START + 2 * MINUTE)
    assert health(session)[0] is HealthState.HEALTHY, "none of its own trades is taken for another's"
    anywhere.clock.sleep(60.0)
    order = anywhere.books.others.trade("BTCUSDT", perp=False, buy=True, quantity=0.1)
    for _ in range(5):
        session.tick()
        anywhere.clock.sleep(session.again or 60.0)
    by_hand = [alert for alert in told if alert.what == "foreign trades"]
    assert len(by_hand) == 1
    assert f"{anywhere.name} bought 0.1 BTC/USDT at 50010 by order {order.order_id}" in by_hand[0].message
    state, detail, may = health(session)
    assert (state, may) == (HealthState.DEGRADED, False), "the comparison has closed trading"
    assert str(order.order_id) in detail


def test_an_order_that_fills_bit_by_bit_is_told_with_its_sum_and_its_average_price(anywhere: Stage) -> None:
    """Half of 0.0004 at 50,010, and half an hour later, long after the histories were looked at, half at 51,020.2."""
    told: list[Alert] = []
    anywhere.options = {"tell": told.append, "watch": 60.0}
    session = anywhere.session()
    session.run(until=START + 2 * MINUTE)
    anywhere.books.fill_fraction.append(0.5)
    order = anywhere.books.others.trade("BTCUSDT", perp=False, buy=True, quantity=0.0004)
    for price in (50_010.0, 51_020.2):
        if price > 51_000.0:
            order.trades.append(anywhere.books._book(order, 0.0002, price))
        for _ in range(5):
            session.tick()
            anywhere.clock.sleep(session.again or 60.0)
        anywhere.clock.sleep(1_800.0)
    said = [alert.message for alert in told if alert.what == "foreign trades"]
    assert len(said) == 2
    assert f"{anywhere.name} bought 0.0002 BTC/USDT at 50010 by order {order.order_id}" in said[0]
    assert f"{anywhere.name} bought 0.0004 BTC/USDT at 50515.1 by order {order.order_id}" in said[1]


def test_what_was_traded_while_no_session_ran_is_named_before_the_start_is_refused(
    there: Stage, told: list[Alert]
) -> None:
    """Nine days later: the history of spot is asked for by days, that of futures by weeks."""
    there.session().run(until=START + 2 * MINUTE)
    there.books.now += 5 * 86_400_000_000
    spot = there.books.others.trade("BTCUSDT", perp=False, buy=False, quantity=0.5)
    perp = there.books.others.trade("BTCUSDT", perp=True, buy=True, quantity=0.5)
    there.books.now += 4 * 86_400_000_000
    there.session(acknowledged=True).run(until=there.books.now + 2 * MINUTE)
    (message,) = [alert.message for alert in told if alert.what == "foreign trades"]
    assert f"order {spot.order_id}, 20" in message and f"order {perp.order_id}, 20" in message
    assert "sold" in message and "BTC/USDT:USDT" in message
    holds_what_the_venue_holds(there)


def test_orders_of_a_session_that_was_killed_are_its_own(there: Stage, told: list[Alert]) -> None:
    with pytest.raises(KilledError):
        there.session(database=dying_at(Kind.FACTS, after=False)).run(until=START + 5 * MINUTE)
    session = there.session()
    session.run(until=there.books.now + 3 * MINUTE)
    assert health(session)[0] is HealthState.HEALTHY and told == []


def test_another_session_on_the_account_is_seen_by_its_trades(there: Stage, told: list[Alert]) -> None:
    """As from another machine: a journal of its own, and no lock between them."""
    there.options = {**there.options, "watch": 60.0}
    first = there.session()
    first.start()
    second = Stage(there.account, there.path.with_name("other.sqlite"), there.clock, there.mode)
    second.session().run(until=there.books.now + MINUTE)
    ids = {order.client_id for order in there.books.orders}
    first.tick()
    assert len(ids) == 2 and [alert.what for alert in told] == ["foreign trades"]
    first.tick()
    assert not health(first)[2], "what it changed closes trading"
    assert {order.client_id for order in there.books.orders} == ids


def test_an_exchange_that_does_not_say_degrades_and_stops_nothing(there: Stage) -> None:
    there.options = {"watch": 60.0}
    session = there.session()
    session.run(until=START + 2 * MINUTE)
    there.server.faults += [Fault("/openOrders", "reset", "before", method="GET")] * 3
    there.clock.sleep(60.0)
    session.tick()
    state, detail, may = health(session)
    assert (state, may) == (HealthState.DEGRADED, True) and "no usable answer" in detail
    session.tick()
    assert health(session)[0] is HealthState.HEALTHY
