"""A fake exchange that shows the candles of a frame, and pays funding when the frame does."""

from __future__ import annotations

from dataclasses import dataclass, field

from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.position_keys import Universe
from basis_pipeline.market_data.frames.frame import Frame
from basis_pipeline_tests.fakes.exchange import FakeExchange


@dataclass
class Candles:
    """BTC at `books`; `spot` and `perp` are its slots in the frame."""

    books: FakeExchange
    frame: Frame
    spot: int
    perp: int
    _paid: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, books: FakeExchange, frame: Frame, universe: Universe, venue: str) -> Candles:
        spot, perp = (universe.slot(f"{venue}:{key}") for key in ("BaseToken:BTC", "Perp:BTCUSDT"))
        return cls(books, frame, spot, perp)

    def show(self, hour: int) -> MarketSnapshot:
        """Let the prices be those of `hour`."""
        market = self.frame.at(hour)
        for listed in self.books.markets:
            if listed.base == "BTC":
                listed.price = market.last[self.perp] if listed.perp else market.last[self.spot]
                listed.mark = market.mark[self.perp] if listed.perp else market.last[self.spot]
        return market

    def reach(self, hour: int) -> None:
        """Let it be `hour`, or still be; what it pays is paid once. Nothing changes after the last candle."""
        if hour > self.frame.timestamps[-1]:
            return
        market = self.show(hour)
        if market.funding is not None and hour not in self._paid:
            self._paid.add(hour)
            self.books.pay_funding("BTCUSDT", market.funding[self.perp])
