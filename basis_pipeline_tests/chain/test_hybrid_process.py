"""`basis live` of the hedged modes as an operator meets it: exchanges and a wallet in real time, killed on the way in.

The same exchanges, contracts and configuration as in `test_hybrid.py`; here nothing but the command touches them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.request import urlopen

import pytest

from basis_pipeline.domain.evidence import GateStatus, Source
from basis_pipeline.domain.intents import Fate
from basis_pipeline.live_journal.database import JournalDatabase
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.compare import compare_live
from basis_pipeline.runs.live.record import journal_path
from basis_pipeline_tests.chain.anvil import anvil_in_real_time
from basis_pipeline_tests.chain.bench import KEY, owner
from basis_pipeline_tests.chain.hybrid import Hybrid, hybrid
from basis_pipeline_tests.chain.market import ETH_PRICE, WEETH_RATE, Market
from basis_pipeline_tests.fakes.accounts import KEY as API_KEY
from basis_pipeline_tests.fakes.accounts import SECRET
from basis_pipeline_tests.live.process import PATIENCE_SECONDS, RealTimeExchange, completed_ticks, wait_for
from basis_pipeline_tests.ports import free_port

SIMPLE, LEVERED = "usdt_eth_staking_hedged_simple", "usdt_eth_staking_hedged_leveraged"
LST, COLLATERAL, DEBT = "etherfi:LST:weETH", "aave_v3:aToken:aweETH", "aave_v3:debtToken:debtWETH"
SHORTS = ("binance:Perp:ETHUSDT", "bybit:Perp:ETHUSDT")


class Command:
    """Sessions of one mode, each a process, and what the command says about them."""

    def __init__(self, there: Hybrid, log: Path) -> None:
        self.there, self._log = there, log
        self._running: subprocess.Popen[str] | None = None

    @property
    def said(self) -> str:
        """By all sessions so far: in a file, because nobody empties a pipe while they run."""
        return self._log.read_text(encoding="utf-8")

    def popen(self, *command: str, log: IO[str] | int = subprocess.PIPE) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BASIS_")}
        places = {
            "BASIS_DATA_DIR": str(self.there.workspace.root.path),
            "BASIS_CONFIG_DIR": str(self.there.workspace.config.path),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "basis_pipeline", *command],
            env=kept | self.there.variables | places, stdout=log, stderr=log, text=True,
        )  # fmt: skip

    def start(self, *options: str) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            self._running = self.popen("live", self.there.mode, "--interval", "0.5", *options, log=log)

    def until(self, condition: Callable[[], bool]) -> None:
        assert self._running is not None
        wait_for(condition, self._running)

    def ticks(self, count: int) -> None:
        """Until the session has completed so many more."""
        before = completed_ticks(self.there.path)
        self.until(lambda: completed_ticks(self.there.path) >= before + count)

    def end(self, how: signal.Signals) -> int:
        assert self._running is not None
        self._running.send_signal(how)
        code, self._running = self._running.wait(timeout=PATIENCE_SECONDS), None
        return code

    def answer(self, *command: str) -> str:
        process = self.popen(*command)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, out + err
        return out

    def close(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.wait()


@contextmanager
def command(folder: Path, mode: str) -> Iterator[Command]:
    """100,000 USDT and 0.1 ETH in the wallet of a chain with a block a second; transfers take two seconds."""
    with anvil_in_real_time() as node:
        market = Market(node, owner())
        with hybrid(market, folder, mode, books=RealTimeExchange, delays=(0.7, 1.3)) as there:
            there.path = journal_path(there.workspace, mode, "staging")
            made = Command(there, folder / "said.log")
            try:
                yield made
            finally:
                made.close()


def staked(there: Hybrid) -> float:
    """weETH, wherever it is, asked of the contracts."""
    real = there.really()
    return real[LST] + real[COLLATERAL]


def book_is_venues_and_chain(there: Hybrid) -> None:
    real = there.really()
    for key, position in there.state.positions.items():
        assert position.quantity == pytest.approx(real.get(key, 0.0), rel=1e-7, abs=1e-7), key
    assert there.state.arrivals == ()


def everything_was_done_once(there: Hybrid) -> None:
    """Orders at exchanges, withdrawals and transactions: as many as intents that were executed, each its own."""
    journal = LiveJournal(JournalDatabase.read(there.path), there.clock.wall)
    assert list(journal.open_intents()) == []
    executed = [done.intent for done in journal.settled_after(0) if done.facts.fate is Fate.EXECUTED]
    at_exchanges = [one for made in there.accounts.values() for one in (*made.books.orders, *made.books.withdrawals)]
    placed = [one.client_id for one in at_exchanges]
    assert len(placed) == len(set(placed))
    assert set(placed) <= {intent.intent_id for intent in executed}
    on_chain = [intent for intent in executed if intent.order.venue not in there.accounts]
    assert there.node.chain.nonce(owner()) == len(on_chain)
    assert len(executed) == len(placed) + len(on_chain)


def hedged(there: Hybrid) -> float:
    """ETH beyond the shorts, of everything; Aave's index moves by less than 1e-6 here."""
    real = there.really()
    plain = sum(quantity for key, quantity in real.items() if key.endswith((":ETH", ":ETHUSDT")))
    return plain + staked(there) * WEETH_RATE - real[DEBT]


def record_closes(there: Hybrid) -> None:
    """The published month and the replay tell of the same book, whatever died; only its delta was open meanwhile."""
    results = there.workspace.results
    months = results.months(there.mode, "live-staging")  # two, where one ends meanwhile
    manifests = [results.manifest(there.mode, month, "live-staging") for month in months]
    assert {manifest.source for manifest in manifests} == {Source.LIVE}
    failed = {gate.gate for manifest in manifests for gate in manifest.gates if gate.status is GateStatus.FAILED}
    assert failed <= {"delta_band"}, "between two lives spot was bought and not sold short yet"
    found = compare_live(there.workspace, there.mode, "staging").differences
    assert abs(found.unnamed) < 1e-9
    assert found.live[-1] == there.state.pnl.equity


@pytest.mark.slow
@pytest.mark.parametrize("mode", [SIMPLE, LEVERED])
def test_an_entry_that_is_killed_three_times_is_completed_once(tmp_path: Path, mode: str) -> None:
    """Killed with cash on its way to the exchanges, between its trades, and with ETH on its way to the wallet."""
    with command(tmp_path, mode) as basis:
        there = basis.there
        books = [made.books for made in there.accounts.values()]
        for moment in (
            lambda: there.units(there.market.usdt, there.market.executor) < 90_000 * 10**6,
            lambda: any(made.orders for made in books),
            lambda: any(made.withdrawals for made in books),
        ):
            basis.start()
            basis.until(moment)
            assert basis.end(signal.SIGKILL) == -signal.SIGKILL
        basis.start()
        basis.until(lambda: staked(there) > 1.0)
        basis.ticks(4)
        assert basis.end(signal.SIGTERM) == 0, basis.said
        everything_was_done_once(there)
        book_is_venues_and_chain(there)
        assert abs(hedged(there)) * ETH_PRICE < 0.02 * there.state.pnl.equity
        assert there.state.pnl.equity == pytest.approx(100_000.0 + 0.1 * ETH_PRICE, rel=3e-3), "fees, slippage and gas"
        record_closes(there)
        for secret in (KEY, KEY[2:], API_KEY, SECRET, there.node.url):
            assert secret not in basis.said


@pytest.mark.slow
def test_what_a_hedged_session_did_is_shown_published_and_replayed(tmp_path: Path) -> None:
    with command(tmp_path, SIMPLE) as basis:
        there, port = basis.there, free_port()
        basis.start("--status-port", str(port))
        basis.until(lambda: staked(there) > 1.0)
        basis.ticks(3)
        with urlopen(f"http://127.0.0.1:{port}/status.json") as served:
            status = json.load(served)
        assert (status["record"], status["health"], status["halts"]) == (f"{SIMPLE}@staging", "healthy", {})
        assert {"chain block", "binance ETH/USDT", "bybit ETH/USDT:USDT"} <= status["ages"].keys()
        shorts = [there.really()[key] for key in SHORTS]
        assert [status["positions"][key] for key in SHORTS] == pytest.approx(shorts, rel=1e-12)
        with urlopen(f"http://127.0.0.1:{port}/") as served:
            assert LST in served.read().decode()
        assert basis.end(signal.SIGTERM) == 0, basis.said
        basis.start()
        basis.ticks(4)
        assert basis.end(signal.SIGTERM) == 0, basis.said
        everything_was_done_once(there)
        book_is_venues_and_chain(there)
        assert "adjusted to the venues" not in basis.said
        assert "nothing new; no gate failed" in basis.answer("live", SIMPLE, "--publish")
        results = there.workspace.results
        months = results.months(SIMPLE, "live-staging")
        assert {results.manifest(SIMPLE, month, "live-staging").source for month in months} == {Source.LIVE}
        page = Path(basis.answer("live-compare", SIMPLE).split()[-1])
        assert f"{SIMPLE}: live-staging against its replay" in page.read_text()
