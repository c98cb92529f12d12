"""A plain loop over bars and signals that shares no code with the engine: what a directional book is worth, by step.

Written from the rules of the contracts and from what the README says of signals, with the shipped costs of Binance.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

FEE, POINTS = 5e-4, ((10_000.0, 3e-4), (100_000.0, 4e-4), (1_000_000.0, 8e-4))
THRESHOLD, STOP_SD, TARGET_SD, FLOOR, CAP, MAX_HOLD = 0.6, 2.0, 0.004, 1e-3, 0.1, 15


class Step(NamedTuple):
    """What is seen at a step: prices now, the marks of the bar that has just ended, and what happens."""

    spot: float
    last: float
    mark: float
    opened: float
    low: float
    high: float
    signal: tuple[str, float, float] | None
    rate: float | None
    flow: float


def random_market(steps: int, seed: int) -> list[Step]:
    """Bars that gap now and then, marks beside the last price, signals that last, contradict or fall silent."""
    random = np.random.default_rng(seed)
    mark, signal, found = 50_000.0, None, []
    for number in range(steps):
        moves = np.cumsum(random.normal(0.0, 0.0015, 6))
        gap = random.normal(0.0, 0.02) if random.random() < 0.03 else 0.0
        path = mark * np.exp(gap + np.concatenate([[0.0], moves]))
        opened, low, high, mark = path[0], path.min(), path.max(), path[-1]
        if random.random() < 0.12:
            words = ("long", "short", "neutral", "hold")
            confidence, sd = random.uniform(0.5, 0.9), random.uniform(0.0005, 0.02)
            signal = (str(random.choice(words)), float(confidence), float(sd)) if random.random() < 0.85 else None
        last, spot = mark * (1.0 + random.normal(0.0, 2e-4)), mark * (1.0 + random.normal(0.0, 4e-4))
        rate = float(random.normal(1e-4, 2e-4)) if number % 96 == 0 else None
        flow = {99: 0.2, 199: -0.15}.get(number % 200, 0.0)
        found.append(Step(*(float(v) for v in (spot, last, mark, opened, low, high)), signal, rate, flow))
    return found


class Book:
    """Cash in USDT and base units of a linear perp, or cash in coins and USD contracts of an inverse one."""

    def __init__(self, cash: float, *, inverse: bool) -> None:
        self.cash, self.inverse, self.lot = cash, inverse, 100.0 if inverse else 0.001
        self.quantity = self.entry = self.stop = self.target = self.size = 0.0
        self.spent = self.since = 0
        self.closes = {"stop": 0, "target": 0, "age": 0, "signal": 0, "flip": 0}

    def gain(self, quantity: float, start: float, end: float) -> float:
        return quantity * (1.0 / start - 1.0 / end) if self.inverse else quantity * (end - start)

    def notional(self, quantity: float, price: float) -> float:
        return abs(quantity) / price if self.inverse else abs(quantity) * price

    def equity(self, mark: float) -> float:
        return self.cash + (self.gain(self.quantity, self.entry, mark) if self.quantity else 0.0)

    def fill(self, change: float, reference: float) -> float:
        worth = abs(change) if self.inverse else abs(change) * reference
        price = reference * (1.0 + math.copysign(slippage(worth), change))
        before, after = self.quantity, round(self.quantity + change, 9)
        if before * change < 0.0:
            self.cash += self.gain(math.copysign(min(abs(change), abs(before)), before), self.entry, price)
            self.entry = price if after * before < 0.0 else self.entry
        elif self.inverse:
            self.entry = after / ((before / self.entry if before else 0.0) + change / price)
        else:
            self.entry = (before * self.entry + change * price) / after
        self.cash -= self.notional(change, price) * FEE
        self.quantity = after
        return price

    def of_size(self, size: float, mark: float) -> float:
        units = size * self.equity(mark) * (mark if self.inverse else 1.0 / mark)
        return math.floor(units / self.lot + 1e-9) * self.lot

    def step(self, number: int, now: Step) -> None:
        self.hit(now)
        if self.quantity and now.rate is not None:
            self.cash -= math.copysign(self.notional(self.quantity, now.mark), self.quantity) * now.rate
        side = math.copysign(1.0, self.quantity) if self.quantity else 0.0
        wanted = self.wanted(side, now)
        aged = side != 0.0 and wanted == side and number - self.since >= MAX_HOLD
        if side == 0.0 and now.signal and wanted != self.spent:
            self.spent = 0
        if aged or (wanted != side and not (side == 0.0 and wanted == self.spent)):
            self.turn(number, side, 0.0 if aged else wanted, now)
        elif side and now.flow:
            self.fill(round(side * self.of_size(min(1.0, self.size), now.mark) - self.quantity, 9), now.last)

    def hit(self, now: Step) -> None:
        if not self.quantity:
            return
        up = self.quantity > 0.0
        if now.low <= self.stop if up else now.high >= self.stop:
            self.fill(-self.quantity, (min if up else max)(self.stop, now.opened))
            self.closes["stop"] += 1
        elif now.high >= self.target if up else now.low <= self.target:
            self.fill(-self.quantity, (max if up else min)(self.target, now.opened))
            self.closes["target"] += 1

    def wanted(self, side: float, now: Step) -> float:
        if now.signal is None or now.signal[0] == "hold":
            return side
        word, confidence, sd = now.signal
        if word == "neutral" or confidence <= THRESHOLD:
            return 0.0 if word == "neutral" else side
        said = 1.0 if word == "long" else -1.0
        worth = self.equity(now.mark) * (now.spot if self.inverse else 1.0)
        pays = (2.0 * confidence - 1.0) * STOP_SD * clipped(sd) > 2.0 * (FEE + slippage(worth))
        return said if said == side or pays else side

    def turn(self, number: int, side: float, wanted: float, now: Step) -> None:
        """Flat, in, or through zero."""
        if side:
            self.closes["flip" if wanted else "age" if number - self.since >= MAX_HOLD else "signal"] += 1
        sd = clipped(now.signal[2]) if now.signal else FLOOR
        quantity = wanted * self.of_size(min(1.0, TARGET_SD / sd), now.mark) if wanted else 0.0
        price = self.fill(round(quantity - self.quantity, 9), now.last)
        if not wanted:
            otherwise = ("neutral", "short" if side > 0.0 else "long")
            self.spent = 0 if now.signal and now.signal[0] in otherwise else self.spent
            return
        self.stop, self.target = (price * (1.0 - move * wanted * STOP_SD * sd) for move in (1.0, -1.0))
        self.spent, self.since = int(wanted), number
        self.size = self.notional(self.quantity, now.mark) / self.equity(now.mark)


def clipped(sd: float) -> float:
    return min(max(sd, FLOOR), CAP)


def slippage(worth: float) -> float:
    """Log-linear between the stated sizes, flat below the first."""
    if worth <= POINTS[0][0]:
        return POINTS[0][1]
    (low, at_low), (high, at_high) = POINTS[:2] if worth <= POINTS[1][0] else POINTS[1:]
    return at_low + math.log(worth / low) / math.log(high / low) * (at_high - at_low)
