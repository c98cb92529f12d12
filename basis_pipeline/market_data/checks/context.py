"""What a check may look at besides its own series."""

from __future__ import annotations

from dataclasses import dataclass

from basis_pipeline.market_data.corrections import General
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.rules import Peers
from basis_pipeline.market_data.series import Series

_WRAPPED = {"WETH": "ETH", "WBTC": "BTC"}
_QUOTES = ("USDT", "USDC", "USD", "WETH", "ETH")


@dataclass(frozen=True)
class Context:
    """The cleaned series of the same family, and thresholds."""

    keys: tuple[SeriesKey, ...]
    peers: Peers
    general: General

    def other_venues(self, key: SeriesKey) -> list[Series]:
        """The same dataset and symbol elsewhere."""
        keys = [k for k in self.keys if (k.dataset, k.symbol) == (key.dataset, key.symbol) and k.venue != key.venue]
        return self._loaded(keys)

    def of_dataset(self, dataset: str) -> list[Series]:
        return self._loaded([key for key in self.keys if key.dataset == dataset])

    def same_base(self, key: SeriesKey, datasets: tuple[str, ...]) -> list[Series]:
        """Other series of the same base coin (wrapped or not), whatever they are quoted in."""
        base, _quote = split_symbol(key.symbol)
        keys = [k for k in self.keys if k.dataset in datasets and k != key and split_symbol(k.symbol)[0] == base]
        return self._loaded(keys)

    def spot(self, base: str) -> list[Series]:
        """USD-like spot candles of a coin at all venues."""
        keys = [
            key for key in self.keys if key.dataset == "spot_candles_1h" and split_symbol(key.symbol) == (base, "USDT")
        ]
        return self._loaded(keys)

    def _loaded(self, keys: list[SeriesKey]) -> list[Series]:
        return [series for series in map(self.peers, keys) if series is not None and len(series.frame)]


def split_symbol(symbol: str) -> tuple[str, str]:
    """`WETHUSDT` -> (`ETH`, `USDT`), `ETHFIWETH` -> (`ETHFI`, `ETH`); wrapped coins count as the coin."""
    for quote in _QUOTES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            base = symbol.removesuffix(quote)
            return _WRAPPED.get(base, base), _WRAPPED.get(quote, quote)
    return symbol, ""
