"""Stress a sample can be asked for: an episode lies within one month and is over when the next one begins.

An episode is a profile over its month, zero at both ends, that is added to what a calm sample has; so that months
without one have the very bytes of a calm sample's prices, rates and fees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.timeline import DAY, HOUR, month_start, parse_month, shift_month
from basis_pipeline.market_data.sample.period import Floats, Ints, Period


class Episode(StrEnum):
    """What can go wrong in a month.

    CRASH: all coins lose 40% within two days and recover by the end of the month.
    SQUEEZE: all coins gain 65% within five days, which shorts pay for, and give it back.
    DEPEG: staking tokens sell 6% below their ratio within a day; half of it is gone after four more.
    FUNDING_FLIP: for a fortnight perpetuals stand 6 bp below spot, and shorts pay.
    BORROW_SPIKE: for a week WETH and USDT are lent out to 98.5%, and borrowing costs some 40% a year.
    GAS_SPIKE: for three days gas costs thirty times as much.
    """

    CRASH = "crash"
    SQUEEZE = "squeeze"
    DEPEG = "depeg"
    FUNDING_FLIP = "funding_flip"
    BORROW_SPIKE = "borrow_spike"
    GAS_SPIKE = "gas_spike"


_PROFILES: Mapping[Episode, tuple[tuple[float, float], ...]] = {
    Episode.CRASH: ((9, 0.0), (11, -0.51), (13, -0.40), (27, 0.0)),
    Episode.SQUEEZE: ((9, 0.0), (14, 0.50), (17, 0.50), (27, 0.0)),
    Episode.DEPEG: ((9, 0.0), (10, 0.06), (14, 0.03), (27, 0.0)),
    Episode.FUNDING_FLIP: ((7, 0.0), (8, -8e-4), (22, -8e-4), (23, 0.0)),
    Episode.BORROW_SPIKE: ((9, 0.0), (9 + 1 / 24, 0.985), (16, 0.985), (16 + 1 / 24, 0.0)),
    Episode.GAS_SPIKE: ((9, 0.0), (9.5, 29.0), (12, 29.0), (12.5, 0.0)),
}
"""Knots (day of the month from 0, value) joined by straight lines: log price, discount, premium, utilisation at least
this high, gas added as a multiple of the calm base fee."""


@dataclass(frozen=True)
class Stress:
    """The episodes of a sample, by month; none is a calm sample."""

    episodes: tuple[tuple[str, Episode], ...] = ()

    @classmethod
    def parse(cls, pairs: Iterable[str], period: Period) -> Stress:
        """From `YYYY-MM=episode` texts, in any order.

        Raises:
            ConfigError: not such a pair, an unknown episode, a month outside the sample, or the same pair twice.
        """
        episodes = tuple(sorted(_parse(pair, period) for pair in pairs))
        if len(set(episodes)) < len(episodes):
            raise ConfigError(f"stress {', '.join(map('='.join, episodes))} names an episode twice.")
        return cls(episodes)

    @property
    def texts(self) -> tuple[str, ...]:
        """`YYYY-MM=episode`, in order of time."""
        return tuple(f"{month}={episode}" for month, episode in self.episodes)

    def profile(self, episode: Episode, stamps: Ints) -> Floats:
        """Sum of the profiles of this kind at `stamps` (microseconds UTC); zero outside its months."""
        total = np.zeros(len(stamps))
        for month, kind in self.episodes:
            if kind is episode:
                days, values = zip(*_PROFILES[episode], strict=True)
                total += np.interp((stamps - month_start(month)) / DAY, days, values)
        return total

    def hourly(self, episode: Episode, period: Period, *, warmup: int = 0) -> Floats:
        """The profile at every hour, from `warmup` hours before the period to its end: warmup + hours + 1 values."""
        first = period.start - warmup * HOUR
        return self.profile(episode, np.arange(first, period.end + HOUR, HOUR, dtype=np.int64))


CALM = Stress()


def _parse(pair: str, period: Period) -> tuple[str, Episode]:
    month, equals, name = pair.partition("=")
    if not equals or name not in set(Episode):
        raise ConfigError(
            f"stress {pair!r} is not of the form YYYY-MM=episode.", remedy=f"episodes are {', '.join(Episode)}."
        )
    parse_month(month, name="stress")
    if not period.start <= month_start(month) < month_start(shift_month(month, 1)) <= period.end:
        raise ConfigError(f"stress {pair!r}: the sample has no such month.", remedy="lengthen it, or pick another.")
    return month, Episode(name)
