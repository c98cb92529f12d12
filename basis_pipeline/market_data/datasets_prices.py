"""Prices and funding: candles of spot, perpetuals, marks and pools, and settled funding rates."""

from __future__ import annotations

from basis_pipeline.domain.timeline import HOUR, MINUTE
from basis_pipeline.market_data.dataset_types import Column, Dataset


def _prices(unit: str) -> tuple[Column, ...]:
    return (
        Column("open", unit, "First price of the bar.", above=0.0),
        Column("high", unit, "Highest price of the bar.", known="bar_close", above=0.0),
        Column("low", unit, "Lowest price of the bar.", known="bar_close", above=0.0),
        Column("close", unit, "Last price of the bar.", known="bar_close", above=0.0),
    )


def _candles(name: str, description: str, *, step: int, unit: str = "quote per base") -> Dataset:
    volume = Column(
        "volume",
        "base coin",
        "Traded volume; NULL for marks and for bars filled from a mark or from another venue.",
        known="bar_close",
        nullable=True,
        low=0.0,
    )
    return Dataset(
        name, "prices", description, (*_prices(unit), volume), step=step, max_age=2 * HOUR, max_age_5min=15 * MINUTE
    )


DATASETS = (
    _candles("spot_candles_1h", "Spot candles of a CEX.", step=HOUR),
    _candles("perp_candles_1h", "Last-price candles of a linear perpetual.", step=HOUR),
    _candles("perp_candles_5m", "Last-price candles of a linear perpetual.", step=5 * MINUTE),
    _candles("mark_candles_1h", "Mark-price candles of a linear perpetual.", step=HOUR),
    Dataset(
        "dex_candles_1h",
        "prices",
        "Candles of a DEX pool.",
        (
            *_prices("quote token per base token"),
            Column(
                "volume_quote", "quote token", "Traded volume; 0 in hours without a swap.", known="bar_close", low=0.0
            ),
        ),
        step=HOUR,
        max_age=6 * HOUR,
    ),
    Dataset(
        "funding_rates",
        "prices",
        "Settled funding rates; the timestamp is the settlement, to the second.",
        (
            Column(
                "funding_rate",
                "fraction per interval",
                "Positive: longs pay shorts. Realised at this settlement.",
                low=-0.05,
                high=0.05,
            ),
            Column("interval_hours", "hours", "Length of the funding interval that ends here.", low=1.0, high=24.0),
        ),
        max_age=0,
    ),
)
