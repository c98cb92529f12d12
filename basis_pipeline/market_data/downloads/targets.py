"""What can be downloaded: one file per series and month, named and laid out as ingestion expects it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.timeline import DAY, HOUR, MINUTE, month_end, month_start
from basis_pipeline.market_data.dataset_types import DOWNLOADED, SeriesKey
from basis_pipeline.market_data.downloads.settings import Downloads

CHAIN = "ethereum"
CANDLE_STEPS = {
    "spot_candles_1h": HOUR,
    "perp_candles_1h": HOUR,
    "perp_candles_5m": 5 * MINUTE,
    "mark_candles_1h": HOUR,
}
_RESERVE = (
    "liquidityIndex",
    "currentLiquidityRate",
    "variableBorrowIndex",
    "currentVariableBorrowRate",
    "totalAToken",
    "totalVariableDebt",
    "price",
)
_RATES = ("liquidityRate", "variableBorrowRate", "updatedAt")
_GAS = ("block_number", "block_timestamp", "gas_price_gwei", "base_fee_gwei", "priority_fee_p50_gwei")


@dataclass(frozen=True)
class Shape:
    """How the rows of a series are written.

    Attributes:
        stem: file name without month and suffix.
        stamp: name of the first column, ISO text.
        values: columns that are downloaded, in the order of a row's texts.
        constants: columns that are the same in every row.
        step: microseconds between rows.
    """

    stem: str
    stamp: str
    values: tuple[str, ...]
    constants: dict[str, str]
    step: int


@dataclass(frozen=True)
class Target:
    """One month of one series at one source (an exchange, or the chain)."""

    source: str
    key: SeriesKey
    month: str
    shape: Shape

    @property
    def path(self) -> str:
        """Relative to the raw folder."""
        return f"{DOWNLOADED}{self.source}/{self.shape.stem}_{self.month}.csv"

    @property
    def start(self) -> int:
        return month_start(self.month)

    @property
    def end(self) -> int:
        """Exclusive."""
        return month_end(self.month)

    def steps(self, start: int, end: int) -> int:
        """How many rows [start, end) should have."""
        return max(0, math.ceil(end / self.shape.step) - math.ceil(start / self.shape.step))

    def __str__(self) -> str:
        return f"{self.key} {self.month}"


@dataclass(frozen=True)
class Selection:
    """What of the configuration is wanted; an empty set is everything."""

    datasets: frozenset[str] = frozenset()
    venues: frozenset[str] = frozenset()
    symbols: frozenset[str] = frozenset()

    def takes(self, source: str, key: SeriesKey) -> bool:
        return (
            (not self.datasets or key.dataset in self.datasets)
            and (not self.venues or bool({source, key.venue} & self.venues))
            and (not self.symbols or key.symbol in self.symbols)
        )


def select(settings: Downloads, selection: Selection) -> list[tuple[str, SeriesKey, Shape]]:
    """The configured series that `selection` takes, with their sources.

    Raises:
        ConfigError: it takes none, or names something that no configured series has.
    """
    series = list(_configured(settings))
    known = {
        "dataset": (selection.datasets, {key.dataset for _, key, _ in series}),
        "venue": (selection.venues, {name for source, key, _ in series for name in (source, key.venue)}),
        "symbol": (selection.symbols, {key.symbol for _, key, _ in series}),
    }
    for name, (asked, there) in known.items():
        if strange := sorted(asked - there):
            raise ConfigError(
                f"configs/downloads.yaml has no {name} {', '.join(strange)}; it has {', '.join(sorted(there))}.",
                remedy="correct the option, or add the series there.",
            )
    taken = [found for found in series if selection.takes(found[0], found[1])]
    if not taken:
        raise ConfigError("no configured series has all of these properties.", remedy="leave one option out.")
    return taken


def _configured(settings: Downloads) -> Iterator[tuple[str, SeriesKey, Shape]]:
    for source in ("binance", "bybit", "okx"):
        exchange = getattr(settings, source)
        for dataset, symbols in exchange.fetch.items():
            for symbol in symbols:
                key = SeriesKey(dataset, source, symbol)
                yield source, key, _exchange_shape(key, exchange.funding_interval_hours)
    chain = settings.ethereum
    for token in chain.reserves:
        key = SeriesKey("aave_reserves_1d", "aave_v3", token)
        stem = f"aave_v3_ethereum_{token}_rates_1d"
        yield CHAIN, key, Shape(stem, "targetDate", _RESERVE, {"symbol": token}, DAY)
    for token in chain.hourly_rates:
        key = SeriesKey("aave_rates_1h", "aave_v3", token)
        stem = f"aave_v3_ethereum_{token}_rates_1h"
        yield CHAIN, key, Shape(stem, "timestamp", _RATES, {"symbol": token}, HOUR)
    for pair in (*(f"{token}_USD" for token in chain.usd_prices), *(f"{token}_ETH" for token in chain.ratios)):
        yield CHAIN, SeriesKey("oracle_prices", "aave_v3", pair), _oracle_shape(pair)
    if chain.gas:
        key = SeriesKey("gas_prices_1h", CHAIN, "ETH")
        yield CHAIN, key, Shape("ethereum_gas_prices_1h", "timestamp", _GAS, {}, HOUR)


def _exchange_shape(key: SeriesKey, interval_hours: int) -> Shape:
    named = {"symbol": key.symbol}
    if key.dataset == "funding_rates":
        stem = f"{key.venue}_{key.symbol}_funding_{interval_hours}h"
        return Shape(stem, "funding_timestamp", ("funding_rate",), named, interval_hours * HOUR)
    stem = f"{key.venue}_{key.symbol}_{key.dataset.replace('_candles', '')}"
    return Shape(stem, "timestamp", ("open", "high", "low", "close", "volume"), named, CANDLE_STEPS[key.dataset])


def _oracle_shape(pair: str) -> Shape:
    token, quote = pair.split("_")
    constants = {"asset": token, "quote_currency": quote}
    return Shape(f"{pair}_oracle", "timestamp", (f"oracle_price_{quote.lower()}",), constants, DAY)
