"""The account that a session trades, as everybody sees it: what others do on it, and what its exchange does to it."""

from __future__ import annotations

from collections.abc import Iterable

from basis_pipeline.domain.errors import VenueRefusal
from basis_pipeline.domain.position_keys import Instrument, PositionType
from basis_pipeline.venues.live.exchange import Exchange, Execution, Listing, OpenOrder
from basis_pipeline.venues.live.fates import symbol_of

_CASH = "USDT"


class ExchangeAccount:
    """Asks one exchange about `instruments`, which are a session's.

    Raises:
        VenueError: the exchange does not say.
    """

    def __init__(self, exchange: Exchange, instruments: Iterable[Instrument]) -> None:
        self._exchange = exchange
        self._symbols = tuple(dict.fromkeys(symbol_of(instrument) for instrument in instruments if _traded(instrument)))

    @property
    def name(self) -> str:
        return self._exchange.name

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """All that rest on the account, of whatever instrument: they hold back cash or margin of the session's."""
        return self._exchange.open_orders()

    def executions(self, since: int, until: int) -> tuple[Execution, ...]:
        """Trades of the session's instruments from `since` to `until`, microseconds UTC."""
        return tuple(trade for symbol in self._symbols for trade in self._exchange.executions(symbol, since, until))

    def reload_listings(self) -> None:
        self._exchange.reload_listings()

    def listings(self) -> dict[str, Listing | None]:
        """By symbol, as they were loaded last; None: the exchange lists it no more."""
        return {symbol: self._listing(symbol) for symbol in self._symbols}

    def _listing(self, symbol: str) -> Listing | None:
        try:
            return self._exchange.listing(symbol)
        except VenueRefusal:
            return None


def _traded(instrument: Instrument) -> bool:
    kind = instrument.position_type
    return kind is PositionType.PERP or (kind is PositionType.BASE_TOKEN and instrument.token != _CASH)
