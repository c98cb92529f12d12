"""Makes everything go wrong with funds between exchanges: `make live-faults` gives docs/live-faults-transfers.md."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from basis_pipeline.domain.errors import BasisError, StateError, SystemFailure
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline_tests.fakes.network import Mishap
from basis_pipeline_tests.fakes.server import Fault, Reply
from basis_pipeline_tests.live.faults import KilledError, dying_at, full_at
from basis_pipeline_tests.live.fleet import MINUTE, Fleet, fleet, holds_what_the_venues_hold

WITHDRAW = {"binance": "/capital/withdraw/apply", "bybit": "/asset/withdraw/create", "okx": "/asset/withdrawal"}
HISTORY = {"binance": "/withdraw/history", "bybit": "/withdraw/query-record", "okx": "/withdrawal-history"}
DEPOSITS = "/deposit/query-record"
_HEAD = """# What a live session does when funds between exchanges go wrong

Made by `make live-faults`, like [the table for orders](live-faults.md): `btc_basis` over Binance, Bybit and OKX (50, 30
and 20% of the short), 100,000 USDT at one of them; the other two are funded by withdrawals that take four minutes, then
the positions are taken. A session that fails is started again. Lost: USDT by which book and venues differ in the end,
with what is in transit. Doubled: intents that were executed twice. Recovered: market time until all positions are there
and nothing is in transit; a plan that its cash cannot carry is made again after a day.

| fault | restarts | withdrawals | orders | lost | doubled | recovered |
|---|---:|---:|---:|---:|---:|---:|
"""


@dataclass(frozen=True)
class Case:
    """One row: what is set up right before the first session, and what journal that session writes."""

    strikes: Callable[[Fleet], None] = lambda there: None
    source: str = "binance"
    database: type[JournalDatabase] = JournalDatabase


class Row(NamedTuple):
    """Counts; `lost` is in USDT, `seconds` in market time."""

    restarts: int
    withdrawals: int
    orders: int
    lost: float
    doubled: int
    seconds: float

    def line(self, fault: str) -> str:
        return (
            f"| {fault} | {self.restarts} | {self.withdrawals} | {self.orders} | {self.lost:.2f} | {self.doubled} | "
            f"{self.seconds:.0f} s |"
        )


def on_withdrawal(kind: str, phase: str, source: str = "binance", reply: Reply | None = None) -> Case:
    fault = Fault(WITHDRAW[source], kind, phase, reply=reply)  # type: ignore[arg-type]
    return Case(lambda there: there.accounts[source].server.faults.append(fault), source)


def on_network(mishap: Mishap) -> Case:
    return Case(lambda there: there.network.mishaps.append(mishap))


def silent(name: str, path: str, times: int) -> Case:
    fault = Fault(path, "reset", "before", method="GET")
    return Case(lambda there: there.accounts[name].server.faults.extend([fault] * times))


def _nobody_can_tell(there: Fleet) -> None:
    faults = there.accounts["binance"].server.faults
    faults.append(Fault(WITHDRAW["binance"], "reset", "after"))
    faults.extend([Fault(HISTORY["binance"], "reset", "before", method="GET")] * 60)


def _closed_for_a_while(there: Fleet) -> None:
    there.books("binance").withdrawals_open, since = False, there.clock.wall()

    def opens() -> None:
        there.books("binance").withdrawals_open = there.clock.wall() >= since + 10 * MINUTE

    there.clock.script = opens


_BUSY = Reply(503, {"code": -1008, "msg": "Server is currently overloaded with other requests."})
_NO_FUNDS = Reply(400, {"code": -4026, "msg": "You have insufficient balance."})
CASES: dict[str, Case] = {
    "nothing": Case(),
    "withdrawal made, connection reset": on_withdrawal("reset", "after"),
    "withdrawal never arrived, connection reset": on_withdrawal("reset", "before"),
    "withdrawal made, no answer": on_withdrawal("silence", "after"),
    "withdrawal made, answer is an overload (503)": on_withdrawal("reply", "after", reply=_BUSY),
    "withdrawal made, answer is a refusal": on_withdrawal("reply", "after", reply=_NO_FUNDS),
    "withdrawal refused": on_withdrawal("reply", "before", reply=_NO_FUNDS),
    "withdrawal made, answer is nonsense": on_withdrawal("reply", "after", reply=Reply(200, {"what": "ever"})),
    "withdrawal made at Bybit, connection reset": on_withdrawal("reset", "after", "bybit"),
    "withdrawal never arrived at Bybit": on_withdrawal("reset", "before", "bybit"),
    "withdrawal made at OKX, connection reset": on_withdrawal("reset", "after", "okx"),
    "withdrawal never arrived at OKX": on_withdrawal("reset", "before", "okx"),
    "withdrawal made, nobody can say so for minutes": Case(_nobody_can_tell),
    "withdrawals closed for ten minutes": Case(_closed_for_a_while),
    "deposit listed twice": on_network("lists twice"),
    "deposit hours late": on_network("delays"),
    "deposit short of 7.50 USDT": on_network("shortens"),
    "withdrawal comes back": on_network("returns"),
    "deposit history unanswered": silent("bybit", DEPOSITS, 8),
    "deposit address unanswered": silent("okx", "/deposit-address", 1),
    "killed before a withdrawal is written down": Case(database=dying_at(Kind.INTENT, after=False)),
    "killed after a withdrawal is written down": Case(database=dying_at(Kind.INTENT, after=True)),
    "killed after it was made, before its reference is written": Case(database=dying_at(Kind.SENT, after=False)),
    "killed after its reference is written": Case(database=dying_at(Kind.SENT, after=True)),
    "killed before its facts are written": Case(database=dying_at(Kind.FACTS, after=False)),
    "killed after its facts are written": Case(database=dying_at(Kind.FACTS, after=True)),
    "killed before an arrival is written": Case(database=dying_at(Kind.INCOME, after=False)),
    "killed after an arrival is written": Case(database=dying_at(Kind.INCOME, after=True)),
    "disk full when a withdrawal's facts are written": Case(database=full_at(Kind.FACTS)),
    "disk full when an arrival is written": Case(database=full_at(Kind.INCOME)),
}


def suffer(case: Case, folder: Path) -> Row:
    """Let one fault happen; AssertionError if the book does not come back whole."""
    with fleet(folder, usdt={case.source: 100_000.0}) as there:
        began, restarts, database = there.clock.wall(), 0, case.database
        case.strikes(there)
        for _ in range(40):
            ended = _lives(there, database)
            assert not isinstance(ended, StateError), f"somebody has to look: {ended}"
            if ended is None and _whole(there):
                holds_what_the_venues_hold(there)
                made = [order for account in there.accounts.values() for order in account.books.orders]
                ids = [order.client_id for order in made] + [w.client_id for w in there.network.withdrawals]
                waited = (there.clock.wall() - began) / 1e6
                doubled = len(ids) - len(set(ids))
                return Row(restarts, len(there.network.withdrawals), len(made), _lost(there), doubled, waited)
            if ended is not None:
                there.clock.sleep(5.0)
                restarts, database = restarts + 1, JournalDatabase
    raise AssertionError("the book does not come back")


def _lives(there: Fleet, database: type[JournalDatabase]) -> BaseException | None:
    """One session until all is there, or for a day and some; what it ended by."""
    try:
        session = there.session(database=database)
        session.start()
        for tick in range(200):
            session.tick()
            there.clock.sleep(60.0 if tick < 30 else 900.0)
            if _whole(there):
                return None
    except (SystemFailure, KilledError, BasisError) as ended:
        return ended
    return None


def _whole(there: Fleet) -> bool:
    """All shorts and what they hedge are there, nothing is in transit, and a tick was saved since."""
    shorts = [there.short(name) for name in there.accounts]
    hedged = abs(there.books("binance").spot["BTC"] - sum(shorts)) < 0.003
    return min(shorts) > 0.2 and sum(shorts) > 1.3 and hedged and there.in_transit == 0.0


def _lost(there: Fleet) -> float:
    keys = there.last_state.positions
    cash = sum(abs(keys[f"{name}:BaseToken:USDT"].quantity - made.cash) for name, made in there.accounts.items())
    return cash + abs(sum(p.quantity for key, p in keys.items() if ":Receivable:" in key) - there.in_transit)


def page() -> str:
    lines = []
    for fault, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            lines.append(suffer(case, Path(folder)).line(fault))
    return _HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
