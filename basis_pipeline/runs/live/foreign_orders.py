"""Orders on a session's accounts that are not its own: resting ones, and trades of others.

A start refuses what rests there: it holds back cash that plans count on, and fills when nobody expects it. In a running
session the same is told and degrades it, but trading goes on: until such an order fills, the book is right, and what
the session can no longer do is hold a falling margin up. What a fill changes is seen by the comparison of the same
tick, which closes trading if it is large; the trades found here say where that difference came from. So do they where
another session, on whatever machine, trades the same account.

Nothing that is not ours is ever cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from basis_pipeline.domain.errors import VenueError, VenueRefusal
from basis_pipeline.domain.intents import Facts, Fate
from basis_pipeline.domain.timeline import MINUTE, iso
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.engine.health import HealthState
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.runs.live.parts import Alert, SessionParts
from basis_pipeline.venues.live.account import ExchangeAccount
from basis_pipeline.venues.live.cex import LiveCex
from basis_pipeline.venues.live.exchange import Execution, OpenOrder

COMPONENT = "foreign_orders"
LATE = 10 * MINUTE
"""Microseconds that a trade may take to appear in a history."""
_MOST = 5
"""Orders that a message names."""
_REMEDY = (
    "cancel what rests at the exchange, and let nobody else trade there; another session, on whatever machine, needs "
    "an account of its own."
)


class ForeignOrders:
    """Looks at a start, and every `SessionParts.watch` seconds."""

    def __init__(self, parts: SessionParts) -> None:
        self._parts = parts
        self._accounts = tuple(venue.account for venue in parts.venues.values() if isinstance(venue, LiveCex))
        self._ours: set[str] = set()
        self._read = 0
        self._since = self._until = 0
        self._due = 0.0
        self._resting: dict[tuple[str, str], str] = {}
        self._trades: dict[tuple[str, str, str], dict[str, Execution]] = {}
        self._silence = ""

    def begin(self) -> None:
        """Before book and venues are compared, when the fate of every order of ours is known.

        Raises:
            VenueRefusal: VEN-011 orders that are not this session's rest on an account.
            VenueError: an exchange does not say.
        """
        state, now = self._parts.journal.last_state(), self._parts.clock.wall()
        self._since = self._until = now if state is None else state.timestamp
        self._ask(now)
        if self._resting:
            raise VenueRefusal(
                f"{_listed(self._resting.values())}: not of this session.", code="VEN-011", remedy=_REMEDY
            )

    def look(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        """Once per tick; an order is told when it is seen to rest, and when it has traded."""
        if self._parts.clock.now() >= self._due:
            try:
                self._ask(timestamp)
            except VenueError as error:
                self._silence = error.message
                self._parts.note(COMPONENT, "missing", error.message, level="warning")
        executed = [_was_executed(venue, trades) for (venue, *_), trades in self._trades.items()]
        words = "; ".join(filter(None, (_listed(self._resting.values()), _listed(executed), self._silence)))
        engine.health.report(COMPONENT, HealthState.DEGRADED if words else HealthState.HEALTHY, timestamp, words)

    def _ask(self, now: int) -> None:
        self._read_ours()
        resting = {
            (account.name, order.reference): _rests(account.name, order)
            for account in self._accounts
            for order in account.open_orders()
            if order.client_id not in self._ours
        }
        self._tell("foreign order rests", [said for key, said in resting.items() if key not in self._resting])
        self._resting = resting
        self._tell("foreign trades", [said for account in self._accounts for said in self._new_trades(account, now)])
        self._until, self._silence = now, ""
        self._due = self._parts.clock.now() + self._parts.watch

    def _new_trades(self, account: ExchangeAccount, now: int) -> list[str]:
        """Orders of others that have traded since the last look, each with all its trades so far."""
        grown: list[tuple[str, str, str]] = []
        for trade in account.executions(max(self._since, self._until - LATE), now):
            order = (account.name, trade.symbol, trade.reference)
            if trade.reference in self._ours or trade.trade_id in self._trades.get(order, {}):
                continue
            self._trades.setdefault(order, {})[trade.trade_id] = trade
            grown.append(order)
        return [_was_executed(account.name, self._trades[order]) for order in dict.fromkeys(grown)]

    def _read_ours(self) -> None:
        """Ids of orders that the book contains; one that was called lost is not ours if it turns up after all."""
        for entry in self._parts.journal.entries(Kind.FACTS, after=self._read):
            self._read = entry.number
            facts = msgspec.json.decode(entry.payload, type=Facts)
            if facts.fate is Fate.EXECUTED:
                self._ours |= {entry.key, facts.reference}

    def _tell(self, what: str, found: list[str]) -> None:
        if found:
            message = f"[VEN-011] {_listed(found)}: not of this session."
            self._parts.alert(COMPONENT, Alert(what, message, _REMEDY))


def _rests(venue: str, order: OpenOrder) -> str:
    size = f"{order.quantity:.10g}" if order.quantity else "a whole position"
    return f"{venue} has an open order {order.reference}{_named(order.client_id)} to {order.side} {size} {order.symbol}"


def _was_executed(venue: str, trades: Mapping[str, Execution]) -> str:
    """One order with the sum of its trades, at their average price."""
    last = max(trades.values(), key=lambda trade: trade.at)
    quantity = sum(trade.quantity for trade in trades.values())
    price = sum(trade.quantity * trade.price for trade in trades.values()) / quantity
    done = "bought" if last.side == "buy" else "sold"
    order = f"{last.reference}{_named(last.client_id)}"
    return f"{venue} {done} {quantity:.10g} {last.symbol} at {price:.10g} by order {order}, {iso(last.at)}"


def _named(client_id: str) -> str:
    return f" (client id {client_id})" if client_id else ""


def _listed(found: Iterable[str]) -> str:
    said = list(found)
    more = [f"and {len(said) - _MOST} more"] if len(said) > _MOST else []
    return "; ".join((*said[:_MOST], *more))
