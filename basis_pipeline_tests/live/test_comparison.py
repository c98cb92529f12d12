"""What a session does where book and venues differ: look again, adjust, or wait for a person (R22, R32, R35)."""

from __future__ import annotations

import pytest

from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.records import LIVE_CATEGORIES, Category
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.runs.live.operator import acknowledge
from basis_pipeline.runs.live.parts import Alert
from basis_pipeline_tests.fakes.server import Fault, Reply
from basis_pipeline_tests.live.stage import MINUTE, Stage, holds_what_the_venue_holds
from basis_pipeline_tests.live.ticking import running, ticks, unexplained


def test_a_small_difference_at_a_tick_is_looked_at_four_times_and_adjusted(there: Stage) -> None:
    session = running(there)
    there.clock.waited.clear()
    there.books.spot["USDT"] -= 20.0
    ticks(there, session)
    assert there.clock.waited[:3] == [1.0, 2.0, 4.0]
    holds_what_the_venue_holds(there)
    assert unexplained(there) == pytest.approx(-20.0, abs=1e-9)
    assert session.engine is not None and session.engine.health.may_execute


def test_a_venue_that_is_late_with_a_balance_is_waited_for(there: Stage, told: list[Alert]) -> None:
    """The first look at a session's first tick sees nothing of the 70,000: it neither trades nor adjusts."""
    session = there.session()
    session.start()
    empty = Reply(200, {"makerCommission": 10, "takerCommission": 10, "canTrade": True, "accountType": "SPOT",
                        "updateTime": 0, "balances": []})  # fmt: skip
    there.server.faults += [Fault("/api/v3/account", "reply", "before", method="GET", reply=empty)] * 2
    session.tick()
    assert (session.again, there.books.orders) == (1.0, [])
    ticks(there, session)
    assert len(there.books.orders) == 2
    assert (unexplained(there), told) == (0.0, [])


def test_a_payment_between_the_question_for_it_and_for_balances_is_no_difference(there: Stage) -> None:
    session = running(there)
    paid = there.books.pay_funding("BTCUSDT", 0.01)
    there.server.faults += [Fault("/income", "reply", "before", method="GET", reply=Reply(200, []))]
    ticks(there, session)
    holds_what_the_venue_holds(there)
    assert paid > 600.0
    assert unexplained(there) == 0.0


@pytest.mark.parametrize("looks", [1, 2, 3])
def test_at_a_start_too_a_payment_that_the_history_shows_late_is_no_difference(there: Stage, looks: int) -> None:
    """The history is asked again before every look: at a start without it the payment would be booked twice."""
    running(there)
    before = there.last_state.pnl.attribution[LIVE_CATEGORIES.index(Category.FUNDING)]
    paid = there.books.pay_funding("BTCUSDT", 0.001)
    there.server.faults += [Fault("/income", "reply", "before", method="GET", reply=Reply(200, []))] * looks
    there.clock.waited.clear()
    session = there.session()
    session.start()
    assert there.clock.waited == [1.0, 2.0, 4.0][:looks]
    ticks(there, session, 2)
    holds_what_the_venue_holds(there)
    assert unexplained(there) == 0.0
    after = there.last_state.pnl.attribution[LIVE_CATEGORIES.index(Category.FUNDING)]
    assert after - before == pytest.approx(paid, abs=1e-9)


def test_a_large_difference_at_a_tick_stops_trading_and_is_told_once(there: Stage, told: list[Alert]) -> None:
    session = running(there)
    there.books.spot["USDT"] -= 5_000.0
    there.books.set_price("BTC", 65_000.0)  # margin has to be restored: the strategy wants to trade
    ticks(there, session, 3)
    assert len(there.books.orders) == 2
    assert [alert.what for alert in told] == ["large difference"]
    assert "binance:BaseToken:USDT" in told[0].message and "worth 5,000.00 USDT" in told[0].message
    assert session.engine is not None
    assert session.engine.get_status().health.overall_status == "unhealthy"
    assert there.last_state.timestamp > there.books.now - 2 * MINUTE, "it goes on observing"
    with pytest.raises(StateError, match="LIVE-001"):
        there.session().start()


def test_an_acknowledgement_from_another_shell_takes_the_venues_word(there: Stage, told: list[Alert]) -> None:
    session = running(there)
    there.books.spot["USDT"] -= 5_000.0
    ticks(there, session)
    assert "5,000.00" in acknowledge(there.path)
    ticks(there, session)
    holds_what_the_venue_holds(there)
    assert unexplained(there) == pytest.approx(-5_000.0, abs=1e-9)
    assert session.engine is not None and session.engine.health.may_execute
    with pytest.raises(StateError, match="LIVE-005"):
        acknowledge(there.path)
    there.books.spot["USDT"] -= 5_000.0
    ticks(there, session)
    assert [alert.what for alert in told].count("large difference") == 2, "one word covers one difference"


def test_an_acknowledgement_does_not_cover_what_was_not_told(there: Stage, told: list[Alert]) -> None:
    session = running(there)
    there.books.spot["USDT"] -= 5_000.0
    ticks(there, session)
    acknowledge(there.path)
    there.books.spot["USDT"] -= 3_000.0
    ticks(there, session)
    assert [alert.what for alert in told].count("large difference") == 2
    assert "worth 8,000.00 USDT" in told[-1].message
    assert unexplained(there) == 0.0


def test_a_difference_that_goes_away_still_waits_for_somebody(there: Stage) -> None:
    session = running(there)
    there.books.spot["USDT"] -= 5_000.0
    ticks(there, session)
    there.books.spot["USDT"] += 5_000.0
    ticks(there, session)
    assert session.engine is not None and not session.engine.health.may_execute
    with pytest.raises(StateError, match=r"LIVE-001.*agree again"):
        there.session().start()
    acknowledge(there.path)
    ticks(there, session)
    assert session.engine.health.may_execute
    assert unexplained(there) == 0.0


def test_small_differences_of_a_day_add_up_to_a_large_one(there: Stage, told: list[Alert]) -> None:
    """Ten basis points of 100,000 are 100 USDT: the third 40 is one too many, and a restart does not forget it."""
    session = running(there)
    for _ in range(2):
        there.books.spot["USDT"] -= 40.0
        ticks(there, session)
    assert unexplained(there) == pytest.approx(-80.0, abs=1e-9)
    session = running(there)
    there.books.spot["USDT"] -= 40.0
    ticks(there, session)
    assert [alert.what for alert in told if alert.what != "unexplained"] == ["large difference"]
    assert unexplained(there) == pytest.approx(-80.0, abs=1e-9)


def test_what_an_operator_acknowledged_does_not_use_up_the_day(there: Stage) -> None:
    session = running(there)
    there.books.spot["USDT"] -= 5_000.0
    ticks(there, session)
    acknowledge(there.path)
    ticks(there, session)
    there.books.spot["USDT"] -= 40.0
    ticks(there, session)
    assert unexplained(there) == pytest.approx(-5_040.0, abs=1e-9)


def test_a_silent_venue_gates_trading_until_it_answers(there: Stage) -> None:
    session = there.session()
    session.start()
    there.server.faults += [Fault("/api/v3/account", "reset", "before", method="GET")] * 3
    ticks(there, session)
    assert there.books.orders == []
    assert session.comparisons_missing == 1
    assert any(b'"missing"' in entry.payload for entry in there.entries(Kind.ACTION))
    ticks(there, session)
    assert len(there.books.orders) == 2


@pytest.mark.parametrize(("taken", "alerts"), [(9.5, 0), (10.5, 1)])
def test_more_than_a_basis_point_a_day_without_explanation_is_told(
    there: Stage, told: list[Alert], taken: float, alerts: int
) -> None:
    """One basis point of 100,000 is 10 USDT; entering cost about 40 of them."""
    session = running(there)
    there.books.spot["USDT"] -= taken
    ticks(there, session, 2)
    assert [alert.what for alert in told] == ["unexplained"] * alerts
    assert unexplained(there) == pytest.approx(-taken, abs=1e-9)
    if alerts:
        expected = -taken / there.last_state.pnl.equity * 1e4
        assert f"{expected:+.2f} bp of equity since 2024-" in told[0].message


def test_a_new_day_is_counted_from_nothing(there: Stage, told: list[Alert]) -> None:
    session = running(there)
    there.books.spot["USDT"] -= 8.0
    ticks(there, session)
    there.books.now = (there.books.now // (1440 * MINUTE) + 1) * 1440 * MINUTE + MINUTE
    ticks(there, session)
    there.books.spot["USDT"] -= 8.0
    ticks(there, session)
    assert unexplained(there) == pytest.approx(-16.0, abs=1e-9)
    assert told == []
