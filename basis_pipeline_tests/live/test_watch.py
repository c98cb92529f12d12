"""What people and machines are told about a session: alerts, health, delays, the status page (R61, R62, R87, J1)."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec
import pytest
import yaml

from basis_pipeline.defs.live_watch import observation
from basis_pipeline.domain.errors import SystemFailure
from basis_pipeline.domain.secret import Secret
from basis_pipeline.domain.timings import Timing
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.live_journal.journal import Action
from basis_pipeline.live_journal.pulse import OrderDelays
from basis_pipeline.runs.live.alerts import alerting, tell_failure
from basis_pipeline.runs.live.hearing import Hearing
from basis_pipeline.runs.live.log import LiveLog
from basis_pipeline.runs.live.operator import emergency_stop
from basis_pipeline.runs.live.page import status_page, status_server
from basis_pipeline.runs.live.parts import Alert
from basis_pipeline.runs.live.status import heartbeat, live_status
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.fakes.server import Fault, Reply
from basis_pipeline_tests.live.stage import MINUTE, Stage, stage
from basis_pipeline_tests.runs.conftest import CONFIGS
from basis_pipeline_tests.runs.post_offices import Webhook, serving

FOR_EVER = 1e12
"""Seconds of patience: market time of a stage is long ago."""


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    server = Webhook()
    monkeypatch.setenv("BASIS_NOTIFY_WEBHOOK_URL", server.url("/hidden-path"))
    with serving(server):
        yield server


def workspace(folder: Path) -> Workspace:
    shutil.copytree(CONFIGS, folder / "configs")
    (folder / "configs" / "notifications.yaml").write_text(yaml.safe_dump({"channels": [{"kind": "webhook"}]}))
    return Workspace(folder / "root", folder / "configs")


def test_a_large_difference_arrives_at_a_webhook(there: Stage, webhook: Webhook, tmp_path: Path) -> None:
    with alerting(workspace(tmp_path / "home"), "live btc_basis@dev", lambda action: None) as tell:
        there.options = {"tell": tell}
        session = there.session()
        session.run(until=START + 2 * MINUTE)
        there.books.spot["USDT"] -= 5_000.0
        for _ in range(4):
            session.tick()
            there.clock.sleep(1.0)
    assert [body["what"] for _, body in webhook.taken] == ["large difference"]
    assert "live btc_basis@dev alert: large difference" in webhook.taken[0][1]["text"]
    assert "worth 5,000.00 USDT" in webhook.taken[0][1]["text"]


def test_an_alert_that_is_not_delivered_is_said_in_the_log_and_stops_nothing(webhook: Webhook, tmp_path: Path) -> None:
    said: list[Action] = []
    webhook.answers += [400]
    with alerting(workspace(tmp_path), "live btc_basis@dev", said.append) as tell:
        tell(Alert("not trading", "nothing was traded."))
        tell(Alert("unexplained", "2 bp."))
    assert [action.what for action in said] == ["not delivered"]
    assert "answered 400" in said[0].detail and "hidden-path" not in said[0].detail
    assert [body["what"] for _, body in webhook.taken] == ["unexplained"]


def test_a_session_that_failed_is_told(webhook: Webhook, tmp_path: Path) -> None:
    failure = SystemFailure("no tick for 300 s")
    assert tell_failure(workspace(tmp_path), "live btc_basis@dev", failure, remedy="start it again.") == ""
    assert "no tick for 300 s" in webhook.taken[0][1]["text"]


def test_the_delays_of_an_order_are_those_of_the_clock(there: Stage) -> None:
    """The first order fills at the third question: after 0 + 1 + 2 seconds of market time."""
    there.books.late_polls.append(3)
    session = there.session()
    session.start()
    session.tick()
    found = [msgspec.json.decode(entry.payload, type=OrderDelays) for entry in there.entries(Kind.DELAYS)]
    first, second = found
    assert (first.decided, first.sent, first.acknowledged) == (START, START, START)
    assert first.settled == START + 3_000_000 and first.reconciled == START + 3_000_000
    assert first.executed is not None and START <= first.executed <= START + 3_000_000
    assert second.sent == START + 3_000_000 and second.decided == START, "one plan, one decision"
    delays = live_status(there.path).delays
    assert delays["sent to settled"] == Timing(2, 3.0, 3.0, median=0.0, p95=3.0, budget=0.5, over=1)
    assert delays["sent to reconciled"] == Timing(2, 3.0, 3.0, median=0.0, p95=3.0, budget=0.8, over=1)
    assert delays["decided to reconciled"] == Timing(2, 6.0, 3.0, median=3.0, p95=3.0, budget=None, over=None)
    page = status_page(live_status(there.path))
    for row in (
        ("sent to settled", "0.000", "3.000", "3.000", "2", "0.5", "1"),
        ("decided to reconciled", "3.000", "3.000", "3.000", "2", "none", "–"),
    ):
        assert "<tr><td>" + '<td class="n">'.join(row) in page


def logged(there: Stage) -> list[dict[str, object]]:
    """Log lines of a session that enters."""
    stream = io.StringIO()
    log = LiveLog(stream, "cafe", [Secret("50000")])
    there.options = {"log": log, "hearing": Hearing(log)}
    there.session().run(until=START + 2 * MINUTE)
    assert "50000" not in stream.getvalue()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_component_says_what_it_did_in_every_tick(there: Stage) -> None:
    lines = logged(there)
    first = [line for line in lines if line["correlation_id"] == "cafe.0"]
    said = {str(line["component"]) for line in first}
    assert said >= {
        "position_update_handler", "exposure_monitor", "risk_monitor", "pnl_monitor", "strategy_manager", "comparison",
        "execution_manager", "journal", "venue binance", "session",
    }  # fmt: skip
    asked = {str(line["what"]) for line in first if line["component"] == "venue binance"}
    assert asked >= {"prices", "balances", "perps", "place", "find", "fills"}
    assert all("seconds" in line for line in first if line["component"] == "venue binance")
    orders = [line for line in first if line["what"] == "order success"]
    assert len(orders) == 2 and all("sent to settled" in line["phases"] for line in orders)  # type: ignore[operator]
    ticks = [line for line in lines if line["what"] == "tick"]
    assert len({line["correlation_id"] for line in ticks}) == len(ticks) == 2
    assert set(ticks[0]["phases"]) == {"observe", "compare", "decide", "execute", "persist"}  # type: ignore[call-overload]


def test_the_status_says_how_old_each_price_was_at_the_last_tick(there: Stage) -> None:
    """Spot says that it is 45 s old, which the age limit of 120 s lets pass."""
    session = there.session()
    session.start()
    now = there.books.now // 1_000
    old = {"symbol": "BTCUSDT", "lastPrice": "50000", "openPrice": "50000", "highPrice": "50000", "lowPrice": "50000",
           "volume": "1", "quoteVolume": "1", "openTime": now - 86_400_000, "closeTime": now - 45_000}  # fmt: skip
    there.server.faults += [Fault("/api/v3/ticker/24hr", "reply", "before", method="GET", reply=Reply(200, old))]
    session.tick()
    status = live_status(there.path)
    assert status.ages == {"binance BTC/USDT": 45.0, "binance BTC/USDT:USDT": 0.0}
    assert "<td>binance BTC/USDT<td>45.0 s" in status_page(status)


@pytest.mark.parametrize(("most", "told"), [(2, ["many orders"]), (3, [])])
def test_a_tick_with_many_orders_is_pointed_out(there: Stage, most: int, told: list[str]) -> None:
    """Entering takes two orders."""
    lines: list[Action] = []
    there.options = {"many_orders": most, "log": lines.append}
    there.session().run(until=START + 2 * MINUTE)
    found = [line for line in lines if line.what == "many orders"]
    assert [line.what for line in found] == told
    assert all((line.level, line.detail) == ("warning", "2 in one tick") for line in found)


def test_the_status_has_health_halts_delays_and_the_equity_line(there: Stage) -> None:
    hearing = Hearing(lambda action: None)
    there.options = {"hearing": hearing}
    session = there.session()
    session.run(until=START + 3 * MINUTE)
    status = live_status(there.path)
    assert (status.health, status.halts, status.skipped_ticks) == ("healthy", {}, 0)
    names = {one.component for one in status.components}
    assert names >= {"comparison", "clock", "disk", "emergency_stop", "venue binance", "data_provider"}
    assert len(status.equity_line) == 3
    assert status.equity_line[-1][1] == pytest.approx(there.last_state.pnl.equity)
    emergency_stop(there.path)
    there.books.set_price("BTC", 51_000.0)
    session.tick()
    status = live_status(there.path)
    assert status.health == "critical" and "asked for by an operator" in status.halts["emergency"]
    assert [alert.what for alert in status.alerts] == ["emergency stop"], "events are no alerts"
    page = status_page(status)
    assert "critical; emergency: asked for by an operator" in page and "<polyline" in page
    assert "http" not in page.replace("http-equiv", ""), "it needs nothing from elsewhere"


def test_a_session_that_has_not_reached_its_venues_says_nothing_about_equity(there: Stage) -> None:
    there.session()
    status = live_status(there.path)
    assert status.equity is None and status.drawdown is None
    assert "equity" not in status_page(status).partition("<h2>")[0]
    assert not {"equity", "drawdown (%)"} & set(observation(status, 0, "http://127.0.0.1/"))


def test_health_is_an_answer_for_machines(there: Stage) -> None:
    there.session().run(until=START + MINUTE)
    assert heartbeat(there.path, patience=FOR_EVER).healthy
    assert not heartbeat(there.path, patience=60.0).healthy, "the last tick was long ago"
    with status_server(there.path, 0) as url, pytest.raises(HTTPError) as answer:
        urlopen(f"{url}/health")  # noqa: S310
    assert answer.value.code == 503
    assert json.loads(answer.value.read())["health"] == "healthy"
    answer.value.close()
    emergency_stop(there.path)
    session = there.session()
    session.start()
    session.tick()
    assert not heartbeat(there.path, patience=FOR_EVER).healthy


def test_credentials_that_are_refused_are_told_once_and_again_after_they_were_renewed(tmp_path: Path) -> None:
    """At Bybit: the client of Binance takes a key that worked before for one that is banned for a moment."""
    told: list[Alert] = []
    with stage(tmp_path, "bybit") as there:
        there.options = {"tell": told.append, "hearing": Hearing(lambda action: None), "heartbeat": 1e6}
        session = there.session()
        session.start()
        for _ in range(2):
            there.account.skin.expired = True
            session.tick()
            session.tick()
            assert session.engine is not None and not session.engine.health.may_execute
            there.account.skin.expired = False
            session.tick()
            assert session.engine.health.may_execute
        assert [alert.what for alert in told] == ["credentials refused"] * 2


def test_a_venue_is_degraded_after_five_silent_questions_in_a_row_and_unhealthy_after_ten(there: Stage) -> None:
    hearing = Hearing(lambda action: None)
    there.options = {"hearing": hearing, "heartbeat": 1e6}
    session = there.session()
    session.start()
    states = []
    for _ in range(11):
        there.server.faults.append(Fault("/ticker/24hr", "reset", "before", method="GET"))
        session.tick()
        assert session.engine is not None
        states.append(str(session.engine.health.health_of("venue binance").state))
    assert states == ["healthy"] * 5 + ["degraded"] * 5 + ["unhealthy"]
    session.tick()
    assert session.engine.health.health_of("venue binance").errors == 0


def test_trading_that_stays_closed_is_told_once(there: Stage) -> None:
    told: list[Alert] = []
    there.options = {"tell": told.append, "room": lambda: 1e6}
    session = there.session()
    session.start()
    for _ in range(8):
        session.tick()
        there.clock.sleep(60.0)
    assert [alert.what for alert in told] == ["not trading"]
    assert "1 MB are free for the journal" in told[0].message
    assert there.books.orders == []


def test_a_refused_order_is_an_answer_of_its_venue(there: Stage) -> None:
    there.options = {"hearing": Hearing(lambda action: None)}
    refusal = Reply(400, {"code": -2010, "msg": "no"})
    there.server.faults += [Fault("/api/v3/order", "reply", "before", reply=refusal)]
    session = there.session()
    session.start()
    session.tick()
    assert session.engine is not None
    assert session.engine.health.health_of("venue binance").errors == 0


def test_a_system_failure_is_the_last_word_of_log_and_journal_and_closes_the_gate(there: Stage) -> None:
    """R39, R40: it passes every `except Exception`, after the short was refused an answer for good."""
    said: list[Action] = []
    there.options = {"log": said.append}
    there.server.faults.append(Fault("/order", "reset", "after"))
    there.server.faults += [Fault("/order", "reset", "before", method="GET")] * 80
    session = there.session()
    with pytest.raises(SystemFailure) as failed, suppress(Exception):
        session.run(until=START + 10 * MINUTE)
    assert session.engine is not None
    assert session.engine.get_status().health.overall_status == "critical"
    assert (said[-1].what, said[-1].level) == ("system failure", "critical")
    assert failed.value.reason in said[-1].detail
    assert live_status(there.path).recent[0].what == "system failure"
    assert there.books.now - START <= 130 * 1_000_000, "within two minutes and a question"
