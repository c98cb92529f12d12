"""Price paths: one 5-minute path an asset, quoted by every venue with its own premium and noise.

Log prices follow a random walk whose volatility is itself mean-reverting (regimes) and whose 5-minute innovations have
fat tails; assets share a market factor. Highs and lows inside a bar are drawn from the law of the extremes of a
Brownian bridge between its open and close, M = (r + sqrt(r^2 - 2 s^2 ln U)) / 2 above the open.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import floor, log, log10, sqrt

import numpy as np

from basis_pipeline.market_data.sample.factors import Factors, blend
from basis_pipeline.market_data.sample.period import BAR, BARS_PER_HOUR, Floats, Ints
from basis_pipeline.market_data.sample.stress import Episode

BASIS_POINT = 1e-4
LOTS = 1000  # a coin
_BARS_PER_YEAR = 365 * 24 * BARS_PER_HOUR
_LOG_VOLATILITY_SD = 0.5
_VOLATILITY_HALF_LIFE = 60.0


@dataclass(frozen=True)
class Asset:
    """What a path needs to know about an asset.

    Attributes:
        name: coin, e.g. BTC.
        price: USDT per coin at the start.
        volatility: annual, as a fraction.
        market_share: share of the variance owed to the market factor.
        hourly_turnover: USDT traded an hour on the most liquid venue.
        drift: annual log drift.
    """

    name: str
    price: float
    volatility: float
    market_share: float
    hourly_turnover: float
    drift: float = 0.0

    @property
    def symbol(self) -> str:
        return f"{self.name}USDT"

    @property
    def digits(self) -> int:
        """Decimals of a quoted price: five to six significant figures."""
        return max(0, 5 - floor(log10(self.price)))


_KNOWN = {
    asset.name: asset
    for asset in (
        Asset("BTC", 42_283.6, 0.50, 0.85, 4e8, drift=0.15),
        Asset("ETH", 2_281.9, 0.65, 0.80, 2e8, drift=0.10),
        Asset("SOL", 101.5, 0.85, 0.65, 8e7),
        Asset("EIGEN", 3.4, 1.05, 0.35, 1e6),
        Asset("ETHFI", 2.6, 1.05, 0.40, 1e6),
    )
}


def asset_named(name: str, factors: Factors) -> Asset:
    """The profile of `name`; one without a profile here gets a start price between 1 and 300 USDT from the seed."""
    if name in _KNOWN:
        return _KNOWN[name]
    return Asset(name, round(300.0 ** float(factors.uniform(f"{name}/price", 1)[0]), 2), 0.85, 0.65, 3e7)


@dataclass(frozen=True)
class Candles:
    """Bars by open stamp (microseconds UTC); prices in quote per base, volume in lots of 0.001 base."""

    stamps: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    lots: Ints

    @property
    def volume(self) -> Floats:
        return self.lots / LOTS

    @property
    def turnover(self) -> Floats:
        """Quote traded, at the mean of the four prices."""
        return self.volume * (self.open + self.high + self.low + self.close) / 4

    def hourly(self) -> Candles:
        """Exact aggregate of 5-minute bars."""
        high, low, lots = (column.reshape(-1, BARS_PER_HOUR) for column in (self.high, self.low, self.lots))
        opens, closes = slice(None, None, BARS_PER_HOUR), slice(BARS_PER_HOUR - 1, None, BARS_PER_HOUR)
        return Candles(self.stamps[opens], self.open[opens], high.max(1), low.min(1), self.close[closes], lots.sum(1))

    def take(self, rows: Ints) -> Candles:
        """The bars at `rows`, in that order."""
        return Candles(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class PricePath:
    """An asset's middle price over the period in 5-minute steps.

    Attributes:
        asset: whose price it is.
        log_price: natural log of USDT per coin at the bars + 1 bar borders.
        up: log distance of a bar's high above the higher of its ends.
        down: log distance of its low below the lower of its ends.
        lots: 0.001 coins traded per bar on the most liquid venue.
    """

    asset: Asset
    log_price: Floats
    up: Floats
    down: Floats
    lots: Floats


def simulate_path(asset: Asset, factors: Factors) -> PricePath:
    """The path of `asset`; paths of one seed share the market's return and volatility factors."""
    bars = factors.period.hours * BARS_PER_HOUR
    own, market = asset.name, "market"
    regime = blend(
        0.7,
        factors.reverting(f"{market}/volatility", _VOLATILITY_HALF_LIFE),
        factors.reverting(f"{own}/volatility", _VOLATILITY_HALF_LIFE),
    )
    # exp(s z - s^2) has mean square 1: the regimes leave the annual variance where it is
    level = np.exp(_LOG_VOLATILITY_SD * regime - _LOG_VOLATILITY_SD**2)
    level = np.repeat(level[:-1], BARS_PER_HOUR)
    sigma = level * asset.volatility / sqrt(_BARS_PER_YEAR)
    shocks = blend(
        asset.market_share, factors.fat_tailed(f"{market}/return", bars), factors.fat_tailed(f"{own}/return", bars)
    )
    returns = asset.drift / _BARS_PER_YEAR - sigma**2 / 2 + sigma * shocks
    up, down = (_excursion(returns * sign, sigma, factors, f"{own}/{side}") for side, sign in (("up", 1), ("down", -1)))
    activity = np.exp(0.5 * np.abs(shocks) + 0.4 * factors.normal(f"{own}/volume", bars)) * level
    ends = np.append(factors.period.stamps(BAR), factors.period.end)
    moved = sum(factors.stress.profile(episode, ends) for episode in (Episode.CRASH, Episode.SQUEEZE))
    return PricePath(
        asset,
        log(asset.price) + np.concatenate(([0.0], np.cumsum(returns))) + moved,
        up,
        down,
        asset.hourly_turnover / BARS_PER_HOUR / asset.price * LOTS * activity,
    )


def _excursion(returns: Floats, sigma: Floats, factors: Factors, name: str) -> Floats:
    draws = np.log(factors.uniform(name, len(returns)))
    return (returns + np.sqrt(returns**2 - 2 * sigma**2 * draws)) / 2 - np.maximum(returns, 0.0)


def quote(
    path: PricePath, factors: Factors, series: str, *, premium: Floats, noise: float, liquidity: float
) -> Candles:
    """5-minute bars of `path` as one venue quotes it; every bar opens at the close before it.

    Args:
        path: of the asset.
        factors: of the sample.
        series: name of the venue's own factors, e.g. `binance/BTC/perp`.
        premium: log premium over the middle price, hours + 1 values, each held for its hour.
        noise: standard deviation of the venue's own noise, basis points.
        liquidity: the venue's volume relative to the most liquid one.
    """
    bars = len(path.up)
    held = np.append(np.repeat(premium[:-1], BARS_PER_HOUR), premium[-1])
    own = noise * BASIS_POINT * factors.normal(f"{series}/noise", bars + 1)
    ends = np.exp(path.log_price + held + own).round(path.asset.digits)
    share = liquidity * np.exp(0.2 * factors.normal(f"{series}/volume", bars))
    bars_of_ends = between(factors.period.stamps(BAR), ends, np.maximum(np.rint(path.lots * share), 1).astype(np.int64))
    return replace(
        bars_of_ends,
        high=(bars_of_ends.high * np.exp(path.up)).round(path.asset.digits),
        low=(bars_of_ends.low * np.exp(-path.down)).round(path.asset.digits),
    )


def between(stamps: Ints, ends: Floats, lots: Ints) -> Candles:
    """Bars that know only their two ends: `ends` holds one price more than there are bars."""
    opens, closes = ends[:-1], ends[1:]
    return Candles(stamps, opens, np.maximum(opens, closes), np.minimum(opens, closes), closes, lots)
