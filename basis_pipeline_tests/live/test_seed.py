"""A live record that begins where a backtest ended: the real command, from `basis backtest` to the venue (R49)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline.domain.state import EngineState
from basis_pipeline.live_journal.database import JournalDatabase
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.builders import CONFIGS
from basis_pipeline_tests.live.process import ON_ONE_VENUE, Drill, drill
from basis_pipeline_tests.live.stage import mode_at
from basis_pipeline_tests.live.week import sample

pytestmark = pytest.mark.slow
CASH, SPOT, PERP = (f"binance:{key}" for key in ("BaseToken:USDT", "BaseToken:BTC", "Perp:BTCUSDT"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sample data with March 2024 lived in a backtest, everything at Binance."""
    folder = tmp_path_factory.mktemp("seed")
    sample(folder)
    with drill(folder / "root") as there:
        command = ("backtest", "btc_basis", "--from", "2024-03", "--to", "2024-03", "--experiment", "seed")
        made = subprocess.run(
            [sys.executable, "-m", "basis_pipeline", *command, *ON_ONE_VENUE],
            env=there.environment() | {"BASIS_EXECUTION_MODE": "backtest"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    return folder / "root"


@pytest.fixture(scope="module")
def end(root: Path) -> EngineState:
    workspace = Workspace(root, CONFIGS)
    return workspace.results.checkpoint("btc_basis", "2024-03", "seed")


@pytest.fixture
def there(root: Path, end: EngineState) -> Iterator[Drill]:
    """The venue holds, at the last prices of the backtest, exactly what the backtest ended with."""
    with drill(root) as made:
        for file in made.journal.parent.glob("*"):
            file.unlink()
        assert end.market is not None
        slot = mode_at("binance").settings.universe.slot
        spot, perp = made.books.markets
        spot.price = spot.mark = end.market.last[slot(SPOT)]
        perp.price, perp.mark = end.market.last[slot(PERP)], end.market.mark[slot(PERP)]
        made.books.spot |= {"USDT": 0.0, "BTC": end.positions[SPOT].quantity}
        made.books.margin["USDT"] = end.positions[CASH].quantity
        short = end.positions[PERP]
        made.books.perps["BTCUSDT"] = (short.quantity, short.entry_price)
        yield made


def last_state(there: Drill) -> EngineState:
    database = JournalDatabase.read(there.journal)
    state = LiveJournal(database, lambda: 0).last_state()
    database.close()
    assert state is not None
    return state


def lives(there: Drill, *options: str) -> tuple[int, str]:
    """Until a few ticks are done, then asked to stop."""
    process = there.start("--seed-from-backtest", "seed", *options)
    there.completes(3, process)
    process.terminate()
    return there.finish(process)


def test_a_session_goes_on_where_the_backtest_ended_without_a_jump(there: Drill, end: EngineState) -> None:
    code, said = lives(there)
    assert code == 0, said
    state = last_state(there)
    assert state.timestamp > end.timestamp and state.operation_id == end.operation_id
    assert state.pnl.equity == pytest.approx(end.pnl.equity, abs=0.01)
    assert {key: position.quantity for key, position in state.positions.items()} == pytest.approx(
        {key: position.quantity for key, position in end.positions.items()}, abs=1e-6
    )
    assert state.positions[PERP].entry_price == end.positions[PERP].entry_price
    assert there.books.orders == []


def test_a_venue_that_holds_something_else_is_refused_until_an_operator_has_looked(
    there: Drill, end: EngineState
) -> None:
    """A tenth of a bitcoin is missing: about 6% of the book. Taken as it is, it is lost, and nothing else."""
    there.books.spot["BTC"] -= 0.1
    code, said = there.finish(there.start("--seed-from-backtest", "seed"))
    assert code == 1
    assert "LIVE-001" in said and SPOT in said and "--acknowledge" in said
    assert there.books.orders == []
    code, said = lives(there, "--acknowledge")
    assert code == 0, said
    state = last_state(there)
    assert state.positions[SPOT].quantity == pytest.approx(there.books.spot["BTC"], abs=1e-6)
    lost = 0.1 * there.books.markets[0].price
    traded = sum(
        trade.fee * (1.0 if trade.fee_token == "USDT" else trade.price)
        + trade.quantity * abs(trade.price - order.market.price)
        for order in there.books.orders
        for trade in order.trades
    )
    assert state.pnl.equity == pytest.approx(end.pnl.equity - lost - traded, abs=1.0)


def test_a_seed_of_another_configuration_is_refused_in_one_line(there: Drill) -> None:
    code, said = there.finish(there.start("--seed-from-backtest", "seed", "--set", "initial_capital=50000"))
    assert code == 1 and "Remedy" in said
    assert len([line for line in said.splitlines() if line.startswith("error")]) == 1
    assert "Traceback" not in said and there.books.orders == []


def test_a_seed_that_is_not_there_is_refused_with_the_command_that_makes_it(there: Drill) -> None:
    code, said = there.finish(there.start("--seed-from-backtest", "other"))
    assert code == 1 and "basis backtest btc_basis --experiment other" in said
    assert there.server.log == []
