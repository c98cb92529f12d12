"""Live results are months beside those of backtests, made of the journal alone, whatever became of the session."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import ConfigError, StateError, SystemFailure
from basis_pipeline.domain.evidence import GateStatus, Source
from basis_pipeline.domain.timings import Phase
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.results.store import broken_months
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.live.publishing import PublishingProcess
from basis_pipeline.runs.live.record import journal_path
from basis_pipeline.runs.live.results import publish_live, publish_results
from basis_pipeline.runs.queries import query
from basis_pipeline.runs.reports import write_reports
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.digests import table_digest
from basis_pipeline_tests.builders import CONFIGS, START
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.server import Fault
from basis_pipeline_tests.live.faults import KilledError, dying
from basis_pipeline_tests.live.stage import MINUTE, Stage, stage
from basis_pipeline_tests.live.test_record import tables

MODE, RECORD = "btc_basis", "live-dev"
JANUARY_ENDS = START + 31 * 1_440 * MINUTE


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        made.path = journal_path(workspace(tmp_path), MODE, "dev")
        yield made


def workspace(folder: Path) -> Workspace:
    return Workspace(folder / "root", CONFIGS)


def lives_into_february(there: Stage) -> None:
    there.books.now = JANUARY_ENDS - 3 * MINUTE
    there.session().run(until=JANUARY_ENDS)
    there.books.pay_funding("BTCUSDT", 0.0001)
    there.session().run(until=JANUARY_ENDS + 4 * MINUTE)


def test_a_session_over_the_end_of_a_month_is_two_months_of_one_record(there: Stage, tmp_path: Path) -> None:
    lives_into_february(there)
    january, february = publish_live(workspace(tmp_path), MODE, "dev", now=there.books.now)
    assert [(m.manifest.month, m.manifest.complete) for m in (january, february)] == [
        ("2024-01", True),
        ("2024-02", False),
    ]
    assert january.manifest.source is february.manifest.source is Source.LIVE
    assert january.manifest.timings[Phase.ORDER].budget == 0.8, "that of an order at an exchange"
    assert february.manifest.predecessor == january.generation
    assert broken_months([january, february]) == []
    assert {gate.status for m in (january, february) for gate in m.manifest.gates} == {GateStatus.PASSED}
    results, whole = workspace(tmp_path).results, tables(there)
    for name, table in whole.items():
        parts = [results.read_month(MODE, month, name, RECORD) for month in ("2024-01", "2024-02")]
        assert sum(part.num_rows for part in parts) == table.num_rows, name
        assert parts[0].column_names == [*table.column_names, "as_of", "wall_time"]
        same = parts[0].drop_columns(["as_of", "wall_time"])
        assert table_digest(same) == table_digest(table.slice(0, parts[0].num_rows))
    assert publish_live(workspace(tmp_path), MODE, "dev", now=there.books.now) == [], "nothing is new"
    assert results.modes() == [], "the standing record is not touched"


def test_sql_tells_live_from_backtest_and_mixes_them_nowhere_unasked(there: Stage, tmp_path: Path) -> None:
    lives_into_february(there)
    publish_live(workspace(tmp_path), MODE, "dev", now=there.books.now)
    root = workspace(tmp_path)
    [counted] = query(
        root, "select distinct source, count(wall_time) as timed from experiments.orders group by 1"
    ).to_pylist()
    assert counted == {"source": "live", "timed": 2}
    [answer] = query(root, f"select count(*) as n from equity('{MODE}', experiment := '{RECORD}')").to_pylist()
    assert answer["n"] == 3 + 4
    assert query(root, "from timesteps").num_rows == query(root, "from months").num_rows == 0
    with pytest.raises(ConfigError, match="nothing is published for btc_basis in the standing record"):
        query(root, f"from equity('{MODE}')")
    page = write_reports(root, MODE, RECORD).read_text()
    assert f"live record {RECORD}" in page and "prices as the session saw them" in page
    assert ">Live<" in root.results.overview_path.read_text()


def test_a_killed_session_is_published_from_its_journal(there: Stage, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        there.session(database=dying(20, after=False)).run(until=START + 9 * MINUTE)
    [month] = publish_live(workspace(tmp_path), MODE, "dev", now=there.books.now)
    assert not month.manifest.complete
    orders = workspace(tmp_path).results.read_month(MODE, "2024-01", "orders", RECORD)
    assert orders["status"].to_pylist() == ["success", "success"]


def test_an_order_without_a_fate_fails_its_gate_until_it_is_known(there: Stage, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        there.session(database=dying(10, after=False)).run(until=START + 9 * MINUTE)
    later = there.books.now + 11 * MINUTE
    [month] = publish_live(workspace(tmp_path), MODE, "dev", now=later)
    assert [gate.gate for gate in month.manifest.gates if gate.status is GateStatus.FAILED] == ["live_open_intents"]
    there.books.now += MINUTE
    there.session().run(until=there.books.now + 2 * MINUTE)
    [month] = publish_live(workspace(tmp_path), MODE, "dev", now=later)
    assert GateStatus.FAILED not in {gate.status for gate in month.manifest.gates}


def test_a_month_that_a_gate_refuses_is_published_and_says_so(there: Stage, tmp_path: Path) -> None:
    """15 of 99,874 USDT are 1.5 bp: within the drift that a start adjusts, beyond what may stay unexplained."""
    there.session().run(until=START + 2 * MINUTE)
    there.books.spot["USDT"] -= 15.0
    there.session().run(until=START + 4 * MINUTE)
    done = publish_results(workspace(tmp_path), MODE, "dev")
    assert done.failed == ["2024-01 live_unexplained"]
    [month] = done.months
    found = {gate.gate: gate for gate in month.manifest.gates}
    assert found["live_unexplained"].value == pytest.approx(15.0 / 99_873.56, rel=1e-3)
    assert found["live_comparisons"].status is GateStatus.WARNED
    assert "live_unexplained failed in 2024-01" in done.page.read_text()


def test_a_journal_that_was_begun_anew_leaves_the_record_of_the_other_alone(there: Stage, tmp_path: Path) -> None:
    there.session().run(until=START + 2 * MINUTE)
    first = publish_results(workspace(tmp_path), MODE, "dev")
    there.path.unlink()
    for leftover in there.path.parent.glob("*.sqlite-*"):
        leftover.unlink()
    there.books.perps.clear()
    there.books.spot["BTC"] = 0.0
    there.session().run(until=there.books.now + 2 * MINUTE)
    second = publish_results(workspace(tmp_path), MODE, "dev")
    journal = LiveJournal.read(there.path, lambda: 0)
    assert (first.record, second.record) == (RECORD, f"{RECORD}-{journal.identity}")
    assert workspace(tmp_path).results.experiments() == [RECORD, second.record]


def test_no_experiment_can_take_the_name_of_a_live_record(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'live-prod' cannot be the name of a backtest record"):
        plan_backtest(workspace(tmp_path), MODE, first="2024-01", last="2024-01", experiment="live-prod")


def test_without_a_completed_tick_there_is_nothing_to_publish(there: Stage, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        there.session(database=dying(3, after=False)).start()
    with pytest.raises(StateError, match="has no completed tick"):
        publish_live(workspace(tmp_path), MODE, "dev")


HOUR = 60 * MINUTE


def actions(there: Stage) -> list[str]:
    database = JournalDatabase.read(there.path)
    return [entry.payload.decode() for entry in database.entries(Kind.ACTION) if entry.key == "results_store"]


def test_trading_goes_on_whatever_becomes_of_the_results(there: Stage) -> None:
    process = PublishingProcess((sys.executable, "-c", "raise OSError('the disk is full')"), {}, every=3_600.0)
    there.options = {"results": process}
    there.books.now = START + HOUR - MINUTE
    there.session().run(until=START + HOUR + 3 * MINUTE)
    assert len(there.entries(Kind.TICK)) == 5
    told = actions(there)
    assert told and all("results not published" in line and "the disk is full" in line for line in told)


def test_results_are_published_once_in_every_period_and_at_the_end(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    process = PublishingProcess(
        (sys.executable, "-c", f"open({str(mark)!r}, 'a').write('x'); print('done')"), {}, every=3_600.0
    )
    said = [*process.due(START + 5), *process.due(START + 6)]
    assert said == [] and not mark.exists(), "the period in which it begins is not over"
    assert list(process.due(START + HOUR)) == []
    deadline = time.monotonic() + 300.0
    while not (said := list(process.due(START + HOUR + 1))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [(action.what, action.detail) for action in said] == [("results published", "done")]
    assert list(process.due(START + HOUR + 2)) == []
    assert [action.what for action in process.finished()] == ["results published"]
    assert mark.read_text() == "xx"


def test_a_machine_that_starts_no_process_is_an_action_and_no_error(tmp_path: Path) -> None:
    process = PublishingProcess((str(tmp_path / "nothing"),), {}, every=0.0)
    assert [action.what for action in process.finished()] == ["results not published"]


def test_a_session_that_fails_leaves_its_results_without_waiting_for_them(there: Stage, tmp_path: Path) -> None:
    """The process ends only when the test lets it: a session that waited for it would never end."""
    go, mark = tmp_path / "go", tmp_path / "mark"
    waits = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\nopen({str(mark)!r}, 'w')"
    process = PublishingProcess((sys.executable, "-c", waits), {}, every=3_600.0)
    there.options = {"results": process, "heartbeat": 120.0}

    def falls_silent(books: FakeExchange) -> None:
        if books.now > START + 2 * MINUTE and not there.server.faults:
            there.server.faults.append(Fault("/ticker/24hr", "reset", "before", method="GET"))

    there.clock.script = falls_silent
    with pytest.raises(SystemFailure, match="no tick was completed"):
        there.session().run(until=START + 30 * MINUTE)
    assert not mark.exists()
    assert "results left to a process of their own" in actions(there)[-1]
    go.touch()
    ended(process)
    assert mark.exists()


def test_a_session_that_is_refused_leaves_its_results_too(there: Stage, tmp_path: Path) -> None:
    there.session().run(until=START + 2 * MINUTE)
    there.books.spot["USDT"] -= 5_000.0
    mark = tmp_path / "mark"
    process = PublishingProcess((sys.executable, "-c", f"open({str(mark)!r}, 'w')"), {}, every=3_600.0)
    there.options = {"results": process}
    with pytest.raises(StateError, match="LIVE-001"):
        there.session().run(until=START + 4 * MINUTE)
    ended(process)
    assert mark.exists()


def test_a_failure_is_told_also_where_no_process_can_be_started(there: Stage, tmp_path: Path) -> None:
    there.session().run(until=START + 2 * MINUTE)
    there.books.spot["USDT"] -= 5_000.0
    there.options = {"results": PublishingProcess((str(tmp_path / "nothing"),), {}, every=0.0)}
    with pytest.raises(StateError, match="LIVE-001"):
        there.session().run(until=START + 4 * MINUTE)
    assert "no process can be started" in actions(there)[-1]


def ended(process: PublishingProcess) -> None:
    """Until what was begun has ended."""
    deadline = time.monotonic() + 300.0
    while not list(process.due(START)):
        assert time.monotonic() < deadline, "it goes on"
        time.sleep(0.02)
