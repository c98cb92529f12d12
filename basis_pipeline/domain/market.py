"""The world at one timestamp, by slot. Only what was known at that time is in it.

Amounts are in the accounting currency of the CEX books, USDT; `usd` and `share_price` convert at the boundary.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

Floats = tuple[float, ...]


class Direction(StrEnum):
    """What a model says: be long, be short, be flat, or nothing new."""

    LONG = "long"
    SHORT = "short"
    NEUTRAL = "neutral"
    HOLD = "hold"


class Signal(msgspec.Struct, frozen=True, gc=False):
    """What a model said of the time from now on, from what was known before now.

    Attributes:
        direction: what it says.
        confidence: probability that it is right, 0..1; 0 for `hold`.
        sd: standard deviation of the return it expects over its horizon, fraction; 0 where it has none.
        drift: population stability index of its latest predictions against those of its training; None where unknown.
    """

    direction: Direction
    confidence: float
    sd: float
    drift: float | None = None


class Distribution(msgspec.Struct, frozen=True, gc=False):
    """Reward tokens paid to whoever held an earning token during a period.

    Attributes:
        slot: where the reward tokens are credited.
        start, end: the period [start, end) in microseconds UTC; `end` is not after the snapshot's timestamp.
        rate: reward tokens for one unit of underlying (eETH) held throughout the period.
    """

    slot: int
    start: int
    end: int
    rate: float


class MarketSnapshot(msgspec.Struct, frozen=True, gc=False):
    """Everything the engine may know at `timestamp`. Each tuple has one entry per slot of the universe.

    Attributes:
        timestamp: microseconds UTC.
        price: USDT per unit of the slot's asset: open of the reference spot bar; 1.0 for USDT; 0.0 for a
            reward token that is not traded anywhere yet, of which nothing may be held.
        index: Aave liquidity or variable borrow index, accrued to `timestamp`; 1.0 for other slots.
        ratio: underlying per token at the protocol (ETH per weETH); 1.0 for other slots.
        mark: mark price of a perp, USDT (USD for an inverse one); equals `price` for other slots.
        last: the venue's own last price that fills refer to, USDT; equals `price` where a slot does not trade.
        value: USDT value of one stored unit: sign x index x ratio x price; the notional of one unit of a perp: its
            mark, or price / mark for an inverse one.
        underlying: units of the asset per stored unit: sign x index x ratio; 1.0 for a perp, 1 / mark for an inverse.
        low: lowest mark of the bar that ended at `timestamp` (last price without marks); `mark` for other slots.
        high: highest mark of that bar.
        funding: per-interval funding rate settled at `timestamp`, 0.0 for slots that settle nothing; None between
            settlements. Positive: longs pay shorts.
        usd: USD per USDT.
        share_price: USDT per unit of the share class.
        gas_price: gwei per unit of gas, or None where the mode has no on-chain operation.
        gas_token_price: USDT per ETH for gas, or None likewise.
        rewards: distributions that became known since the step before.
        opened: first mark of the bar that ended at `timestamp`, as `low`; None where no position has a stop.
        signal: what the mode's model said for this timestamp, or None.
        liquidation_threshold: of the collateral at the value that the book gives it, where the lending venue itself was
            asked; None: as configured.
        as_of: microseconds UTC, when all of this was told, where nobody says anything newer (lending live, R97):
            nothing is settled or decided on it. None: it is of `timestamp`.
    """

    timestamp: int
    price: Floats
    index: Floats
    ratio: Floats
    mark: Floats
    last: Floats
    value: Floats
    underlying: Floats
    low: Floats
    high: Floats
    funding: Floats | None
    usd: float
    share_price: float
    gas_price: float | None = None
    gas_token_price: float | None = None
    rewards: tuple[Distribution, ...] = ()
    opened: Floats | None = None
    signal: Signal | None = None
    liquidation_threshold: float | None = None
    as_of: int | None = None
