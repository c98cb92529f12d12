"""The market of a book that is at exchanges and on a chain at once: one snapshot, each value from where it is made.

======================================  ==============================================================
price of an asset                       spot at its reference exchange, for every position of it
last and mark of what exchanges trade   the venue itself
Aave indices, protocol ratios, gas      the chain, all at one block
what a token sells for on chain         the pool's price in ETH at that block, times the price of ETH
USD per USDT                            the lending protocol's oracle
======================================  ==============================================================

The health factor needs no price of ETH: collateral and debt are both in it, and their ratio is the protocol's own.
"""

from __future__ import annotations

from basis_pipeline.domain.errors import DataGapError, VenueError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.position_keys import Instrument, PositionType
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.timeline import iso
from basis_pipeline.venues.live.chain_feed import ChainLine, ChainReader
from basis_pipeline.venues.live.exchange import PriceLine
from basis_pipeline.venues.live.feed import ExchangePrices, LiveExchangeFeed

GAS_ASSET = "ETH"


class LiveHybridFeed:
    """Implements `MarketFeed` for books at exchanges and on chain.

    Args:
        settings: shared by all components.
        exchanges: their prices; it has a reference exchange for ETH, whose gas is paid in.
        reader: the chain.

    Attributes:
        told: as `LiveExchangeFeed`.

    Raises:
        DataGapError: an exchange or the node is silent, or what it says is too old: the tick is skipped. The
            message names the source; the newest word of each has its own age.
    """

    def __init__(self, settings: EngineSettings, exchanges: LiveExchangeFeed, reader: ChainReader) -> None:
        self._settings, self._exchanges, self._reader = settings, exchanges, reader
        self.told: dict[str, int] = {}

    def at(self, timestamp: int) -> MarketSnapshot:
        """The snapshot at `timestamp`, which must be now; perps pay funding by the venues' income, not by rate."""
        try:
            return self._at(timestamp)
        except VenueError as error:
            raise DataGapError(f"the chain says nothing at {iso(timestamp)}: {error.message}") from error

    def _at(self, timestamp: int) -> MarketSnapshot:
        universe, reader, told = self._settings.universe, self._reader, self._exchanges.prices(timestamp)
        eth = told.price(GAS_ASSET)
        block = reader.block(timestamp)
        chain = [reader.line(instrument, block.number) for instrument in universe]
        traded = [told.line(instrument) for instrument in universe]
        price = tuple(_price(i, line, told, eth) for i, line in zip(universe, chain, strict=True))
        underlying = tuple(i.sign * line.index * line.ratio for i, line in zip(universe, chain, strict=True))
        last = tuple(map(_last, price, chain, traded, (eth,) * len(universe)))
        mark = tuple(map(_mark, price, traded))
        share_price = told.price(self._settings.share_asset)
        self.told = told.told | reader.told
        return MarketSnapshot(
            timestamp=timestamp,
            price=price,
            index=tuple(line.index for line in chain),
            ratio=tuple(line.ratio for line in chain),
            mark=mark,
            last=last,
            value=tuple(map(_value, universe, price, underlying, mark)),
            underlying=underlying,
            low=mark,
            high=mark,
            funding=(0.0,) * len(universe),
            usd=reader.usd("USDT", block.number),
            share_price=share_price,
            gas_price=reader.gas_price(block),
            gas_token_price=eth,
            liquidation_threshold=reader.liquidation_threshold(block.number),
        )


def _price(instrument: Instrument, line: ChainLine, told: ExchangePrices, eth: float) -> float:
    """USDT per unit of the asset; a token that no exchange quotes has its pool's price, and none without a pool."""
    if told.quotes(instrument.asset):
        return told.price(instrument.asset)
    return 0.0 if line.pool_price is None else line.pool_price * eth


def _last(price: float, line: ChainLine, traded: PriceLine | None, eth: float) -> float:
    if traded is not None:
        return traded.last
    return price * line.ratio if line.pool_price is None else line.pool_price * eth


def _mark(price: float, traded: PriceLine | None) -> float:
    return price if traded is None or traded.mark is None else traded.mark


def _value(instrument: Instrument, price: float, underlying: float, mark: float) -> float:
    return mark if instrument.position_type is PositionType.PERP else underlying * price
