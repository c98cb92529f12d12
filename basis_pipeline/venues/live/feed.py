"""The market as exchanges tell it now, in the same snapshot that a backtest reads from files."""

from __future__ import annotations

from collections.abc import Mapping

from basis_pipeline.domain.errors import DataGapError, VenueError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.position_keys import Instrument, PositionType
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.timeline import SECOND, iso
from basis_pipeline.venues.live.cex import symbol_of
from basis_pipeline.venues.live.exchange import Exchange, PriceLine


class LiveExchangeFeed:
    """Implements `MarketFeed` for books whose positions are tokens and perps at exchanges, and USDT in a wallet.

    Args:
        settings: shared by all components.
        exchanges: by venue name.
        reference: by asset, the venue whose spot price values it.
        maximum_age: seconds; an older price is a gap, never a price.

    Raises:
        DataGapError: a price is missing or too old, or its venue does not answer: the tick is skipped (C24).
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
        self._perps = frozenset(settings.universe.slots_of(PositionType.PERP))

    def at(self, timestamp: int) -> MarketSnapshot:
        """The snapshot at `timestamp`, which must be now; perps pay funding by the venues' income, not by rate."""
        universe = self._settings.universe
        price = tuple(self._price(instrument.asset, timestamp) for instrument in universe)
        lines = [self._line(instrument, timestamp) for instrument in universe]
        last = tuple(line.last if line else price[slot] for slot, line in enumerate(lines))
        mark = tuple(line.mark if line and line.mark is not None else price[slot] for slot, line in enumerate(lines))
        ones = (1.0,) * len(universe)
        value = tuple(mark[slot] if slot in self._perps else price[slot] for slot in range(len(universe)))
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
            share_price=self._price(self._settings.share_asset, timestamp),
        )

    def _price(self, asset: str, timestamp: int) -> float:
        """USDT per unit, at the reference venue."""
        if asset == "USDT":
            return 1.0
        return self._ask(self._reference[asset], f"{asset}/USDT", timestamp).last

    def _line(self, instrument: Instrument, timestamp: int) -> PriceLine | None:
        traded = instrument.position_type is PositionType.PERP or (
            instrument.position_type is PositionType.BASE_TOKEN and instrument.token != "USDT"
        )
        if not traded or instrument.key.venue not in self._exchanges:
            return None
        return self._ask(instrument.key.venue, symbol_of(instrument), timestamp)

    def _ask(self, venue: str, symbol: str, timestamp: int) -> PriceLine:
        try:
            line = self._exchanges[venue].prices(symbol)
        except VenueError as error:
            raise DataGapError(f"no price of {symbol} from {venue} at {iso(timestamp)}: {error.message}") from error
        age = (timestamp - line.at) / SECOND
        if age > self._maximum_age:
            raise DataGapError(
                f"the price of {symbol} from {venue} is {age:.0f} s old at {iso(timestamp)}, the maximum is "
                f"{self._maximum_age:.0f} s.",
                remedy="nothing is traded on it; check the venue and this machine's clock.",
            )
        return line
