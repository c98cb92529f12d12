"""Book against venues after the refresh of every tick: agree, adjust what is small, stop trading over what is not.

A venue may be late with a balance, and a payment may fall between the question for it and the question for balances.
A difference is therefore looked at again 1, 2 and 4 s later, each time after a refresh of its own. What is left of it
is adjusted on the record if it is small, and with it all that was adjusted in a day; so is what strangers have added to
a book on chain, up to a limit of its own: whoever could stop a book by a gift would. Otherwise trading stays closed
until an operator has acknowledged exactly this difference. Trading on through a doubt may be expensive, waiting rarely
is. A perp that differs is told even if it is adjusted: venues round balances, never the size of a position.

What a perp was entered at is compared like what is held: its gain is counted from there, and the exchange pays from its
own entry price, not from that of the book.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.orders import ReconciliationResult
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.receipts import in_transit, is_receipt
from basis_pipeline.domain.records import ChainSnapshot
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.engine.health import HealthState
from basis_pipeline.live_journal.halts import Adjustment, Halt, HaltEntry
from basis_pipeline.runs.live.parts import Alert, PerpVenue, SessionParts
from basis_pipeline.runs.live.unexplained import Unexplained

COMPONENT = "comparison"
DELAYS = (1.0, 2.0, 4.0)
"""Seconds after which a difference is looked at again (R35)."""


class Difference(NamedTuple):
    """What differs between book and venues.

    Attributes:
        gaps: what the venues hold beyond the book by position key, in stored units.
        entries: what perps were entered at by the venues' word, where the book has another price.
        detail: the same in words.
    """

    gaps: Mapping[str, float]
    entries: Mapping[str, float]
    detail: str

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.gaps, *self.entries)))


class BookComparison:
    """What `look` finds is in the health of its component: trading is gated by it.

    Attributes:
        acknowledged: an operator takes the venues' word for whatever differs at the start.
        again: seconds after which a difference has to be looked at again; None if this look was the last word.
        missing: looks that a venue did not answer.
    """

    def __init__(self, parts: SessionParts, unexplained: Unexplained, *, acknowledged: bool = False) -> None:
        self._parts, self._journal = parts, parts.journal
        self._unexplained = unexplained
        self.acknowledged = acknowledged
        self._attempt = 0
        self.again: float | None = None
        self.missing = 0

    def look(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        """Compare what a refresh has just committed; changes the book only by an adjustment."""
        handler = engine.position_update_handler
        result = handler.reconcile(handler.latest.market, self._attempt + 1)
        difference = None if result.silence else self._difference(engine, result)
        self.again = None
        if result.silence:
            self.missing += 1
            self._attempt = 0
            self._parts.note(COMPONENT, "missing", result.silence, level="error")
            engine.health.report(COMPONENT, HealthState.UNKNOWN, timestamp, result.silence)
        elif difference is None:
            self._agree(engine, timestamp)
        else:
            self._differ(engine, timestamp, difference)

    def _difference(self, engine: EventDrivenStrategyEngine, result: ReconciliationResult) -> Difference | None:
        gaps = {mismatch.position_key: mismatch.real - mismatch.simulated for mismatch in result.mismatches}
        entries = self._entries(engine)
        if not gaps and not entries:
            return None
        said = [result.detail] if gaps else []
        for key, (ours, theirs) in entries.items():
            said.append(f"{key} was entered at {ours:,.8g} in the book, at {theirs:,.8g} by the venue")
        return Difference(gaps, {key: theirs for key, (_, theirs) in entries.items()}, "; ".join(said))

    def _entries(self, engine: EventDrivenStrategyEngine) -> dict[str, tuple[float, float]]:
        """Entry prices of the book and of the venues, by position key, where a perp's gain depends on whose it is."""
        latest, settings, found = engine.position_update_handler.latest, self._parts.settings, {}
        for venue in self._parts.venues.values():
            for slot, theirs in venue.entry_prices().items() if isinstance(venue, PerpVenue) else ():
                ours, quantity = latest.positions.entry_prices[slot], latest.positions.quantities[slot]
                if quantity and not settings.tolerance.allows(theirs - ours, ours, quantity):
                    found[settings.universe.keys[slot]] = (ours, theirs)
        return found

    def _agree(self, engine: EventDrivenStrategyEngine, timestamp: int) -> None:
        self._attempt = 0
        last = self._journal.halted(Halt.DIFFERENCE)
        if last is not None and last.active and not self.acknowledged:
            why = f"book and venues agree again, nobody has acknowledged: {last.reason}"
            engine.health.report(COMPONENT, HealthState.UNHEALTHY, timestamp, why)
            return
        self._open(engine, timestamp, last)

    def _differ(self, engine: EventDrivenStrategyEngine, timestamp: int, found: Difference) -> None:
        last = self._journal.halted(Halt.DIFFERENCE)
        if self._attempt < len(DELAYS) and not (last is not None and last.active):
            self.again = DELAYS[self._attempt]
            self._attempt += 1
            self._parts.note(COMPONENT, "differs", f"{found.detail}; again in {self.again:g} s", level="warning")
            engine.health.report(COMPONENT, HealthState.UNKNOWN, timestamp, found.detail)
            return
        self._attempt = 0
        known = last is not None and self._same(found, last, engine)
        if self.acknowledged or (known and last is not None and not last.active):
            self._adjust(engine, timestamp, found, f"{found.detail}, by an operator")
            self._open(engine, timestamp, last)
        elif last is not None and last.active:
            reason = last.reason if known else self._close(found, engine)
            engine.health.report(COMPONENT, HealthState.UNHEALTHY, timestamp, reason)
        elif self._small(found, engine, timestamp):
            for part, receipt in zip(self._parted(found, engine), (True, False), strict=True):
                if part.keys:
                    taken = Adjustment(timestamp, self._worth(part, engine), dict(part.gaps), receipt)
                    self._journal.adjusted(taken)
            self._adjust(engine, timestamp, found, found.detail)
            self._tell_perps(found)
            self._open(engine, timestamp, last)
        else:
            reason = self._close(found, engine)
            engine.health.report(COMPONENT, HealthState.UNHEALTHY, timestamp, reason)

    def _small(self, found: Difference, engine: EventDrivenStrategyEngine, timestamp: int) -> bool:
        """Together with all that was adjusted since midnight: many small ones are a large one. Receipts count apart."""
        equity = engine.position_update_handler.latest.exposure.equity
        receipts, rest = self._parted(found, engine)
        received = self._worth(receipts, engine)
        if received and received + self._unexplained.received(timestamp) > self._parts.receipts * equity:
            return False
        differing = self._worth(rest, engine)
        return not rest.keys or differing + self._unexplained.unseen(engine, timestamp) <= self._parts.drift * equity

    def _parted(self, found: Difference, engine: EventDrivenStrategyEngine) -> tuple[Difference, Difference]:
        """What strangers may have added, and everything else.

        Beside something that is missing nothing is a gift: that is what an order looks like that the book does not
        know, or a reorganisation, and its two sides are one thing.
        """
        received = {key: gap for key, gap in found.gaps.items() if self._received(key, gap, engine)}
        missing = {key: gap for key, gap in found.gaps.items() if key not in received}
        rest = Difference(missing, found.entries, found.detail)
        if self._worth(rest, engine) > self._parts.drift * engine.position_update_handler.latest.exposure.equity:
            return Difference({}, {}, found.detail), found
        return Difference(received, {}, found.detail), rest

    def _received(self, key: str, gap: float, engine: EventDrivenStrategyEngine) -> bool:
        latest, settings = engine.position_update_handler.latest, self._parts.settings
        if in_transit(latest.positions, settings):
            return False
        return is_receipt(settings.universe.slot(key), gap, latest.market, settings)

    def _worth(self, found: Difference, engine: EventDrivenStrategyEngine) -> float:
        """USDT, whatever the sign."""
        latest, slot = engine.position_update_handler.latest, self._parts.settings.universe.slot
        gaps = sum(abs(gap * latest.market.value[slot(key)]) for key, gap in found.gaps.items())
        held, ours = latest.positions.quantities, latest.positions.entry_prices
        return gaps + sum(abs(held[slot(key)] * (price - ours[slot(key)])) for key, price in found.entries.items())

    def _tell_perps(self, found: Difference) -> None:
        """Somebody else may be trading on the account, or an order was executed that the book does not know."""
        universe = self._parts.settings.universe
        if not any(universe.instruments[universe.slot(key)].position_type is PositionType.PERP for key in found.keys):
            return
        remedy = "look for orders at the venue that are not this session's; --emergency-stop ends trading."
        self._parts.alert(COMPONENT, Alert("perp adjusted", f"{found.detail}: the venue's word was taken.", remedy))

    def _same(self, found: Difference, told: HaltEntry, engine: EventDrivenStrategyEngine) -> bool:
        """Nothing differs beyond what venues round from what somebody was told."""
        latest, slot = engine.position_update_handler.latest, self._parts.settings.universe.slot
        allows, held = self._parts.settings.tolerance.allows, latest.positions.quantities
        gaps = all(
            allows(found.gaps.get(key, 0.0) - told.gaps.get(key, 0.0), told.gaps.get(key, 0.0), value)
            for key in found.gaps.keys() | told.gaps.keys()
            for value in [latest.market.value[slot(key)]]
        )
        return gaps and all(
            key in told.entries and allows(price - told.entries[key], price, held[slot(key)])
            for key, price in found.entries.items()
        )

    def _close(self, found: Difference, engine: EventDrivenStrategyEngine) -> str:
        equity = engine.position_update_handler.latest.exposure.equity
        reason = f"{found.detail} (worth {self._worth(found, engine):,.2f} USDT, the book {equity:,.2f})"
        entry = HaltEntry(active=True, reason=reason, gaps=dict(found.gaps), entries=dict(found.entries))
        self._journal.halt(Halt.DIFFERENCE, entry)
        remedy = "find out why; --acknowledge takes the venues' word for it."
        self._parts.alert(COMPONENT, Alert("large difference", f"[LIVE-001] {reason}: nothing is traded.", remedy))
        return reason

    def _open(self, engine: EventDrivenStrategyEngine, timestamp: int, last: HaltEntry | None) -> None:
        """Trading is open; an acknowledgement is used up, so that it never covers a later difference."""
        if last is not None and (last.active or last.gaps or last.entries):
            agreed, seen = "book and venues agree", self._unexplained.total(engine)
            self._journal.halt(Halt.DIFFERENCE, HaltEntry(False, agreed, at=timestamp, unexplained=seen))
        engine.health.report(COMPONENT, HealthState.HEALTHY, timestamp)

    def _adjust(self, engine: EventDrivenStrategyEngine, timestamp: int, found: Difference, detail: str) -> None:
        latest = engine.position_update_handler.latest
        deltas: list[PositionDelta] = []
        receipts, _ = self._parted(found, engine)
        for key in found.keys:
            slot, gap = self._parts.settings.universe.slot(key), found.gaps.get(key, 0.0)
            if self._parts.settings.universe.instruments[slot].position_type is PositionType.PERP:
                deltas += _taken_over(slot, gap, latest, self._entry_of(slot))
            elif key in receipts.gaps:
                deltas.append(PositionDelta(slot, gap, DeltaSource.RECEIPT, price=latest.market.value[slot]))
            else:
                deltas.append(PositionDelta(slot, gap, DeltaSource.ADJUSTMENT))
        engine.position_update_handler.adjust(timestamp, latest.market, tuple(deltas))
        self._parts.note(COMPONENT, "adjusted to the venues", detail, level="warning")

    def _entry_of(self, slot: int) -> float | None:
        """What the venues say that the perp at `slot` was entered at; None if they hold none."""
        told = [venue.entry_prices() for venue in self._parts.venues.values() if isinstance(venue, PerpVenue)]
        return next((prices[slot] for prices in told if slot in prices), None)


def _taken_over(slot: int, gap: float, book: ChainSnapshot, entry: float | None) -> list[PositionDelta]:
    """The perp of the book is closed at its own entry price and that of the venue opened at the venue's.

    So nothing is realised, and what changes is what the position has gained: unexplained profit or loss.
    """
    held = book.positions.quantities[slot]
    closed = PositionDelta(slot, -held, DeltaSource.ADJUSTMENT, price=book.positions.entry_prices[slot])
    opened = PositionDelta(slot, held + gap, DeltaSource.ADJUSTMENT, price=entry or book.market.mark[slot])
    return [delta for delta in (closed, opened) if delta.amount]
