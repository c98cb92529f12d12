"""What a venue charges and allows: fees, lots, minimums, slippage, margin. Planner and venues read the same."""

from __future__ import annotations

import math

import msgspec


class SlippageCurve(msgspec.Struct, frozen=True):
    """Slippage by order size: log-linear between points, flat below the first, extrapolated above the last.

    Attributes:
        sizes: notionals in USD, strictly increasing.
        basis_points: slippage at those sizes.
    """

    sizes: tuple[float, ...] = (10_000.0,)
    basis_points: tuple[float, ...] = (0.0,)

    def fraction(self, notional: float) -> float:
        """Adverse price move as a fraction, for an order of `notional` USD."""
        sizes, points = self.sizes, self.basis_points
        if notional <= sizes[0] or len(sizes) == 1:
            return points[0] * 1e-4
        upper = next((i for i, size in enumerate(sizes) if notional <= size), len(sizes) - 1)
        low, high = sizes[upper - 1], sizes[upper]
        weight = math.log(notional / low) / math.log(high / low)
        return (points[upper - 1] + weight * (points[upper] - points[upper - 1])) * 1e-4

    def extrapolates(self, notional: float) -> bool:
        """Whether `notional` lies beyond the largest stated size; a single point is stated for all sizes."""
        return len(self.sizes) > 1 and notional > self.sizes[-1]


class TradeRules(msgspec.Struct, frozen=True):
    """How one instrument trades at its venue.

    Attributes:
        lot: quantity step; 0 means any quantity.
        min_notional, max_notional: USDT per order.
        taker_fee: fraction of the fill notional; every backtest order is a taker.
        fee_in_base: a spot buy pays its fee in the token received instead of in the quote token.
        slippage: by order notional.
    """

    lot: float
    min_notional: float
    max_notional: float
    taker_fee: float
    slippage: SlippageCurve
    fee_in_base: bool = False


class MarginRules(msgspec.Struct, frozen=True):
    """Margin requirements of a perp venue, fractions of notional.

    Attributes:
        initial: needed to open; cash below it cannot be withdrawn.
        maintenance: the venue liquidates below it.
        liquidation_fee: charged on the notional closed by a liquidation.
    """

    initial: float
    maintenance: float
    liquidation_fee: float


class VenueRules(msgspec.Struct, frozen=True):
    """Everything the engine needs to know of one venue.

    Attributes:
        name: as in position keys.
        kind: wallet | cex | lending | staking | dex | executor.
        trades: by slot of the base token or perp.
        margin: of a venue with perps, else None.
        transfer_fee: flat fee in USDT for moving funds out of this venue.
        transfer_latency: microseconds until a transfer out of this venue arrives.
        gas_units: by operation name, for on-chain operations.
        flash_fee: fraction of a flash loan.
        redemption_delay: microseconds between asking for a redemption and the arrival of its tokens.
    """

    name: str
    kind: str
    trades: dict[int, TradeRules]
    margin: MarginRules | None = None
    transfer_fee: float = 0.0
    transfer_latency: int = 0
    gas_units: dict[str, float] = {}
    flash_fee: float = 0.0
    redemption_delay: int = 0


GWEI_PER_TOKEN = 1e9


def gas_cost(units: float, gwei: float) -> float:
    """Gas tokens (ETH) burnt by an operation: units x price."""
    return units * gwei / GWEI_PER_TOKEN
