"""What a live session writes down, in its own words.

The state of the engine is written after every completed tick, together with the record of what happened in it. Orders
of a tick that was interrupted are in neither yet; their intents and facts are in the journal, and a restart books them
on top of the last state.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, Self

import msgspec

from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.intents import BookedIncome, Facts, Intent, OpenIntent, SettledIntent
from basis_pipeline.domain.state import EngineState
from basis_pipeline.live_journal.database import Entry, JournalDatabase, Kind, Mark
from basis_pipeline.live_journal.halts import Adjustment, Halt, HaltEntry
from basis_pipeline.live_journal.pulse import OrderDelays, Pulse


class WallClock(Protocol):
    """Wall-clock microseconds UTC."""

    def __call__(self) -> int: ...


class Action(msgspec.Struct, frozen=True):
    """Something a component or an operator did (R62).

    Attributes:
        seconds: how long it took.
        level: `info`, `warning`, `error` or `critical`.
        phases: seconds by part, where it has parts.
        told: people were told.
    """

    component: str
    what: str
    detail: str = ""
    seconds: float | None = None
    level: str = "info"
    phases: dict[str, float] = {}
    told: bool = False


class LiveJournal:
    """The journal of one mode in one environment; implements `IntentJournal`.

    Args:
        path: the SQLite file; created if absent.
        belongs_to: mode and environment, for example `btc_basis@staging`.
        now: wall clock.
    """

    def __init__(self, database: JournalDatabase, now: WallClock) -> None:
        self._database = database
        self._now = now
        self._id = database.about("journal_id")

    @classmethod
    def open(cls, path: Path, *, belongs_to: str, now: WallClock) -> Self:
        return cls(JournalDatabase.open(path, belongs_to=belongs_to), now)

    @property
    def path(self) -> Path:
        return self._database.path

    @property
    def identity(self) -> str:
        """Hexadecimal; no other journal has it."""
        return self._id

    @classmethod
    def read(cls, path: Path, now: WallClock) -> Self:
        """An existing journal, to look at; StateError JOURNAL-001 if there is none."""
        return cls(JournalDatabase.read(path), now)

    @property
    def belongs_to(self) -> str:
        """Mode and environment, for example `btc_basis@staging`."""
        return self._database.about("belongs_to")

    def next_id(self, operation_id: int) -> str:
        """`bp`, the journal's own random id, the operation in hexadecimal: unique even after a journal was lost."""
        return f"bp{self._id}{operation_id:x}"

    def intend(self, intent: Intent) -> None:
        if not self._append(Kind.INTENT, intent.intent_id, msgspec.json.encode(intent)):
            raise StateError(
                f"intent {intent.intent_id} (operation {intent.order.operation_id} at {intent.order.venue}) is already "
                f"in {self._database.path}.",
                code="JOURNAL-002",
                remedy="its fate has to be found out at the venue; it must not be sent again.",
            )

    def sent(self, intent_id: str, reference: str) -> None:
        self._append(Kind.SENT, intent_id, reference.encode())

    def settle(self, intent_id: str, facts: Facts) -> None:
        payload = msgspec.json.encode(facts)
        if self._append(Kind.FACTS, intent_id, payload):
            return
        known = self._database.find(Kind.FACTS, intent_id)
        if known is not None and known.payload != payload:
            raise StateError(
                f"the venue now tells another story about intent {intent_id}: {payload.decode()}; the journal has "
                f"{known.payload.decode()}.",
                code="JOURNAL-003",
                remedy="compare with the venue's own history before trading on.",
            )

    def open_intents(self) -> tuple[OpenIntent, ...]:
        settled = {entry.key for entry in self._database.entries(Kind.FACTS)}
        references = {entry.key: entry.payload.decode() for entry in self._database.entries(Kind.SENT)}
        return tuple(
            OpenIntent(_intent(entry), references.get(entry.key, ""))
            for entry in self._database.entries(Kind.INTENT)
            if entry.key not in settled
        )

    def settled_after(self, operation_id: int) -> tuple[SettledIntent, ...]:
        """Intents of later operations with their facts: what a state that ends at `operation_id` does not contain."""
        facts = {entry.key: entry.payload for entry in self._database.entries(Kind.FACTS)}
        intents = (_intent(entry) for entry in self._database.entries(Kind.INTENT) if entry.key in facts)
        later = [intent for intent in intents if intent.order.operation_id > operation_id]
        return tuple(SettledIntent(i, msgspec.json.decode(facts[i.intent_id], type=Facts)) for i in later)

    @property
    def intents(self) -> int:
        """How many orders were ever about to be sent."""
        return sum(1 for _ in self._database.entries(Kind.INTENT))

    @property
    def last_operation(self) -> int:
        """The highest operation id ever intended; a resumed session counts on from here."""
        return max((_intent(e).order.operation_id for e in self._database.entries(Kind.INTENT)), default=0)

    def began(self, about: bytes) -> None:
        """A session of this record begins; `about` says what it is made of."""
        self._append(Kind.SESSION, self._id, about)

    def save_state(self, state: EngineState, record: bytes) -> None:
        """The state after a completed tick, compressed, and the record of what led to it: both, or neither."""
        key = str(state.timestamp)
        with self._database.together():
            self._append(Kind.TICK, key, record)
            self._append(Kind.STATE, key, zlib.compress(msgspec.json.encode(state)))

    def last_state(self) -> EngineState | None:
        entry = self._database.last(Kind.STATE)
        return _state(entry, self._database.path) if entry else None

    def settled_until(self) -> int | None:
        """Microseconds UTC up to which the last saved state knows what venues paid; None before the first state.

        That is its tick, or the one its values are of: on values that are held nothing is settled.
        """
        state = self.last_state()
        if state is None:
            return None
        return state.timestamp if state.market is None or state.market.as_of is None else state.market.as_of

    @property
    def income_unsaved(self) -> bool:
        """Whether a line of income was written for a refresh that no saved state contains."""
        written, saved = self._database.last(Kind.INCOME), self._database.last(Kind.STATE)
        return written is not None and (saved is None or written.number > saved.number)

    def state_before(self, timestamp: int) -> EngineState | None:
        """The last state of a tick before `timestamp`, microseconds UTC."""
        entry = self._database.last_below(Kind.STATE, timestamp)
        return _state(entry, self._database.path) if entry else None

    def ticks(self) -> list[Mark]:
        """The records of completed ticks; the key of each is its timestamp."""
        return list(self._database.marks(Kind.TICK))

    def state_of(self, tick: Mark) -> EngineState:
        """The state that was written with a record."""
        return _state(next(self._database.entries(Kind.STATE, after=tick.number)), self.path)

    def last(self, kind: Kind) -> Entry | None:
        """The last entry of a kind."""
        return self._database.last(kind)

    def first_state_at(self) -> int | None:
        """When the record began to be lived, microseconds UTC; None before its first state."""
        first = next(self._database.entries(Kind.STATE), None)
        return int(first.key) if first else None

    def states(self) -> Iterator[EngineState]:
        """The state of every completed tick, oldest first."""
        for entry in self._database.entries(Kind.STATE):
            yield _state(entry, self._database.path)

    def income(self, venue: str, reference: str, payload: bytes) -> bool:
        """Record one line of a venue's income history; False if a saved state contains it.

        A line counts as booked once a state was saved after it: a tick that dies in between is done again, and books
        it then. A state may therefore be saved only of a tick whose refresh was committed.
        """
        known = self.booked_income(venue, reference)
        if known is None:
            self._append(Kind.INCOME, f"{venue}:{reference}", payload)
            return True
        return not known.saved

    def tell_transfer(self, intent_id: str, arrived: float) -> None:
        """Write down what an operator says has arrived of a transfer, in tokens."""
        self._append(Kind.TRANSFER, intent_id, msgspec.json.encode(arrived))

    def told_transfer(self, intent_id: str) -> float | None:
        """What an operator was the first to say has arrived of a transfer; None if nobody said anything."""
        told = self._database.find(Kind.TRANSFER, intent_id)
        return None if told is None else msgspec.json.decode(told.payload, type=float)

    def booked_income(self, venue: str, reference: str) -> BookedIncome | None:
        """What `income` was told about this line; None if nothing yet."""
        known = self._database.find(Kind.INCOME, f"{venue}:{reference}")
        if known is None:
            return None
        saved = self._database.last(Kind.STATE)
        return BookedIncome(known.payload, saved is not None and saved.number > known.number)

    def halt(self, halt: Halt, entry: HaltEntry) -> None:
        """Close trading, or open it again; also from another process than the session's."""
        self._append(Kind.HALT, halt, msgspec.json.encode(entry))

    def halted(self, halt: Halt) -> HaltEntry | None:
        """The last word about `halt`: whether it is active is in it; None if there never was any."""
        entry = self._database.last_about(Kind.HALT, halt)
        return msgspec.json.decode(entry.payload, type=HaltEntry) if entry else None

    def adjusted(self, adjustment: Adjustment) -> None:
        """Write down a difference before it is taken over from the venues."""
        self._append(Kind.ADJUSTMENT, str(adjustment.at), msgspec.json.encode(adjustment))

    def adjusted_since(self, timestamp: int) -> tuple[Adjustment, ...]:
        """Of the ticks from `timestamp` on (microseconds UTC) whose state was saved: those that are in the book."""
        entries = [entry for entry in self._database.entries(Kind.ADJUSTMENT) if int(entry.key) >= timestamp]
        return tuple(msgspec.json.decode(e.payload, type=Adjustment) for e in entries if self._is_saved(int(e.key)))

    def _is_saved(self, tick: int) -> bool:
        state = self._database.last_below(Kind.STATE, tick + 1)
        return state is not None and int(state.key) == tick

    @property
    def size(self) -> int:
        """Number of the last entry."""
        return self._database.size

    def pulse(self, pulse: Pulse) -> None:
        self._append(Kind.PULSE, str(pulse.timestamp), msgspec.json.encode(pulse))

    def pulses(self, count: int) -> list[Pulse]:
        """The last ones, oldest first."""
        return [msgspec.json.decode(e.payload, type=Pulse) for e in self._database.latest(Kind.PULSE, count)]

    def delay(self, delays: OrderDelays) -> None:
        self._append(Kind.DELAYS, str(delays.operation_id), msgspec.json.encode(delays))

    def delays(self, count: int) -> list[OrderDelays]:
        """Of the last orders, oldest first."""
        return [msgspec.json.decode(e.payload, type=OrderDelays) for e in self._database.latest(Kind.DELAYS, count)]

    def last_action(self, component: str) -> tuple[int, Action] | None:
        """The last one of a component with the wall-clock time it was written at."""
        entry = self._database.last_about(Kind.ACTION, component)
        return (entry.written_at, msgspec.json.decode(entry.payload, type=Action)) if entry else None

    def actions(self, count: int) -> list[tuple[int, Action]]:
        """The last ones with the wall-clock time they were written at, oldest first."""
        return [
            (e.written_at, msgspec.json.decode(e.payload, type=Action))
            for e in self._database.latest(Kind.ACTION, count)
        ]

    def action(self, action: Action) -> None:
        self._append(Kind.ACTION, action.component, msgspec.json.encode(action))

    def entries(self, *kinds: Kind, after: int = 0) -> Iterator[Entry]:
        return self._database.entries(*kinds, after=after)

    def close(self) -> None:
        self._database.close()

    def _append(self, kind: Kind, key: str, payload: bytes) -> bool:
        return self._database.append(self._now(), kind, key, payload)


def _intent(entry: Entry) -> Intent:
    return msgspec.json.decode(entry.payload, type=Intent)


def _state(entry: Entry, source: Path) -> EngineState:
    return EngineState.from_json(zlib.decompress(entry.payload), source=f"{source}, entry {entry.number}")
