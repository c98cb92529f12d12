"""Levels of on-chain prices and ratios against what else is known of the token: decimals, inversions, other tokens."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from basis_pipeline.domain.timeline import DAY, YEAR
from basis_pipeline.market_data.checks.context import Context
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import Series, by_month, first_places

_STABLE = frozenset({"USDT", "USDC", "DAI", "USDS", "GHO", "PYUSD", "FDUSD"})
_LOWEST, _HIGHEST = 0.5, 1.5
"""USD per stablecoin; the depegs of March 2023 (0.87) and of the past in general lie inside."""
_FEWEST, _EARNED_MORE = 10, 0.002
"""Days of a month that say something; what suppliers may earn more a year than borrowers pay, by flash loans."""
_RATIO = 0.01
_DEPEG = 0.3
_SCALE = "check decimals, direction and token of the file."


def ratio_level(series: Series, context: Context) -> Iterator[Finding]:
    """Protocol ratios against the other sources of the same ratio: market files, and quotients of USD prices."""
    token, _, quote = series.key.symbol.rpartition("_")
    if quote != "ETH":
        return
    own = _midnights(series, "price")
    market = [one for one in context.of_dataset("lst_market_rates_1h") if one.key.symbol == token]
    others = [_midnights(one, "protocol_rate") for one in market]
    usd, eth = (context.peers(SeriesKey(series.key.dataset, series.key.venue, f"{one}_USD")) for one in (token, "WETH"))
    others += [_midnights(usd, "price") / _midnights(eth, "price")] if usd is not None and eth is not None else []
    off = [ratio for other in others if len(ratio := (own / other).dropna())]
    if not off:
        return
    by_day = pd.concat(off, axis=1)
    apart = ((by_day - 1.0).abs() > _RATIO).sum(axis=1)
    for month, stamps in by_month(by_day.index[2 * apart > by_day.count(axis=1)].to_numpy(dtype=np.int64)):
        times = float(by_day.reindex(stamps).median(axis=1).median())
        message = f"the ratio is {times:.4g} times what other files say of it: {first_places(stamps)}."
        yield Finding("ERROR", "ratio_level", message, _SCALE, column="price", month=month, count=len(stamps))


def stable_price(series: Series, _context: Context) -> Iterator[Finding]:
    """USD prices of stablecoins, by which equity is told in USD."""
    token, _, quote = series.key.symbol.rpartition("_")
    if quote != "USD" or token not in _STABLE:
        return
    price = series.values("price")
    for month, stamps in by_month(series.stamps[(price < _LOWEST) | (price > _HIGHEST)]):
        message = f"{token} is no USD within {_LOWEST:g} and {_HIGHEST:g} at {first_places(stamps)}."
        yield Finding("ERROR", "stable_price", message, _SCALE, column="price", month=month, count=len(stamps))


def market_rate_level(series: Series, _context: Context) -> Iterator[Finding]:
    """Market ratios against the protocol's: beyond any depeg it is another token or another scale."""
    level = pd.Series(series.values("market_rate") / series.values("protocol_rate"), index=series.stamps)
    by_day = level.groupby(level.index.to_numpy() // DAY).median()
    days = by_day.index[np.abs(np.log(by_day.to_numpy(dtype=np.float64))) > _DEPEG].to_numpy(dtype=np.int64) * DAY
    for month, stamps in by_month(days):
        times = float(by_day.reindex(stamps // DAY).median())
        message = f"the market's ratio is {times:.4g} times the protocol's: {first_places(stamps)}."
        yield Finding(
            "ERROR", "market_rate_level", message, _SCALE, column="market_rate", month=month, count=len(stamps)
        )


def borrowers_pay_more(series: Series, _context: Context) -> Iterator[Finding]:
    """What borrowers pay is what suppliers earn and more: otherwise the two are exchanged."""
    for month, stamps in by_month(series.stamps):
        rows = np.isin(series.stamps, stamps)
        if len(stamps) < _FEWEST:
            continue
        years = float(stamps[-1] - stamps[0]) / YEAR
        earned, paid = (
            float(np.log(values[-1] / values[0])) / years
            for values in (series.values(name)[rows] for name in ("liquidity_index", "variable_borrow_index"))
        )
        rates = float(np.median(series.values("liquidity_rate")[rows] - series.values("variable_borrow_rate")[rows]))
        if max(earned - paid, rates) > _EARNED_MORE:
            message = f"suppliers earn {earned:.2%} a year and borrowers pay {paid:.2%} by the indices: exchanged?"
            remedy = "check which column is the supply's and which the debt's, indices and rates."
            column = "liquidity_index" if earned > paid else "liquidity_rate"
            yield Finding("ERROR", "index_order", message, remedy, column=column, month=month, count=len(stamps))


def _midnights(series: Series, column: str) -> pd.Series[float]:
    """Values at 00:00, the only ones that are observed."""
    values = pd.Series(series.values(column), index=series.stamps)
    observed: pd.Series[float] = values[values.index.to_numpy() % DAY == 0]
    return observed
