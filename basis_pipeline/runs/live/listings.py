"""What exchanges list, looked at again while a session lives: it may do so for longer than a listing.

Lots and minima are taken over. What cannot be traded closes trading, of every instrument: one leg of a pair alone is a
bet, and so is an order in contracts that are no longer what they were. A halt opens again by itself; a contract of
another size needs a start, which compares the book with what the exchange says of the position now.
"""

from __future__ import annotations

from collections.abc import Iterable

from basis_pipeline.domain.errors import VenueError
from basis_pipeline.domain.orders import OrderResult, OrderState
from basis_pipeline.domain.timeline import iso
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.engine.health import HealthState
from basis_pipeline.runs.live.parts import Alert, SessionParts
from basis_pipeline.venues.live.cex import LiveCex
from basis_pipeline.venues.live.exchange import Listing

COMPONENT = "listings"
EVERY = 3_600.0
"""Seconds between looks while all can be traded; exchanges announce changes days before, and refuse in a halt."""
_REFUSED, _OUTDATED = "VEN-003", "VEN-012"
_ENDS = "instrument ends"
_CLOSED = "instrument not traded"
_OTHER = "contract size changed"
_REMEDIES = {
    _ENDS: "reduce the book before, by another configuration or by hand: the exchange will close the position itself.",
    _CLOSED: "look at the exchange's notices; trading opens again with the instrument.",
    _OTHER: "compare the position at the exchange with the book, then start the session again.",
}


class Listings:
    """What is wrong with an instrument is told once, and again only after it was well."""

    def __init__(self, parts: SessionParts) -> None:
        self._parts = parts
        self._accounts = tuple(venue.account for venue in parts.venues.values() if isinstance(venue, LiveCex))
        self._first: dict[tuple[str, str], Listing] = {}
        self._last: dict[tuple[str, str], Listing] = {}
        self._wrong: dict[tuple[str, str, str], str] = {}
        self._asked = self._due = 0.0

    def heard(self, results: Iterable[OrderResult]) -> None:
        """An order was refused: the rules may have changed since they were asked for."""
        answers = [result.handshake for result in results if result.state is OrderState.FAILURE]
        codes = {answer.error_code for answer in answers if answer is not None}
        if _OUTDATED in codes:
            self._due = self._asked
        elif _REFUSED in codes:
            self._due = min(self._due, self._asked + self._parts.watch)

    def look(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        """Once per tick; the first one takes the listings that the start has loaded."""
        if (now := self._parts.clock.now()) >= self._due:
            try:
                self._reload()
            except VenueError as error:
                self._parts.note(COMPONENT, "missing", error.message, level="warning")
            self._asked, self._due = now, now + (self._parts.watch if self._wrong else EVERY)
        kinds = {kind for kind, _, _ in self._wrong}
        state = HealthState.UNHEALTHY if kinds - {_ENDS} else HealthState.DEGRADED if kinds else HealthState.HEALTHY
        engine.health.report(COMPONENT, state, timestamp, "; ".join(self._wrong.values()))

    def _reload(self) -> None:
        found: dict[tuple[str, str, str], str] = {}
        for account in self._accounts:
            if self._first:
                account.reload_listings()
            for symbol, listing in account.listings().items():
                found |= {
                    (kind, account.name, symbol): said for kind, said in self._seen(account.name, symbol, listing)
                }
        for key, said in found.items():
            if key not in self._wrong:
                self._parts.alert(COMPONENT, Alert(key[0], f"[VEN-012] {said}.", _REMEDIES[key[0]]))
        for key in self._wrong.keys() - found.keys():
            self._parts.note(COMPONENT, "well again", f"{key[1]} {key[2]}")
        self._wrong = found

    def _seen(self, venue: str, symbol: str, listing: Listing | None) -> list[tuple[str, str]]:
        if listing is None:
            return [(_CLOSED, f"{venue} lists {symbol} no more")]
        key, said = (venue, symbol), []
        first, last = self._first.setdefault(key, listing), self._last.get(key, listing)
        self._last[key] = listing
        if listing.contract != first.contract:
            size = f"{listing.contract:g} {listing.base} now, it was {first.contract:g}"
            said.append((_OTHER, f"a contract of {symbol} at {venue} is {size}"))
        elif (rules := _rules(listing)) != (before := _rules(last)):
            self._parts.note(COMPONENT, "rules changed", f"{venue} {symbol}: {before} -> {rules}", level="warning")
        if not listing.trading:
            said.append((_CLOSED, f"{venue} does not trade {symbol}"))
        if listing.ends is not None:
            said.append((_ENDS, f"{venue} takes {symbol} from its list at {iso(listing.ends)}"))
        return said


def _rules(listing: Listing) -> str:
    return f"lot {listing.lot:.10g}, at least {listing.min_quantity:.10g} and {listing.min_notional:.10g} USDT"
