"""`make drill`: a live session that anybody can try, against an exchange that is made up.

Everything on our side is real: the command, its process, the journal, the client library, the status page, the results.
The exchange is a server on loopback that shows the candles of the sample, an hour of them every few seconds.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from basis_pipeline.domain.timeline import DAY, iso
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.market_data.frames.frame import build_frame
from basis_pipeline.market_data.validated import ValidatedStore
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.runs.live.lock import is_running
from basis_pipeline.runs.loopback import free_port, handled_by
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.builders import CONFIGS
from basis_pipeline_tests.fakes.candles import Candles
from basis_pipeline_tests.fakes.records import PlacedOrder
from basis_pipeline_tests.fakes.server import Reply, Request, Skin
from basis_pipeline_tests.live.process import ON_ONE_VENUE, Drill, drill
from basis_pipeline_tests.live.stage import mode_at
from basis_pipeline_tests.live.week import START, sample

MODE, RECORD = "btc_basis", "live-staging"
DAYS = 30
HOUR_TAKES, INTERVAL = 2.0, 4.0
"""Seconds of the clock that an hour of candles takes, and from tick to tick."""
USUAL_PORT = 3090
MARK = "made-by-make-drill.txt"
NEWS, ASKED = ("starting", "stopped", "results published"), "asked to by"
"""Actions that are told although nothing is wrong, and a warning that is not: the stop itself is."""
LEAST_TICKS = 3
"""However slow the machine is, so many are shown, and the candles of all the time that was asked for."""
PATIENCE = 600.0
"""Seconds until the first tick, and for the session's end."""


@dataclass
class PassingHours:
    """A skin whose market moves on with the clock when somebody asks for the spot price, which a tick asks for first.

    Were it to move on its own, at this pace spot and perp would be of different hours in many a tick, and every few
    ticks a payment would fall between two questions.
    """

    skin: Skin
    candles: Candles
    hours: int = 0
    began: float | None = None

    def answer(self, request: Request) -> Reply:
        if request.path == "/api/v3/ticker/24hr":
            self._move_on()
        return self.skin.answer(request)

    @property
    def at(self) -> int:
        return self.candles.frame.timestamps[self.hours]

    @property
    def over(self) -> bool:
        return self.hours == len(self.candles.frame.timestamps) - 1

    def _move_on(self) -> None:
        now = time.monotonic()
        self.began = self.began or now
        due = int((now - self.began) / HOUR_TAKES)
        while self.hours < due and not self.over:
            self.hours += 1
            self.candles.reach(self.at)


@dataclass
class Watch:
    """Tells in plain lines what happens at the exchange and in the session, each thing once."""

    there: Drill
    hours: PassingHours
    log: TextIO
    first_tick: float | None = None
    ticks: int = 0
    _orders: int = 0
    _payments: int = 0
    _unfinished: str = field(default="", repr=False)

    def tell(self) -> None:
        books = self.there.books
        for order in books.orders[self._orders :]:
            say(f"  order     {_order_line(order)}")
            self._orders += 1
        for payment in books.income[self._payments :]:
            say(f"  funding   {payment.amount:+,.2f} USDT")
            self._payments += 1
        for line in self._lines():
            self._tell_line(line)

    def summary(self) -> str:
        paid = sum(payment.amount for payment in self.there.books.income)
        return f"{self._orders} orders, funding {paid:+,.2f} USDT in {self._payments} payments"

    def _lines(self) -> Iterator[str]:
        """Whole lines that the session has written since the last look."""
        *whole, self._unfinished = (self._unfinished + self.log.read()).split("\n")
        return iter(whole)

    def _tell_line(self, line: str) -> None:
        if not line.startswith("{"):
            say(f"  session   {line}")
            return
        told = json.loads(line)
        if told["what"] == "tick":
            self.first_tick = self.first_tick or time.monotonic()
            self.ticks += 1
            self._tell_tick()
        elif told["what"] in NEWS or (told["level"] != "info" and ASKED not in told.get("detail", "")):
            say(f"  session   {told['what']}: {told.get('detail', '')}")

    def _tell_tick(self) -> None:
        with closing(LiveJournal.read(self.there.journal, lambda: 0)) as journal:
            state = journal.last_state()
        assert state is not None, "a tick that was told is in the journal"
        price = self.there.books.market("BTCUSDT", perp=False).price
        say(f"{iso(self.hours.at)[:16].replace('T', ' ')}  BTC {price:,.2f}  equity {state.pnl.equity:,.2f} USDT")


def _order_line(order: PlacedOrder) -> str:
    kind = "perp" if order.market.perp else "spot"
    side = "buy" if order.buy else "sell"
    fee = sum(trade.fee for trade in order.trades)
    token = order.trades[0].fee_token if order.trades else ""
    return f"{side} {order.filled:.8g} {order.market.base} {kind} at {order.average:,.2f}, fee {fee:.8g} {token}"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def clean(root: Path) -> None:
    """An empty root. What an earlier drill left is removed, because its exchange is gone with it; nothing else is."""
    if root.exists() and any(root.iterdir()) and not (root / MARK).is_file():
        raise SystemExit(f"{root} is not empty and was not made by a drill: name another folder.")
    if is_running(Workspace(root, CONFIGS), MODE, "staging"):
        raise SystemExit(f"another drill is running in {root}: wait for its end, or name another folder.")
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    (root / MARK).write_text("Exchange, prices and money of this record are made up. The next drill removes it.\n")


@contextmanager
def exchange(root: Path) -> Iterator[tuple[Drill, PassingHours]]:
    """An account at a fake exchange that shows the sample's candles."""
    mode = mode_at("binance")
    with TemporaryDirectory() as folder:
        frame = build_frame(ValidatedStore(sample(Path(folder))), mode.frame_spec, START, START + DAYS * DAY)
    with drill(root) as there:
        candles = Candles.of(there.books, frame, mode.settings.universe, "binance")
        candles.show(START)
        hours = there.server.skin = PassingHours(there.server.skin, candles)
        yield there, hours


@contextmanager
def session(there: Drill, port: int) -> Iterator[tuple[subprocess.Popen[bytes], TextIO]]:
    """The command, and what it writes. In a group of its own, so that Ctrl-C reaches it through us, once."""
    options = [MODE, *ON_ONE_VENUE, "--interval", f"{INTERVAL:g}", "--status-port", str(port)]
    say(shlex.join(["basis", "live", *options]))
    say(f"Status page: http://127.0.0.1:{port}   Log: {there.root / 'session.log'}\n")
    command = [sys.executable, "-m", "basis_pipeline", "live", *options]
    with (there.root / "session.log").open("w+b") as log, (there.root / "session.log").open(encoding="utf-8") as read:
        process = subprocess.Popen(command, env=there.environment(), stderr=log, stdout=log, start_new_session=True)
        try:
            yield process, read
        finally:
            process.kill()
            process.wait()


def follow(process: subprocess.Popen[bytes], watch: Watch, seconds: float) -> int:
    """Tell what happens until the session ends: by itself, asked to by a signal, or because the time is over."""
    asked: list[int] = []
    started, end = time.monotonic(), None
    with handled_by(lambda number, _frame: asked.append(number)):
        while process.poll() is None:
            watch.tell()
            if end is None and (asked or is_over(watch, started, seconds)):
                say("\nStopping between orders, then the results are published ...")
                process.send_signal(asked[0] if asked else signal.SIGTERM)
                end = time.monotonic() + PATIENCE
            if end is not None and time.monotonic() > end:
                process.kill()
            time.sleep(0.2)
    watch.tell()
    return process.returncode


def is_over(watch: Watch, started: float, seconds: float) -> bool:
    """`seconds` are counted from the first tick, which may take a slow machine a while."""
    now = time.monotonic()
    if watch.first_tick is None:
        return now - started > PATIENCE
    shown = watch.ticks >= LEAST_TICKS and watch.hours.hours * HOUR_TAKES >= seconds
    return watch.hours.over or (shown and 0.0 < seconds < now - watch.first_tick)


def compare(there: Drill) -> int:
    """Hold the session against a backtest of the same ticks, and say where everything is."""
    say("\nThe same ticks as a backtest (basis live-compare btc_basis):")
    command = [sys.executable, "-m", "basis_pipeline", "live-compare", MODE]
    done = subprocess.run(command, env=there.environment(), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return done.returncode
    *table, page = done.stdout.rstrip().split("\n")
    say("\n".join(table))
    report = ResultsStore(there.root / "results").report_path(MODE, RECORD)
    if not report.is_file():
        say("There is no report: the log says why.")
        return 1
    say(f"\nReport:      {report}\nComparison:  {page}")
    say(f"             An hour of candles took {HOUR_TAKES:g} s of the clock: figures per year mean nothing here.")
    say(f"Afterwards:  BASIS_DATA_DIR={there.root} BASIS_ENVIRONMENT=staging .venv/bin/basis live {MODE} --status")
    say("With keys of an exchange: docs/guides/live.md")
    return 0


def introduce(url: str, seconds: float) -> None:
    end = f"after {seconds:g} s" if seconds else "with the last candle"
    say(f"A fake Binance with 100,000 USDT at {url} shows candles from {iso(START)[:10]}: {HOUR_TAKES:g} s an hour.")
    say(f"Ctrl-C stops between orders; without it the drill ends {end}.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder of the record; what an earlier drill left there is removed")
    parser.add_argument("--seconds", type=float, default=120.0, help="stop after so long; 0: when asked to")
    parser.add_argument("--port", type=int, help=f"of the status page; {USUAL_PORT} or, where that is taken, another")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    say("A DRILL: exchange, prices and money are made up; nothing leaves this machine, and no keys are needed.")
    clean(given.root)
    say("Making sample prices (about ten seconds) ...")
    with exchange(given.root) as (there, hours):
        introduce(there.server.url, given.seconds)
        with session(there, free_port(given.port, USUAL_PORT)) as (process, log):
            watch = Watch(there, hours, log)
            code = follow(process, watch, given.seconds)
        say(f"\nThe session ended with exit code {code}: {watch.summary()}.")
        return code or (1 if watch.first_tick is None else compare(there))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped before it began.")
