"""The vendor defects a sample contains on purpose; each is one that a declared rule repairs.

Positions are offsets from the start of the sample, so that samples of every length hold what falls into them.
"""

from __future__ import annotations

import numpy as np

from basis_pipeline.domain.timeline import DAY, HOUR, SECOND, from_micros, iso, month_start
from basis_pipeline.market_data.sample.period import Floats, Ints, Period
from basis_pipeline.market_data.sample.stress import Stress

_MILLISECOND = SECOND // 1_000
_HOLE_BARS = 23
_HOLES = (40 * DAY, 81 * DAY + 23 * HOUR)
_REPEAT_EVERY = 40 * DAY
_JITTER_SHARE = 0.2
_OKX_REGIME_END = month_start("2025-06") + 9 * DAY
_OKX_MISSING_DAYS = (66 * DAY, 149 * DAY)
_OKX_PAIRS = (88 * DAY, 102 * DAY)
_OKX_PAIRS_FLAT_UNTIL = 95 * DAY


def hole_starts(period: Period) -> list[int]:
    """Last present bar before each hole that ends inside the period."""
    return [period.start + hole for hole in _HOLES if period.start + hole + DAY < period.end]


def outside_holes(stamps: Ints, period: Period) -> Ints:
    """D-01: rows that are left when 23 hourly bars are missing in each hole."""
    missing = np.zeros(len(stamps), dtype=bool)
    for start in hole_starts(period):
        missing |= (stamps > start) & (stamps <= start + _HOLE_BARS * HOUR)
    return np.flatnonzero(~missing)


def with_repeats(stamps: Ints, period: Period) -> Ints:
    """D-02: rows with the bar at every 40th midnight given twice."""
    offset = stamps - period.start
    return np.repeat(np.arange(len(stamps)), np.where((offset > 0) & (offset % _REPEAT_EVERY == 0), 2, 1))


def jittered(stamps: Ints, random: np.random.Generator) -> list[str]:
    """D-07: ISO stamps, a fifth of them 1 to 16 ms late and then written with microseconds."""
    chance, delay = random.random((len(stamps), 2)).T
    late = np.where(chance < _JITTER_SHARE, 1 + (16 * delay).astype(np.int64), 0)
    return [iso(stamp) for stamp in (stamps + late * _MILLISECOND).tolist()]


def okx_funding(settled: Ints, rates: Floats, period: Period, random: np.random.Generator) -> tuple[Ints, Floats]:
    """D-03 to D-06: true settlements and rates as the OKX archive labels them.

    Labels are 8 hours late and, before 2025-06-10, hold the rate of the settlement before: 16 hours in all; the
    settlement between the two regimes gets lost. Two days of labels are missing. In one fortnight every label has a
    second row with a bogus rate, first exactly +1e-4, later between -3e-4 and -5.7e-4, before or after the true one.

    Returns:
        Labels in ascending order with their rates.
    """
    early, late = settled + 16 * HOUR, settled + 8 * HOUR
    kept = (early < _OKX_REGIME_END) | (late >= _OKX_REGIME_END)
    labels, rates = np.where(early < _OKX_REGIME_END, early, late)[kept], rates[kept]
    present = np.isin((labels - period.start) // DAY * DAY, _OKX_MISSING_DAYS, invert=True)
    labels, rates = labels[present], rates[present]
    first, last = (period.start + offset for offset in _OKX_PAIRS)
    paired = (labels >= first) & (labels < last) & (labels < _OKX_REGIME_END)
    depth, side = random.random((len(labels), 2)).T
    bogus = np.where(labels < period.start + _OKX_PAIRS_FLAT_UNTIL, 1e-4, -3e-4 - 2.7e-4 * depth)
    place = 3 * np.arange(len(labels))
    order = np.argsort(np.append(place, (place + np.where(side < 0.5, -1, 1))[paired]))
    return np.append(labels, labels[paired])[order], np.append(rates, bogus[paired])[order]


def readme(period: Period, *, seed: int, version: int, assets: tuple[str, ...], stress: Stress) -> bytes:
    """README.md of the raw folder."""
    holes = ", ".join(iso(start) for start in hole_starts(period)) or "none in so short a sample"
    return _README.format(
        first=iso(period.start), end=iso(period.end), seed=seed, version=version, assets=", ".join(assets), holes=holes,
        stress=f"* stress: {', '.join(stress.texts)}\n" if stress.episodes else "",
        pairs=" to ".join(from_micros(period.start + offset).strftime("%Y-%m-%d") for offset in _OKX_PAIRS),
    ).encode()  # fmt: skip


_README = """# Synthetic market data

Every number in this folder is invented by `basis_pipeline.market_data.sample`; none is a price of any market. Files,
folders, headers, stamps, line ends and units are those of the vendors, so that the same readers and rules apply.

* period: {first} up to but excluding {end}
* assets: {assets}
* seed: {seed}, generator version: {version}; the same arguments give the same bytes
{stress}
Planted defects, as far as the period reaches; declared rules repair or flag them (numbers of the vendor defect list):

* D-01 Binance CSV candles: 23 bars missing after each of: {holes}
* D-02 Bybit candles: the bar at every 40th midnight is written twice
* D-03 OKX funding: two days of labels are missing
* D-04 OKX funding: {pairs} every label has a second, bogus row
* D-05, D-06 OKX funding: labels are 8 hours late and, before 2025-06-10, one settlement stale
* D-07 Binance funding: a fifth of the stamps is 1 to 16 ms late
* D-08 line ends: CRLF or LF as the vendor has it, one byte order mark
* D-10 OKX candle volume is in contracts of 0.1 coin
* D-13 Aave oracle: values between midnights are straight lines
* D-14 Aave oracle: comment lines above the header
* D-15 Aave: daily rates are fractions, hourly ones percent
* D-16 gas: every second row was sampled an hour early
* D-19 staking tokens: the market rate is a 24-hour median
* D-27 ether.fi reward periods: constant token prices, period_days one day short
* D-28 EIGEN distributions: from 2025-02-09 the published rate divides by restaked ETH only
* D-32, D-33 costs: a constant model; one gas aggregate over the whole period
* D-34 marks: the volume column is meaningless
* D-35 known_bad/: a placeholder ramp of 24 rows
"""
