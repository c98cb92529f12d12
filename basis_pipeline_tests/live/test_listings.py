"""A session lives for longer than a listing: what an exchange changes about its instruments is found out and told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import VenueRefusal
from basis_pipeline.domain.orders import Side
from basis_pipeline.engine.health import HealthState
from basis_pipeline.live_journal.journal import Action
from basis_pipeline.runs.live.listings import COMPONENT, EVERY
from basis_pipeline.runs.live.parts import Alert
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline.venues.live.exchange import MarketOrder
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.fakes.accounts import EXCHANGES, account
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.records import Market
from basis_pipeline_tests.fakes.server import Fault
from basis_pipeline_tests.live.stage import MINUTE, Stage, stage


@pytest.fixture(params=EXCHANGES)
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path, request.param) as made:
        yield made


def holding(there: Stage, told: list[Alert], said: list[Action] | None = None) -> LiveSession:
    """A session in its positions."""
    there.options = {"tell": told.append, "log": (said if said is not None else []).append}
    session = there.session()
    session.run(until=START + 2 * MINUTE)
    return session


def perp(there: Stage) -> Market:
    return there.books.market("BTCUSDT", perp=True)


def later(there: Stage, session: LiveSession, seconds: float) -> tuple[HealthState, bool]:
    there.clock.sleep(seconds)
    session.tick()
    assert session.engine is not None
    return session.engine.health.health_of(COMPONENT).state, session.engine.health.may_execute


def test_a_halt_of_one_leg_closes_trading_of_both_until_it_is_over(anywhere: Stage) -> None:
    told: list[Alert] = []
    session = holding(anywhere, told)
    perp(anywhere).trading = False
    assert later(anywhere, session, EVERY) == (HealthState.UNHEALTHY, False)
    assert later(anywhere, session, 60.0) == (HealthState.UNHEALTHY, False)
    assert [(alert.what, alert.message) for alert in told] == [
        ("instrument not traded", f"[VEN-012] {anywhere.name} does not trade BTC/USDT:USDT.")
    ]
    perp(anywhere).trading = True
    assert later(anywhere, session, 300.0) == (HealthState.HEALTHY, True)


def test_an_announced_end_degrades_and_is_told_in_time(anywhere: Stage) -> None:
    told: list[Alert] = []
    session = holding(anywhere, told)
    perp(anywhere).ends = START + 7 * 86_400_000_000
    assert later(anywhere, session, EVERY) == (HealthState.DEGRADED, True)
    assert [alert.what for alert in told] == ["instrument ends"]
    assert f"{anywhere.name} takes BTC/USDT:USDT from its list at 2024-01-08" in told[0].message


def test_other_lots_are_taken_over_and_written_down(anywhere: Stage) -> None:
    told: list[Alert] = []
    said: list[Action] = []
    session = holding(anywhere, told, said)
    before = perp(anywhere).lot
    perp(anywhere).lot = 10 * before
    assert later(anywhere, session, EVERY) == (HealthState.HEALTHY, True)
    assert told == []
    (changed,) = [line for line in said if line.what == "rules changed"]
    assert f"lot {before:g}," in changed.detail and f"lot {10 * before:g}," in changed.detail


def test_what_is_listed_no_more_closes_trading(there: Stage, told: list[Alert]) -> None:
    session = holding(there, told)
    there.books.markets = [market for market in there.books.markets if market is not perp(there)]
    assert session.engine is not None
    there.clock.sleep(EVERY)
    session._listings.look(session.engine, there.books.now)
    assert not session.engine.health.may_execute
    assert told[0].message == "[VEN-012] binance lists BTC/USDT:USDT no more."


def test_an_exchange_that_does_not_say_leaves_the_listings_of_before(there: Stage, told: list[Alert]) -> None:
    session = holding(there, told)
    there.server.faults += [Fault("/exchangeInfo", "reset", "before", method="GET")]
    assert later(there, session, EVERY) == (HealthState.HEALTHY, True)
    assert there.server.faults == [] and told == []


def test_an_order_in_contracts_of_another_size_is_not_sent() -> None:
    """Ten times as much would be bought: 0.1 BTC are 10 contracts of 0.01, and now one of 0.1."""
    with account("okx", at=START) as made:
        exchange = made.exchange()
        exchange.listing("BTC/USDT:USDT")
        made.books.market("BTCUSDT", perp=True).contract = 0.1
        with pytest.raises(VenueRefusal, match=r"a contract of BTC/USDT:USDT at okx is 0.1 BTC now, it was 0.01") as no:
            exchange.place(MarketOrder("bp1", "BTC/USDT:USDT", Side.BUY, 0.1))
        assert no.value.code == "VEN-012" and made.books.orders == []
        exchange.reload_listings()
        exchange.place(MarketOrder("bp2", "BTC/USDT:USDT", Side.BUY, 0.1))
        assert [order.quantity for order in made.books.orders] == [pytest.approx(0.1)]


def test_another_contract_size_closes_trading_until_a_start_has_compared(tmp_path: Path) -> None:
    with stage(tmp_path, "okx") as there:
        told: list[Alert] = []
        session = holding(there, told)
        perp(there).contract = 0.1
        assert later(there, session, EVERY) == (HealthState.UNHEALTHY, False)
        assert later(there, session, EVERY) == (HealthState.UNHEALTHY, False)
        size = "a contract of BTC/USDT:USDT at okx is 0.1 BTC now, it was 0.01"
        (alert,) = [alert for alert in told if alert.what == "contract size changed"]
        assert size in alert.message and "start the session again" in alert.remedy
        again = there.session()
        again.run(until=there.books.now + 2 * MINUTE)
        assert again.engine is not None and again.engine.health.may_execute


def test_an_order_that_was_not_sent_for_its_contract_size_is_looked_into_at_the_next_tick(tmp_path: Path) -> None:
    """Between the two legs of an entry: the spot is bought, the short is not, and a person is told within a minute."""
    with stage(tmp_path, "okx") as there:
        told: list[Alert] = []
        there.options = {"tell": told.append}

        def script(books: FakeExchange) -> None:
            if books.orders:
                perp(there).contract = 0.1

        there.clock.script = script
        session = there.session()
        session.run(until=START + 3 * MINUTE)
        assert [order.market.perp for order in there.books.orders] == [False]
        assert "contract size changed" in {alert.what for alert in told}
        assert session.engine is not None and not session.engine.health.may_execute
        there.session().run(until=there.books.now + 2 * MINUTE)
        assert there.books.perps["BTCUSDT"][0] == pytest.approx(-there.books.spot["BTC"], abs=0.003)
