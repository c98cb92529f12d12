"""Repeats questions that an exchange or a node did not answer; never anything that changes something there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from basis_pipeline.domain.errors import VenueSilence
from basis_pipeline.domain.protocols import Clock
from basis_pipeline.venues.live.exchange import (
    Exchange,
    Execution,
    Fill,
    IncomeLine,
    Listing,
    MarketOrder,
    OpenOrder,
    OrderStatus,
    PerpHolding,
    PriceLine,
)

T = TypeVar("T")
DELAYS = (5.0, 10.0)
"""Seconds before the second and the third attempt (R37)."""
FEWER_DELAYS = DELAYS[:1]
"""Outside production: what fails there for longer is worth seeing (R43)."""


class Patience:
    """Asks once more after each delay; the last answer counts, whatever it is."""

    def __init__(self, clock: Clock, delays: tuple[float, ...] = DELAYS) -> None:
        self._clock, self._delays = clock, delays

    def ask(self, question: Callable[[], T]) -> T:
        for delay in self._delays:
            try:
                return question()
            except VenueSilence:
                self._clock.sleep(delay)
        return question()


class PatientExchange:
    """Implements `Exchange` around another one.

    What is held, what was paid and what is listed is asked for again after each of `delays`. Orders are not its
    business: their fate is polled by the venue on its own schedule. Prices are not either: a tick without them is
    skipped.
    """

    def __init__(self, exchange: Exchange, clock: Clock, delays: tuple[float, ...] = DELAYS) -> None:
        self._exchange, self._patience = exchange, Patience(clock, delays)

    @property
    def name(self) -> str:
        return self._exchange.name

    @property
    def receive_window(self) -> float:
        return self._exchange.receive_window

    def listing(self, symbol: str) -> Listing:
        return self._patience.ask(lambda: self._exchange.listing(symbol))

    def reload_listings(self) -> None:
        """Not repeated: the listings of before serve until the next time."""
        self._exchange.reload_listings()

    def open_orders(self) -> tuple[OpenOrder, ...]:
        return self._patience.ask(self._exchange.open_orders)

    def executions(self, symbol: str, since: int, until: int) -> tuple[Execution, ...]:
        return self._patience.ask(lambda: self._exchange.executions(symbol, since, until))

    def balances(self) -> dict[str, float]:
        return self._patience.ask(self._exchange.balances)

    def perps(self) -> dict[str, PerpHolding]:
        return self._patience.ask(self._exchange.perps)

    def funding_since(self, symbol: str, since: int) -> tuple[IncomeLine, ...]:
        return self._patience.ask(lambda: self._exchange.funding_since(symbol, since))

    def check_account(self, perps: Sequence[str], leverage: float) -> None:
        self._patience.ask(lambda: self._exchange.check_account(perps, leverage))

    def make_room(self, order: MarketOrder, price: float) -> None:
        self._exchange.make_room(order, price)

    def gather(self) -> None:
        """May be repeated: it moves what it finds, and where it was done already it finds nothing."""
        self._patience.ask(self._exchange.gather)

    def place(self, order: MarketOrder) -> OrderStatus:
        return self._exchange.place(order)

    def find(self, symbol: str, client_id: str) -> OrderStatus | None:
        return self._exchange.find(symbol, client_id)

    def fills(self, symbol: str, reference: str) -> tuple[Fill, ...]:
        return self._exchange.fills(symbol, reference)

    def prices(self, symbol: str) -> PriceLine:
        return self._exchange.prices(symbol)


def delays_in(environment: str) -> tuple[float, ...]:
    """Staging retries less than production."""
    return DELAYS if environment == "prod" else FEWER_DELAYS
