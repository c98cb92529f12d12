"""What can go wrong around a live session, each as something that can be made to happen. `fault_table.py` makes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from basis_pipeline.domain.errors import StateError
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.live_journal.halts import EmergencyPolicy
from basis_pipeline.runs.live.operator import emergency_stop
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.server import Fault, Reply
from basis_pipeline_tests.live.stage import MINUTE, Stage


class KilledError(BaseException):
    """What SIGKILL looks like from inside: nothing after this line happens."""


def dying(entry: int, *, after: bool) -> type[JournalDatabase]:
    """A journal whose process dies before or after it writes its n-th entry."""

    class Dying(JournalDatabase):
        written = 0

        def append(self, written_at: int, kind: Kind, key: str, payload: bytes) -> bool:
            self.written += 1
            if self.written == entry and not after:
                raise KilledError
            done = super().append(written_at, kind, key, payload)
            if self.written == entry:
                raise KilledError
            return done

    return Dying


def dying_at(kind: Kind, *, after: bool) -> type[JournalDatabase]:
    """A journal whose process dies before or after its first entry of a kind."""

    class Dying(JournalDatabase):
        def append(self, written_at: int, of: Kind, key: str, payload: bytes) -> bool:
            if of is kind and not after:
                raise KilledError
            done = super().append(written_at, of, key, payload)
            if of is kind:
                raise KilledError
            return done

    return Dying


def full_at(kind: Kind) -> type[JournalDatabase]:
    """A journal whose disk is full from its first entry of a kind on."""

    class Full(JournalDatabase):
        def append(self, written_at: int, of: Kind, key: str, payload: bytes) -> bool:
            if of is kind:
                pages = self._connection.execute("pragma page_count").fetchone()[0]
                self._connection.execute(f"pragma max_page_count = {pages}")
                payload = payload + b" " * 100_000
            return super().append(written_at, of, key, payload)

    return Full


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        strikes: sets the fault up, right before a session begins.
        when: while positions are being taken, while a session holds them, or while no session runs.
        database: of the first session only.
        during: called whenever market time passes.
        operator: a person has to look: waits until the venue is right again and acknowledges, acknowledges that it is
            right, lifts an emergency stop, cancels what rests at the venue, or starts the session again.
    """

    strikes: Callable[[Stage], None] = lambda there: None
    when: Literal["entering", "holding", "between"] = "entering"
    venue: str = "binance"
    database: type[JournalDatabase] = JournalDatabase
    during: Callable[[FakeExchange], None] = lambda books: None
    operator: Literal["", "waits", "acknowledges", "lifts", "cancels", "starts"] = ""


def _error(status: int, code: int, text: str) -> Reply:
    return Reply(status, {"code": code, "msg": text})


def on_order(kind: str, phase: str, reply: Reply | None = None, *, venue: str = "binance") -> Case:
    path = {"binance": "/order", "bybit": "/order/create", "okx": "/trade/order"}[venue]
    fault = Fault(path, kind, phase, reply=reply)  # type: ignore[arg-type]
    return Case(lambda there: there.server.faults.append(fault), venue=venue)


def on_query(path: str, times: int = 1, reply: Reply | None = None, **rest: Any) -> Case:
    """The next `times` questions at `path` get `reply`, or the connection is torn down."""
    fault = Fault(path, "reply" if reply else "reset", "before", method="GET", reply=reply)
    return Case(lambda there: there.server.faults.extend([fault] * times), **rest)


def at_order_and_query(times: int) -> Case:
    def strikes(there: Stage) -> None:
        there.server.faults.append(Fault("/order", "reset", "after"))
        there.server.faults.extend([Fault("/order", "reset", "before", method="GET")] * times)

    return Case(strikes)


def of_books(change: Callable[[FakeExchange], None], **rest: Any) -> Case:
    return Case(lambda there: change(there.books), **rest)


def jumping(seconds: int) -> Callable[[FakeExchange], None]:
    """A clock that is set forward once, a minute after the start."""
    jumped: list[int] = []

    def script(books: FakeExchange) -> None:
        if books.orders and not jumped:
            jumped.append(books.now)
            books.now += seconds * 1_000_000

    return script


def _expires(there: Stage) -> None:
    """Credentials are refused, until somebody renews them a quarter of an hour later."""
    since = there.books.now
    there.account.skin.expired = True

    def renewed(books: FakeExchange) -> None:
        there.account.skin.expired = books.now < since + 15 * MINUTE

    there.clock.script = renewed


def _paid_while_down(books: FakeExchange) -> None:
    books.now += 3_600_000_000
    books.pay_funding("BTCUSDT", 0.0001)


def _stopped_between_orders(policy: EmergencyPolicy) -> Callable[[Stage], None]:
    """An operator stops the session when its first order has been filled."""

    def strikes(there: Stage) -> None:
        def script(books: FakeExchange) -> None:
            if len(books.orders) == 1:
                there.clock.script = lambda books: None
                emergency_stop(there.path, policy)

        there.clock.script = script

    return strikes


def _nearly_full(there: Stage) -> None:
    """A megabyte is left for two minutes."""
    until = there.books.now + 2 * MINUTE
    there.options["room"] = lambda: 1e6 if there.books.now < until else 1e9


def _charges_bnb(books: FakeExchange) -> None:
    """Of which there is enough, beside the book."""
    books.list_coin("BNB", 600.0)
    books.spot["BNB"], books.fees_in_bnb = 1.0, True


def _leaves_an_order(books: FakeExchange) -> None:
    books.others.rest("BTCUSDT", perp=False, buy=False, quantity=1.0, limit=60_000.0)


def _buys(books: FakeExchange) -> None:
    books.others.trade("BTCUSDT", perp=False, buy=True, quantity=0.0004)


def _begins_elsewhere(there: Stage) -> None:
    """As from another machine, where no lock is seen: a journal of its own."""
    other = Stage(there.account, there.path.with_name("elsewhere.sqlite"), there.clock, there.mode)
    with suppress(StateError):
        other.session().run(until=there.books.now + MINUTE)
        raise AssertionError("a second session was let in")


def _halted(there: Stage) -> None:
    """One leg is not traded for ten minutes."""
    market, since = there.books.market("BTCUSDT", perp=True), there.books.now

    def script(books: FakeExchange) -> None:
        market.trading = books.now >= since + 10 * MINUTE

    market.trading, there.clock.script = False, script


def _resized(books: FakeExchange) -> None:
    """Between the two legs of an entry a contract becomes worth ten times as much."""
    if books.orders:
        books.market("BTCUSDT", perp=True).contract = 0.1


def _set_back(books: FakeExchange) -> None:
    books.now -= 10 * MINUTE


def _takes(amount: float) -> Callable[[FakeExchange], None]:
    def change(books: FakeExchange) -> None:
        books.spot["USDT"] -= amount

    return change


_OLD = {"symbol": "BTCUSDT", "lastPrice": "50000.00", "openPrice": "50000.00", "highPrice": "50000.00",
        "lowPrice": "50000.00", "volume": "1", "quoteVolume": "1", "openTime": 0,
        "closeTime": 1_600_000_000_000}  # fmt: skip
_BALANCES = {"makerCommission": 10, "takerCommission": 10, "canTrade": True, "accountType": "SPOT", "updateTime": 0,
             "balances": [{"asset": "USDT", "free": "1.00000000", "locked": "0"}]}  # fmt: skip
BUSY = _error(503, -1008, "Server is currently overloaded with other requests.")
STORM = Reply(429, {"code": -1003, "msg": "Too many requests."}, {"Retry-After": "1"})
BANNED = Reply(418, {"code": -1003, "msg": "Way too many requests; IP banned."})

CASES: dict[str, Case] = {
    "nothing": Case(),
    "order executed, connection reset": on_order("reset", "after"),
    "order never arrived, connection reset": on_order("reset", "before"),
    "order executed, no answer": on_order("silence", "after"),
    "order never arrived, no answer": on_order("silence", "before"),
    "order executed, answer is an overload (503)": on_order("reply", "after", BUSY),
    "order never arrived, answer is an overload (503)": on_order("reply", "before", BUSY),
    "order executed, backend timed out (-1007)": on_order("reply", "after", _error(500, -1007, "Timeout.")),
    "order executed, answer is a refusal": on_order("reply", "after", _error(400, -2010, "no")),
    "order executed, answer is nonsense": on_order("reply", "after", Reply(200, {"what": "ever"})),
    "order executed, broken gateway (502)": on_order("reply", "after", Reply(502, "bad gateway")),
    "order hits the rate limit (429)": on_order("reply", "before", STORM),
    "order hits an IP ban (418)": on_order("reply", "before", BANNED),
    "order is outside the receive window (-1021)": on_order("reply", "before", _error(400, -1021, "recvWindow")),
    "order executed at Bybit, connection reset": on_order("reset", "after", venue="bybit"),
    "order never arrived at Bybit": on_order("reset", "before", venue="bybit"),
    "order executed at OKX, connection reset": on_order("reset", "after", venue="okx"),
    "order never arrived at OKX": on_order("reset", "before", venue="okx"),
    "order executed, ten questions about it unanswered": at_order_and_query(10),
    "order executed, nobody can say so for minutes": at_order_and_query(80),
    "order fills late": of_books(lambda books: books.late_polls.append(4)),
    "order fills after the deadline": of_books(lambda books: books.late_polls.append(25)),
    "order fills in part": of_books(lambda books: books.fill_fraction.append(0.4)),
    "order fills not at all": of_books(lambda books: books.fill_fraction.append(0.0)),
    "rate limit storm on everything asked": on_query("", 25, STORM),
    "balances unanswered after an order": on_query("/account", 3),
    "venue lies about a balance at a start, twice": on_query(
        "/api/v3/account", 4, Reply(200, _BALANCES), when="between"
    ),
    "venue lies about a balance at a start, for minutes": on_query(
        "/api/v3/account", 18, Reply(200, _BALANCES), when="between", operator="waits"
    ),
    "venue lies about a balance at a tick, twice": on_query(
        "/api/v3/account", 4, Reply(200, _BALANCES), when="holding"
    ),
    "venue lies about a balance at a tick, for minutes": on_query(
        "/api/v3/account", 12, Reply(200, _BALANCES), when="holding", operator="waits"
    ),
    "balances unanswered at a tick": on_query("/api/v3/account", 6, when="holding"),
    "open positions unanswered": on_query("/positionRisk", 2, when="holding"),
    "income history unanswered": on_query("/income", 2, when="holding"),
    "prices unanswered": on_query("/ticker/24hr", 2, when="holding"),
    "prices are old": on_query("/ticker/24hr", 2, Reply(200, _OLD), when="holding"),
    "prices unanswered for minutes": on_query("/ticker/24hr", 12, when="holding"),
    "mark price unanswered": on_query("/premiumIndex", 2, when="holding"),
    "clock jumps an hour forward during an order": Case(during=jumping(3_600)),
    "clock is set back by ten minutes": of_books(_set_back, when="holding"),
    "credentials expire for a quarter of an hour": Case(_expires, when="holding"),
    "funding paid while no session runs": of_books(_paid_while_down, when="between"),
    "somebody takes 20 USDT": of_books(_takes(20.0), when="between"),
    "somebody takes 2,000 USDT": of_books(_takes(2_000.0), when="between", operator="acknowledges"),
    "somebody takes 20 USDT under a session": of_books(_takes(20.0), when="holding"),
    "somebody takes 2,000 USDT under a session": of_books(_takes(2_000.0), when="holding", operator="acknowledges"),
    "fees in a token that the book does not hold": of_books(_charges_bnb),
    "somebody's order rests at a start": of_books(_leaves_an_order, when="between", operator="cancels"),
    "somebody's order rests under a session": of_books(_leaves_an_order, when="holding"),
    "somebody buys for 20 USDT under a session": of_books(_buys, when="holding"),
    "a second session begins on another machine": Case(_begins_elsewhere, when="holding"),
    "one leg is halted for ten minutes": Case(_halted),
    "a contract changes its size between two legs (OKX)": Case(during=_resized, venue="okx", operator="starts"),
    "frozen by an operator between two orders": Case(_stopped_between_orders(EmergencyPolicy.FREEZE), operator="lifts"),
    "told to leave between two orders": Case(_stopped_between_orders(EmergencyPolicy.EXIT_FULL), operator="lifts"),
    "disk nearly full": Case(_nearly_full),
    "killed before an intent is written": Case(database=dying_at(Kind.INTENT, after=False)),
    "killed after an intent is written": Case(database=dying_at(Kind.INTENT, after=True)),
    "killed before the venue's reference is written": Case(database=dying_at(Kind.SENT, after=False)),
    "killed after the venue's reference is written": Case(database=dying_at(Kind.SENT, after=True)),
    "killed before the facts are written": Case(database=dying_at(Kind.FACTS, after=False)),
    "killed after the facts are written": Case(database=dying_at(Kind.FACTS, after=True)),
    "killed before the record of a tick is written": Case(database=dying(12, after=False)),
    "killed between the record and the state of a tick": Case(database=dying(12, after=True)),
    "killed after the state of a tick is written": Case(database=dying(14, after=False)),
    "disk full when an intent is written": Case(database=full_at(Kind.INTENT)),
    "disk full when facts are written": Case(database=full_at(Kind.FACTS)),
}
