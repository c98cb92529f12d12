"""What a live session is made of, and what it asks of each part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from basis_pipeline.domain.events import AnyEvent
from basis_pipeline.domain.intents import Facts, OpenIntent
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, Order
from basis_pipeline.domain.protocols import Clock, MarketFeed, Strategy, Venue
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.live_journal.halts import EmergencyPolicy
from basis_pipeline.live_journal.journal import Action, LiveJournal
from basis_pipeline.runs.live.hearing import Hearing


class LiveClock(Clock, Protocol):
    """Also knows what time it is."""

    def wall(self) -> int:
        """Microseconds UTC."""

    def idle(self, seconds: float, stopped: Callable[[], bool]) -> None:
        """Wait between ticks, no longer than until `stopped`."""


class LiveFeed(MarketFeed, Protocol):
    """Also knows how old is what it said."""

    @property
    def told(self) -> Mapping[str, int]:
        """When what the last snapshot is made of was made, microseconds UTC, by name."""


class LiveVenue(Venue, Protocol):
    """A venue whose orders can be found again."""

    def resolve(self, open_intent: OpenIntent) -> Facts | None: ...

    def booked(self, order: Order, facts: Facts, market: MarketSnapshot) -> ExecutionHandshake:
        """What facts that were found later amount to."""


@runtime_checkable
class PerpVenue(Protocol):
    """A venue that says what its perps were entered at."""

    def entry_prices(self) -> Mapping[int, float]:
        """Average entry prices of open perps by slot, of the moment at which `positions` was last asked for."""


class Alert(msgspec.Struct, frozen=True):
    """What an operator has to know at once. `what` is a few words that stay the same, `message` says the rest."""

    what: str
    message: str
    remedy: str = ""


class TransitWatch(Protocol):
    """What a session asks of funds between venues."""

    def overdue(self, now: int) -> tuple[str, ...]:
        """One line for each transfer that should have arrived by `now` (microseconds UTC)."""


class ResultsPublisher(Protocol):
    """Obligations: neither raises nor keeps a tick waiting, whatever becomes of the results."""

    def due(self, now: int) -> Iterable[Action]:
        """Publish if it is time, and say what became of the last time."""

    def finished(self) -> Iterable[Action]:
        """Publish what a session leaves at its end."""

    def left(self) -> Iterable[Action]:
        """Begin to publish what a session leaves that fails, and wait for nothing."""


class SessionParts(msgspec.Struct, frozen=True):
    """What a session is made of.

    Attributes:
        settings: wired for live: its tolerance is what real venues round.
        venues: by name; those that hold nothing and trade nothing may be simulated.
        drift: fraction of equity up to which the differences of a day are adjusted without asking.
        receipts: fraction of equity that strangers may add to a book on chain in a day before somebody is asked.
        interval: seconds between ticks.
        stop_loss: drawdown at which trading ends, as a fraction.
        emergency: what an emergency stop does where nobody says otherwise.
        unexplained_alert: fraction of equity; more than this without explanation in a day is told.
        heartbeat: seconds without a completed tick after which the session fails.
        hold: seconds for which the book is reported on at values that were told before; 0 for all but lending (R97).
        watch: seconds between looks at what others do on the accounts, and at instruments that cannot be traded.
        many_orders: in one tick, from which on they are pointed out: fewer are typical (R100).
        minimum_room: bytes that have to be free on the journal's volume for orders to be sent.
        room: says how many are; None: the volume itself.
        log: told everything that goes into the journal as an action.
        tell: takes alerts to people.
        hearing: listens to the venues' clients.
        transit: of sessions that move funds between venues.
        results: publishes the record beside backtests while the session runs.
    """

    settings: EngineSettings
    strategy: Strategy
    venues: Mapping[str, LiveVenue]
    feed: LiveFeed
    journal: LiveJournal
    clock: LiveClock
    interval: float = 60.0
    drift: float = 1e-3
    receipts: float = 0.05
    stop_loss: float = 1.0
    emergency: EmergencyPolicy = EmergencyPolicy.FREEZE
    unexplained_alert: float = 1e-4
    heartbeat: float = 300.0
    hold: float = 0.0
    watch: float = 300.0
    many_orders: int = 10
    minimum_room: float = 100e6
    room: Callable[[], float] | None = None
    log: Callable[[Action], None] | None = None
    tell: Callable[[Alert], None] | None = None
    hearing: Hearing | None = None
    transit: TransitWatch | None = None
    results: ResultsPublisher | None = None

    def trace(self, action: Action) -> None:
        """Tell the log alone: what happens in every tick is summed up in its pulse."""
        if self.log is not None:
            self.log(action)

    def report(self, events: Sequence[AnyEvent]) -> None:
        """Every event of the components as an action (R62)."""
        for event in events:
            severity = str(event.severity)
            self.note(str(type(event).__struct_config__.tag), severity, event.message, level=severity)

    def publish(self, *, finished: bool = False) -> None:
        """Let results be published if it is time; what became of it is an action."""
        if self.results is None:
            return
        for done in self.results.finished() if finished else self.results.due(self.clock.wall()):
            self.record(done)

    def leave_results(self) -> None:
        """At the end of a session that fails or is refused."""
        for done in self.results.left() if self.results is not None else ():
            self.record(done)

    def note(
        self, component: str, what: str, detail: str = "", seconds: float | None = None, level: str = "info"
    ) -> None:
        """Write an action into the journal and tell the log."""
        self.record(Action(component, what, detail, seconds, level))

    def record(self, action: Action) -> None:
        """As `note`, of an action that is made already."""
        self.journal.action(action)
        self.trace(action)

    def alert(self, component: str, alert: Alert) -> None:
        """Write it down, and tell people."""
        detail = f"{alert.message} Remedy: {alert.remedy}" if alert.remedy else alert.message
        self.record(Action(component, alert.what, detail, level="critical", told=True))
        if self.tell is not None:
            self.tell(alert)
