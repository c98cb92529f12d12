"""`basis live` as an operator meets it: one clear refusal each, a graceful stop, and a book that survives SIGKILL."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from basis_pipeline.domain.evidence import Source
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.results.store import ResultsStore
from basis_pipeline_tests.live.process import KEY, SECRET, Drill, drill, wait_for
from basis_pipeline_tests.ports import free_port


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Drill]:
    with drill(tmp_path) as made:
        yield made


def holds_what_the_venue_holds(there: Drill) -> None:
    database = JournalDatabase.read(there.journal)
    state = LiveJournal(database, lambda: 0).last_state()
    assert state is not None
    real = {
        "binance:BaseToken:USDT": there.books.spot["USDT"] + there.books.margin["USDT"],
        "binance:BaseToken:BTC": there.books.spot["BTC"],
        "binance:Perp:BTCUSDT": there.books.perps.get("BTCUSDT", (0.0, 0.0))[0],
    }
    assert {key: state.positions[key].quantity for key in real} == pytest.approx(real, abs=1e-6)
    intended = [entry.key for entry in database.entries(Kind.INTENT)]
    placed = [order.client_id for order in there.books.orders]
    assert len(placed) == len(set(placed)), "an intent was executed twice"
    assert set(placed) <= set(intended)
    database.close()


@pytest.mark.slow
def test_a_session_enters_and_stops_between_orders_when_asked(there: Drill) -> None:
    process = there.start()
    wait_for(lambda: len(there.books.orders) == 2, process)
    there.completes(2, process)
    process.send_signal(signal.SIGTERM)
    code, said = there.finish(process)
    assert code == 0, said
    holds_what_the_venue_holds(there)
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [line["detail"] for line in lines if line["what"] == "stopped"] == ["asked to by SIGTERM"]
    ticks = [line["correlation_id"] for line in lines if line["what"] == "tick"]
    assert len(ticks) >= 2 and len(set(ticks)) == len(ticks)
    assert KEY not in said and SECRET not in said
    assert KEY.encode() not in there.journal.read_bytes() and SECRET.encode() not in there.journal.read_bytes()


@pytest.mark.slow(seconds=25)
@pytest.mark.parametrize("seed", range(4))
def test_sigkill_at_any_moment_loses_nothing_and_doubles_nothing(there: Drill, seed: int) -> None:
    """Each life ends between its first answered request and its third tick; the last one is asked to stop."""
    chance = random.Random(seed)  # noqa: S311
    for _ in range(3):
        before = len(there.server.log)
        process = there.start()
        wait_for(lambda seen=before: len(there.server.log) > seen, process)
        time.sleep(chance.uniform(0.0, 2.0))
        process.kill()
        process.communicate()
    process = there.start()
    wait_for(lambda: "BTCUSDT" in there.books.perps and there.books.spot["BTC"] > 1.0, process)
    there.completes(3, process)
    process.send_signal(signal.SIGTERM)
    code, said = there.finish(process)
    assert code == 0, said
    holds_what_the_venue_holds(there)


@pytest.mark.slow
def test_read_only_records_what_it_would_have_sent(there: Drill) -> None:
    there.variables = {"BASIS_LIVE_TRADING__READ_ONLY": "true"}
    process = there.start()
    there.completes(2, process)
    process.send_signal(signal.SIGINT)
    code, said = there.finish(process)
    assert code == 0, said
    assert "read only: buy" in said and "READ_ONLY=false" in said
    assert there.books.orders == []


@pytest.mark.slow
def test_status_is_read_from_the_journal_while_the_session_runs(there: Drill) -> None:
    port = free_port()
    process = there.start("--status-port", str(port))
    wait_for(lambda: len(there.books.orders) == 2, process)
    there.completes(2, process)
    with urlopen(f"http://127.0.0.1:{port}/status.json") as served:
        assert json.load(served)["record"] == "btc_basis@staging"
    with urlopen(f"http://127.0.0.1:{port}/") as served:
        assert "binance:Perp:BTCUSDT" in served.read().decode()
    command = [sys.executable, "-m", "basis_pipeline", "live", "btc_basis", "--status"]
    answer = subprocess.run(command, env=there.environment(), capture_output=True, text=True, check=True)
    process.send_signal(signal.SIGTERM)
    there.finish(process)
    status = json.loads(answer.stdout)
    assert status["record"] == "btc_basis@staging"
    assert status["positions"]["binance:Perp:BTCUSDT"] == there.books.perps["BTCUSDT"][0]
    assert (status["orders"], status["open_intents"]) == (2, [])


@pytest.mark.slow
def test_a_session_leaves_its_results_beside_the_backtests_when_it_stops(there: Drill) -> None:
    process = there.start()
    wait_for(lambda: len(there.books.orders) == 2, process)
    there.completes(2, process)
    process.send_signal(signal.SIGTERM)
    code, said = there.finish(process)
    assert code == 0, said
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    [told] = [line for line in lines if line["component"] == "results_store"]
    assert told["what"] == "results published", told
    assert "live-staging" in told["detail"] and "no gate failed" in told["detail"]
    results = ResultsStore(there.root / "results")
    months = results.months("btc_basis", "live-staging")  # two, where one ends meanwhile
    assert {results.manifest("btc_basis", month, "live-staging").source for month in months} == {Source.LIVE}
    assert results.report_path("btc_basis", "live-staging").is_file()
    status = json.loads(there.run("--status"))
    assert status["results"]["what"] == "results published"
    page = Path(there.run(command="live-compare").split()[-1])
    assert "btc_basis: live-staging against its replay" in page.read_text()
