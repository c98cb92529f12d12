"""What became of an order at an exchange: asked for by its client id until there is a whole story.

An order that the exchange does not show may still be on its way until its receive window has passed. One that it has
acknowledged exists: histories lag by a minute on bad days, so it is not called lost before it has been absent for most
of the deadline, which is when it was taken, filled by nothing, and forgotten.
"""

from __future__ import annotations

from typing import NamedTuple

from basis_pipeline.domain.errors import VenueError, VenueRefusal
from basis_pipeline.domain.intents import Facts, Fate, Intent, IntentJournal
from basis_pipeline.domain.position_keys import Instrument, PositionType
from basis_pipeline.domain.protocols import Clock
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.venues.live.booking import executed
from basis_pipeline.venues.live.exchange import Exchange, OrderStatus

POLL_DELAYS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Seconds between questions about an order; the last one repeats."""
WINDOW_MARGIN = 5.0
"""Seconds beyond the receive window before an unknown order is called lost: clocks differ."""
ACKNOWLEDGED = 0.75
"""Of the deadline, before an order that was acknowledged and is not shown is called lost."""


class Sending(NamedTuple):
    """How an order was sent.

    Attributes:
        at: seconds of the session's clock; it did not leave later.
        acknowledged: the exchange has named it.
        trouble: what was answered instead.
    """

    at: float
    acknowledged: bool = False
    trouble: VenueError | None = None


class OrderFates:
    """Asks one exchange.

    Args:
        deadline: seconds after which a fate that is still unknown stops the session (R36).
    """

    def __init__(
        self, exchange: Exchange, settings: EngineSettings, journal: IntentJournal, clock: Clock, deadline: float
    ) -> None:
        self._exchange, self._settings, self._journal = exchange, settings, journal
        self._clock, self._deadline = clock, deadline
        held = (i for i in settings.universe if i.key.venue == exchange.name)
        self._tokens = frozenset(i.token for i in held if i.position_type is PositionType.BASE_TOKEN)

    def find_out(self, intent: Intent, sending: Sending) -> Facts | None:
        """Ask until the exchange tells the whole story, it can no longer have one, or the deadline has come.

        What is found is in the journal when this returns.
        """
        symbol = symbol_of(self._settings.universe.instruments[intent.order.slot])
        for delay in _delays(POLL_DELAYS):
            if self._clock.now() + delay - sending.at > self._deadline:
                return None
            self._clock.sleep(delay)
            try:
                status = self._exchange.find(symbol, intent.intent_id)
                facts = self._absent(sending) if status is None else self._facts(intent, symbol, status)
            except VenueError:
                continue
            if facts is not None:
                self._journal.settle(intent.intent_id, facts)
                return facts
        return None

    def _facts(self, intent: Intent, symbol: str, status: OrderStatus) -> Facts | None:
        """The story as far as it is complete: None while the order may still fill, or show its trades."""
        if not status.done:
            return None
        if not status.filled:
            why = f"{self._exchange.name} took the order and filled nothing of it."
            return Facts(fate=Fate.REJECTED, reference=status.reference, error_code="VEN-003", error_message=why)
        fills = self._exchange.fills(symbol, status.reference)
        if abs(sum(fill.quantity for fill in fills) - status.filled) > 1e-9 * status.filled:
            return None
        instrument = self._settings.universe.instruments[intent.order.slot]
        return executed(self._exchange.name, instrument, intent.order, status.reference, fills, self._tokens)

    def _absent(self, sending: Sending) -> Facts | None:
        """The exchange does not show the order: refused, or on its way until it can no longer arrive or appear."""
        trouble = sending.trouble
        if isinstance(trouble, VenueRefusal):
            return Facts(fate=Fate.REJECTED, error_code=trouble.code, error_message=trouble.message)
        arrived = self._exchange.receive_window + WINDOW_MARGIN
        shown = max(arrived, ACKNOWLEDGED * self._deadline) if sending.acknowledged else arrived
        if self._clock.now() - sending.at <= shown:
            return None
        happened = "took the order and shows nothing of it" if sending.acknowledged else "never got the order"
        why = f"{self._exchange.name} {happened}" + (f"; {trouble.message}" if trouble else ".")
        return Facts(fate=Fate.REJECTED, error_code="VEN-006", error_message=why)


def symbol_of(instrument: Instrument) -> str:
    """`BTC/USDT` or `BTC/USDT:USDT`, as the client library spells it."""
    if instrument.position_type is PositionType.PERP:
        return f"{instrument.token}/{instrument.quote}:{instrument.quote}"
    return f"{instrument.token}/USDT"


def _delays(first: tuple[float, ...]) -> list[float]:
    """The given delays, then the last of them for as long as any deadline lasts."""
    return [*first, *([first[-1]] * 1_000)]
