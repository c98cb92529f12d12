"""Emergency stops: what calls for one, what it closes and sells, what opens trading again."""

from __future__ import annotations

import msgspec
import pytest
from click.testing import CliRunner

from basis_pipeline.cli.live import live_command
from basis_pipeline.domain.errors import StateError
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.live_journal.halts import EmergencyPolicy, HaltEntry
from basis_pipeline.runs.live.operator import emergency_stop, lift_emergency_stop
from basis_pipeline.runs.live.parts import Alert
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.server import Fault, Reply
from basis_pipeline_tests.live.stage import Stage, holds_what_the_venue_holds
from basis_pipeline_tests.live.ticking import running, ticks
from basis_pipeline_tests.runs.conftest import CONFIGS


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


def test_a_freeze_stops_a_session_that_is_leaving_the_market_between_two_orders(there: Stage) -> None:
    session = running(there)
    emergency_stop(there.path, EmergencyPolicy.EXIT_FULL)

    def freezes_after_the_first_sale(books: FakeExchange) -> None:
        if len(books.orders) == 3:
            there.clock.script = lambda books: None
            emergency_stop(there.path, EmergencyPolicy.FREEZE)

    there.clock.script = freezes_after_the_first_sale
    ticks(there, session, 2)
    assert len(there.books.orders) == 3 and not is_flat(there)
    emergency_stop(there.path, EmergencyPolicy.EXIT_FULL)
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


def test_a_book_that_does_not_get_smaller_is_told_once_until_it_does(there: Stage, told: list[Alert]) -> None:
    """The exchange takes no order of the exit at two ticks."""
    session, no = running(there), Reply(400, {"code": -2010, "msg": "Account has insufficient balance."})
    there.server.faults += [Fault("/api/v3/order", "reply", "before", reply=no) for _ in range(2)]
    emergency_stop(there.path, EmergencyPolicy.EXIT_FULL)
    ticks(there, session, 2)
    assert [alert.what for alert in told] == ["emergency stop", "reduction failed"]
    assert "spot_trade" in told[1].message and "VEN-003" in told[1].message and told[1].remedy
    assert not is_flat(there)
    ticks(there, session)
    assert is_flat(there)
    assert len(told) == 2
    holds_what_the_venue_holds(there)
