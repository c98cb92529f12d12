"""Perpetual premium and the funding it settles.

The premium of a coin is a shifted lognormal of a mean-reverting factor, P = scale * (exp(s z - s^2 / 2) - shift): mean
scale * (1 - shift), negative where z is low, skewed to the right as in a market that is mostly long. Each venue adds a
deviation of its own. Funding is the mean premium of the eight hours before the settlement, pulled towards the interest
rate of 1 bp by at most the dead band, and capped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from basis_pipeline.domain.timeline import HOUR
from basis_pipeline.market_data.sample.factors import Factors, blend
from basis_pipeline.market_data.sample.period import SETTLEMENT, Floats
from basis_pipeline.market_data.sample.stress import Episode

INTEREST = 1e-4
CAP = 0.003
_WINDOW = SETTLEMENT // HOUR
_SCALE, _SHIFT, _SKEW = 1.26e-4, 0.39, 0.7


@dataclass(frozen=True)
class FundingRule:
    """How a venue turns premium into funding.

    Attributes:
        deviation: standard deviation of the venue's premium from the coin's.
        dead_band: funding is exactly the interest rate where the premium is this close to it.
        digits: decimals of the published rate; None leaves the float as it is.
    """

    deviation: float
    dead_band: float
    digits: int | None


FUNDING_RULES = {
    "binance": FundingRule(3.0e-5, 1e-5, 8),
    "bybit": FundingRule(3.5e-5, 1e-5, 8),
    "okx": FundingRule(4.0e-5, 0.0, None),
}


def premium(venue: str, asset: str, factors: Factors) -> Floats:
    """Fraction of the price by which the venue's perpetual stands above spot, 8 hours before the period to its end."""
    z = blend(
        0.6,
        factors.reverting("market/premium", 60.0, warmup=_WINDOW),
        factors.reverting(f"{asset}/premium", 30.0, warmup=_WINDOW),
    )
    own = factors.reverting(f"{venue}/{asset}/premium", 12.0, warmup=_WINDOW)
    coin = _SCALE * (np.exp(_SKEW * z - _SKEW**2 / 2) - _SHIFT)
    stress = factors.stress.hourly(Episode.FUNDING_FLIP, factors.period, warmup=_WINDOW)
    return coin + FUNDING_RULES[venue].deviation * own + stress


def price_premium(venue: str, asset: str, factors: Factors) -> Floats:
    """The premium from the start of the period to its end, hours + 1 values."""
    return premium(venue, asset, factors)[_WINDOW:]


def funding_rates(venue: str, asset: str, factors: Factors) -> Floats:
    """Rate per 8 hours, positive = longs pay shorts, at every settlement of the period (00:00, 08:00, 16:00).

    The rate at t averages the premium of the hours t - 8 h to t - 1 h: it is settled from what is past.
    """
    rule = FUNDING_RULES[venue]
    settlements = factors.period.hours // _WINDOW
    mean = premium(venue, asset, factors)[: settlements * _WINDOW].reshape(-1, _WINDOW).mean(1)
    rates: Floats = np.clip(mean + np.clip(INTEREST - mean, -rule.dead_band, rule.dead_band), -CAP, CAP)
    return rates if rule.digits is None else rates.round(rule.digits)
