"""The market as exchanges tell it now, in the same snapshot that a backtest reads from files."""

from __future__ import annotations

from collections.abc import Mapping

from basis_pipeline.domain.errors import DataGapError, VenueError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.position_keys import Instrument, PositionType
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.timeline import SECOND, iso
from basis_pipeline.venues.live.exchange import Exchange, PriceLine
from basis_pipeline.venues.live.fates import symbol_of

STABLE = "USDT"


class ExchangePrices:
    """What exchanges say at one moment; every symbol is asked for once, so that one snapshot has one price of it.

    Raises:
        DataGapError: a price is missing or too old, or its venue does not answer.
    """

    def __init__(
        self, exchanges: Mapping[str, Exchange], reference: Mapping[str, str], timestamp: int, maximum_age: float
    ) -> None:
        self._exchanges, self._reference = exchanges, reference
        self._timestamp, self._maximum_age = timestamp, maximum_age
        self._told: dict[tuple[str, str], PriceLine] = {}

    def quotes(self, asset: str) -> bool:
        """Whether an exchange has a price of `asset`."""
        return asset == STABLE or asset in self._reference

    def price(self, asset: str) -> float:
        """USDT per unit, at the reference venue."""
        return 1.0 if asset == STABLE else self._ask(self._reference[asset], f"{asset}/USDT").last

    def line(self, instrument: Instrument) -> PriceLine | None:
        """What the venue of a position says of it; None for cash, and for what is at no exchange."""
        traded = instrument.position_type is PositionType.PERP or (
            instrument.position_type is PositionType.BASE_TOKEN and instrument.token != STABLE
        )
        if not traded or instrument.key.venue not in self._exchanges:
            return None
        return self._ask(instrument.key.venue, symbol_of(instrument))

    @property
    def told(self) -> dict[str, int]:
        """When each price that was asked for was made, microseconds UTC, by venue and symbol."""
        return {f"{venue} {symbol}": line.at for (venue, symbol), line in self._told.items()}

    def _ask(self, venue: str, symbol: str) -> PriceLine:
        if (known := self._told.get((venue, symbol))) is not None:
            return known
        when = iso(self._timestamp)
        try:
            line = self._exchanges[venue].prices(symbol)
        except VenueError as error:
            raise DataGapError(f"no price of {symbol} from {venue} at {when}: {error.message}") from error
        age = (self._timestamp - line.at) / SECOND
        if age > self._maximum_age:
            raise DataGapError(
                f"the price of {symbol} from {venue} is {age:.0f} s old at {when}, the maximum is "
                f"{self._maximum_age:.0f} s.",
                remedy="nothing is traded on it; check the venue and this machine's clock.",
            )
        self._told[venue, symbol] = line
        return line


class LiveExchangeFeed:
    """Implements `MarketFeed` for books whose positions are tokens and perps at exchanges, and USDT in a wallet.

    Args:
        settings: shared by all components.
        exchanges: by venue name.
        reference: by asset, the venue whose spot price values it.
        maximum_age: seconds; an older price is a gap, never a price.

    Attributes:
        told: when what the last snapshot is made of was made, microseconds UTC, by name.

    Raises:
        DataGapError: a price is missing or too old, or its venue does not answer: the tick is skipped.
    """

    def __init__(
        self,
        settings: EngineSettings,
        exchanges: Mapping[str, Exchange],
        reference: Mapping[str, str],
        *,
        maximum_age: float = 120.0,
    ) -> None:
        self._settings, self._exchanges, self._reference = settings, exchanges, reference
        self._maximum_age = maximum_age
        self.told: dict[str, int] = {}
        self._perps = frozenset(settings.universe.slots_of(PositionType.PERP))

    def prices(self, timestamp: int) -> ExchangePrices:
        """What the exchanges say at `timestamp`, which must be now."""
        return ExchangePrices(self._exchanges, self._reference, timestamp, self._maximum_age)

    def at(self, timestamp: int) -> MarketSnapshot:
        """The snapshot at `timestamp`, which must be now; perps pay funding by the venues' income, not by rate."""
        universe, told = self._settings.universe, self.prices(timestamp)
        price = tuple(told.price(instrument.asset) for instrument in universe)
        lines = [told.line(instrument) for instrument in universe]
        last = tuple(line.last if line else price[slot] for slot, line in enumerate(lines))
        mark = tuple(line.mark if line and line.mark is not None else price[slot] for slot, line in enumerate(lines))
        ones = (1.0,) * len(universe)
        value = tuple(mark[slot] if slot in self._perps else price[slot] for slot in range(len(universe)))
        share_price = told.price(self._settings.share_asset)
        self.told = told.told
        return MarketSnapshot(
            timestamp=timestamp,
            price=price,
            index=ones,
            ratio=ones,
            mark=mark,
            last=last,
            value=value,
            underlying=ones,
            low=mark,
            high=mark,
            funding=(0.0,) * len(universe),
            usd=1.0,
            share_price=share_price,
        )
