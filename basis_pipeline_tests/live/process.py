"""`basis live` as a process of its own, against a fake exchange that lives in real time."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from basis_pipeline.domain.errors import BasisError
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline_tests.fakes.binance import BinanceSkin
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.server import FakeServer

KEY, SECRET = "K3y-of-a-drill-0123456789", "S3cret-of-a-drill-9876543210"
PATIENCE_SECONDS = 600.0
"""For anything that a process does: a busy machine is no reason to fail."""
ON_ONE_VENUE = ("--set", "reserve_fraction=0", "--set", "strategy.hedge_allocation={binance: 1.0}")


class RealTimeExchange(FakeExchange):
    """Books whose time is the clock's."""

    @property
    def now(self) -> int:
        return time.time_ns() // 1_000

    @now.setter
    def now(self, _: int) -> None:
        return


@dataclass
class Drill:
    """One account and the sessions that are started on it."""

    books: FakeExchange
    server: FakeServer
    root: Path
    variables: dict[str, str] = field(default_factory=dict)
    without: frozenset[str] = frozenset()

    @property
    def journal(self) -> Path:
        return self.root / "live" / "staging" / "btc_basis.sqlite"

    def completes(self, ticks: int, process: subprocess.Popen[str]) -> None:
        """Wait until `process` has completed so many more."""
        before = completed_ticks(self.journal)
        wait_for(lambda: completed_ticks(self.journal) >= before + ticks, process)

    def environment(self) -> dict[str, str]:
        ours = {name for name in os.environ if name.startswith("BASIS_") and not name.startswith("BASIS_NOTIFY_")}
        kept = {name: value for name, value in os.environ.items() if name not in ours}
        keys = {f"BASIS_STAGING__CEX__BINANCE_{wallet}_API_KEY": KEY for wallet in ("SPOT", "FUTURES")}
        codes = {f"BASIS_STAGING__CEX__BINANCE_{wallet}_SECRET": SECRET for wallet in ("SPOT", "FUTURES")}
        given = kept | keys | codes | {
            "BASIS_DATA_DIR": str(self.root),
            "BASIS_ENVIRONMENT": "staging",
            "BASIS_EXECUTION_MODE": "live",
            "BASIS_LIVE_TRADING__ENABLED": "true",
            "BASIS_LIVE_TRADING__READ_ONLY": "false",
            "BASIS_LIVE_TRADING__MAX_TRADE_SIZE_USD": "1000000",
            "BASIS_LIVE_TRADING__ENDPOINT_BINANCE": self.server.url,
        } | self.variables  # fmt: skip
        return {name: value for name, value in given.items() if name not in self.without}

    def start(self, *options: str, mode: str = "btc_basis") -> subprocess.Popen[str]:
        """A session with a tick every 0.3 s."""
        where = ON_ONE_VENUE if mode.endswith("_basis") else ()
        return subprocess.Popen(
            [sys.executable, "-m", "basis_pipeline", "live", mode, *where, "--interval", "0.3", *options],
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str, command: str = "live") -> str:
        """Standard output of a command about btc_basis that starts no session."""
        whole = [sys.executable, "-m", "basis_pipeline", command, "btc_basis", *options]
        return subprocess.run(whole, env=self.environment(), capture_output=True, text=True, check=True).stdout

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """Exit code and everything it said."""
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, out + err


@contextmanager
def drill(folder: Path) -> Iterator[Drill]:
    """100,000 USDT at an exchange where BTC costs 50,000; its demo moves nothing between wallets, so both have cash."""
    books = RealTimeExchange()
    books.list_coin("BTC", 50_000.0)
    books.spot["USDT"], books.margin["USDT"] = 70_000.0, 30_000.0
    with FakeServer(BinanceSkin(books, KEY, SECRET)) as server:
        yield Drill(books, server, folder)


def completed_ticks(journal: Path) -> int:
    """By all sessions so far; none where the first of them has not made its journal yet, or is about to."""
    if not journal.is_file():
        return 0
    try:
        with closing(JournalDatabase.read(journal)) as database:
            return sum(1 for _ in database.marks(Kind.STATE))
    except (BasisError, sqlite3.OperationalError):
        return 0


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Until `condition` holds; fails at once if the process ends before."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
