"""What closes trading in a session that runs, what it does meanwhile, and what opens it again (R22, R32, domain I3)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from basis_pipeline.cli.live import live_command
from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.records import LIVE_CATEGORIES, Category
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.live_journal.halts import EmergencyPolicy, HaltEntry
from basis_pipeline.runs.live.operator import acknowledge, emergency_stop, lift_emergency_stop
from basis_pipeline.runs.live.parts import Alert
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.server import Fault, Reply
from basis_pipeline_tests.live.stage import MINUTE, Stage, holds_what_the_venue_holds, stage
from basis_pipeline_tests.runs.conftest import CONFIGS


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        yield made


@pytest.fixture
def told(there: Stage) -> list[Alert]:
    """Alerts of every session on the stage."""
    alerts: list[Alert] = []
    there.options = {"tell": alerts.append}
    return alerts


def running(there: Stage, **options: bool) -> LiveSession:
    """A session that has entered, some ticks old."""
    session = there.session(**options)
    session.run(until=there.books.now + 2 * MINUTE)
    return session


def ticks(there: Stage, session: LiveSession, minutes: int = 1) -> None:
    """`run` without its start."""
    for _ in range(minutes):
        session.tick()
        while (again := session.again) is not None:
            there.clock.sleep(again)
            session.tick()
        there.clock.sleep(60.0)


def unexplained(there: Stage) -> float:
    parts = dict(zip(LIVE_CATEGORIES, there.last_state.pnl.attribution, strict=True))
    return parts[Category.UNEXPLAINED]


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


def without_its_short(there: Stage) -> None:
    """The order for the short is refused: spot alone, 66% of the book."""
    there.server.faults += [Fault("/fapi/v1/order", "reply", "before", reply=Reply(400, {"code": -2019, "msg": "no"}))]


def test_the_loss_limit_freezes_the_session_until_somebody_lifts_it(there: Stage, told: list[Alert]) -> None:
    """Spot without its short loses a tenth of 66,500 when the price does: 6.6% of the book."""
    there.options["stop_loss"] = 0.05
    session = there.session()
    session.start()
    without_its_short(there)
    ticks(there, session)
    there.books.set_price("BTC", 45_000.0)
    ticks(there, session, 2)
    assert len(there.books.orders) == 1, "the short is not sent any more"
    assert [alert.what for alert in told] == ["emergency stop"]
    assert "LIVE-004" in told[0].message and "lost 6." in told[0].message
    session = running(there)
    assert len(there.books.orders) == 1, "a restart lifts nothing"
    lift_emergency_stop(there.path)
    ticks(there, session)
    assert len(there.books.orders) == 1, "beyond the limit it stops again at once"
    there.options["stop_loss"] = 0.15
    session = running(there)
    lift_emergency_stop(there.path)
    ticks(there, session)
    assert len(there.books.orders) > 1
    holds_what_the_venue_holds(there)


def test_an_operator_freezes_a_session_that_has_to_trade(there: Stage, told: list[Alert]) -> None:
    session = there.session()
    session.start()
    emergency_stop(there.path)
    ticks(there, session, 2)
    assert there.books.orders == []
    assert session.engine is not None and session.engine.get_status().health.overall_status == "critical"
    assert [alert.what for alert in told] == ["emergency stop"]
    lift_emergency_stop(there.path)
    ticks(there, session)
    assert len(there.books.orders) == 2
    with pytest.raises(StateError, match="LIVE-005"):
        lift_emergency_stop(there.path)


def is_flat(there: Stage) -> bool:
    short = there.books.perps.get("BTCUSDT", (0.0, 0.0))[0]
    return short == 0.0 and there.books.spot["BTC"] < 0.001


def test_leaving_sells_everything_then_freezes_also_over_a_restart(there: Stage) -> None:
    session = running(there)
    emergency_stop(there.path, EmergencyPolicy.EXIT_FULL)
    ticks(there, session, 2)
    assert is_flat(there)
    holds_what_the_venue_holds(there)
    traded = len(there.books.orders)
    session = running(there)
    assert session.engine is not None and session.engine.get_status().health.overall_status == "critical"
    assert len(there.books.orders) == traded
    lift_emergency_stop(there.path)
    ticks(there, session)
    assert there.books.perps["BTCUSDT"][0] < -1.2, "lifted, it enters again"
    holds_what_the_venue_holds(there)


def test_a_stop_in_the_middle_of_a_plan_ends_it_and_leaves_what_was_entered(there: Stage) -> None:
    session = there.session()
    session.start()

    def stops_after_the_first_order(books: FakeExchange) -> None:
        if len(books.orders) == 1:
            there.clock.script = lambda books: None
            emergency_stop(there.path, EmergencyPolicy.EXIT_FULL)

    there.clock.script = stops_after_the_first_order
    session.tick()
    assert len(there.books.orders) == 1
    assert there.books.spot["BTC"] > 1.3 and "BTCUSDT" not in there.books.perps
    ticks(there, session, 2)
    assert is_flat(there)
    holds_what_the_venue_holds(there)


def test_a_session_that_dies_while_leaving_goes_on_leaving(there: Stage) -> None:
    running(there)
    emergency_stop(there.path, EmergencyPolicy.EXIT_FULL)
    session = there.session()
    session.start()

    def dies_after_one_order(books: FakeExchange) -> None:
        if len(books.orders) == 3:
            session.stop("killed")

    there.clock.script = dies_after_one_order
    session.tick()
    there.clock.script = lambda books: None
    assert len(there.books.orders) == 3
    running(there)
    assert is_flat(there)
    holds_what_the_venue_holds(there)


def test_a_stop_before_the_first_session_is_heeded_by_it(there: Stage) -> None:
    running(there)
    emergency_stop(there.path)
    there.books.set_price("BTC", 65_000.0)
    assert there.books.now > START
    running(there)
    assert len(there.books.orders) == 2


@pytest.mark.parametrize(
    ("arguments", "policy"), [((), ""), (("freeze",), "freeze"), (("exit_full",), "exit_full")], ids=str
)
def test_the_command_takes_the_words_of_the_configuration(
    there: Stage, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], policy: str
) -> None:
    running(there)
    root = there.path.parent / "root"
    (root / "live" / "dev").mkdir(parents=True)
    (root / "live" / "dev" / "btc_basis.sqlite").symlink_to(there.path)
    monkeypatch.delenv("BASIS_ENVIRONMENT", raising=False)
    workspace = Workspace(root, CONFIGS)
    done = CliRunner().invoke(live_command, ["btc_basis", "--emergency-stop", *arguments], obj=workspace)
    assert done.exit_code == 0, done.output
    entry = msgspec.json.decode(there.entries(Kind.HALT)[-1].payload, type=HaltEntry)
    assert (entry.active, entry.policy) == (True, policy)
