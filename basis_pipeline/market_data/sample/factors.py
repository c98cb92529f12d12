"""Named random factors: every path of a sample is a function of these.

Each name draws from a PCG64 stream of its own, so that a further asset or series changes no other, and every stream is
drawn forward in time, so that a longer sample begins with the values of a shorter one: nothing depends on its future.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import accumulate
from math import sqrt

import numpy as np

from basis_pipeline.market_data.sample.period import Floats, Period
from basis_pipeline.market_data.sample.stress import CALM, Stress

_TAIL_DEGREES = 5


@dataclass(frozen=True)
class Factors:
    """The factors of one sample, and the stress laid over them. Equal seeds and names give equal values."""

    seed: int
    period: Period
    stress: Stress = CALM

    def stream(self, name: str) -> np.random.Generator:
        """A fresh generator for `name`; asking twice restarts it."""
        digest = hashlib.sha256(f"seed={self.seed}/{name}".encode()).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))

    def normal(self, name: str, count: int) -> Floats:
        return self.stream(name).standard_normal(count)

    def uniform(self, name: str, count: int) -> Floats:
        """Values in (0, 1]: a logarithm of them is finite."""
        return 1.0 - self.stream(name).random(count)

    def fat_tailed(self, name: str, count: int) -> Floats:
        """Student's t with 5 degrees of freedom, scaled to unit variance."""
        scale = sqrt((_TAIL_DEGREES - 2) / _TAIL_DEGREES)
        return scale * self.stream(name).standard_t(_TAIL_DEGREES, count)

    def reverting(self, name: str, half_life: float, *, warmup: int = 0) -> Floats:
        """Stationary Gaussian AR(1) with mean 0 and variance 1, one value an hour.

        Args:
            name: of the factor.
            half_life: hours until half of a deviation is gone.
            warmup: hours simulated before the period starts.

        Returns:
            warmup + hours + 1 values; the last one stands at the end of the period.
        """
        persistence = 0.5 ** (1.0 / half_life)
        shocks = self.normal(name, warmup + self.period.hours + 1)
        shocks[1:] *= sqrt(1.0 - persistence**2)
        return np.array(list(accumulate(shocks.tolist(), lambda value, shock: persistence * value + shock)))


def blend(share: float, common: Floats, own: Floats) -> Floats:
    """Unit-variance mix of two independent unit-variance factors; `share` is the variance owed to `common`."""
    return sqrt(share) * common + sqrt(1.0 - share) * own
