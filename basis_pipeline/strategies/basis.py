"""Cash and carry: long spot, short the same quantity of perps, margin on the shorts' venues.

With deployable equity E, spot fraction s, price P and hedge weights w::

    spot     Q = s E / P
    short_v  = -w_v Q                       so that the net delta is zero
    margin_v = w_v (1 - s) E                margin ratio m0 = (1 - s) / s at every venue

The hedge invariant: spot quantity = sum of the shorts, exactly; spot is rounded to the sum of the perps' lots.
"""

from __future__ import annotations

import msgspec

from basis_pipeline.domain.protocols import Hedge, StrategyView, Targets
from basis_pipeline.domain.settings import Steering
from basis_pipeline.domain.valuation import round_down, spot_fraction_for
from basis_pipeline.domain.venue_rules import TradeRules


class HedgeLeg(msgspec.Struct, frozen=True):
    """A share of the short: perp, the cash that backs it, its weight (all weights sum to 1), its quantity step."""

    perp_slot: int
    cash_slot: int
    weight: float
    lot: float


class Basis(msgspec.Struct, frozen=True):
    """Attributes: the spot slot and its trade rules, the legs, s (`spot_fraction`), where the reserve is kept,
    slots that belong to the long leg besides spot, USDT that the reserve never falls below, because a withdrawal
    leaves as much for the gas of the next order, and ETH that pays the gas of a wallet on a real chain: it is equity
    that nothing is sized on.
    """

    spot_slot: int
    spot_rules: TradeRules
    legs: tuple[HedgeLeg, ...]
    wallet_slot: int
    spot_fraction: float
    reserve_fraction: float
    long_slots: tuple[int, ...] = ()
    gas_reserve: float = 0.0
    tank_slot: int | None = None
    steering: Steering = Steering.PAIR

    @property
    def hedge(self) -> Hedge:
        return Hedge(self.spot_slot, (self.spot_slot, *self.long_slots), tuple(leg.perp_slot for leg in self.legs))

    @property
    def margin_ratio(self) -> float:
        """m0 = (1 - s) / s, the ratio every venue has right after sizing."""
        return (1.0 - self.spot_fraction) / self.spot_fraction

    def targets(self, view: StrategyView) -> Targets:
        """Restore the spot fraction at today's prices, or the one that gives a multiple of its margin ratio."""
        fraction = self.spot_fraction * view.exposure
        if view.margin_multiple != 1.0:
            fraction = view.exposure * spot_fraction_for(view.margin_multiple * self.margin_ratio)
        tank = 0.0 if self.tank_slot is None else view.snapshot.exposure.values[self.tank_slot]
        equity = max(0.0, view.equity - tank)
        reserve = min(equity, max(equity * self.reserve_fraction, self.gas_reserve))
        deployable = equity - reserve
        shorts = self._shorts(self._spot_quantity(view, fraction * deployable))
        margin = (1.0 - fraction) * deployable
        quantities = {leg.perp_slot: -short for leg, short in zip(self.legs, shorts, strict=True)}
        quantities[self.spot_slot] = sum(shorts)
        return Targets(
            quantities=quantities,
            margins={leg.cash_slot: leg.weight * margin for leg in self.legs},
            wallet={self.wallet_slot: reserve + view.pending_withdrawal},
            reason=f"spot fraction {fraction:.4f} of {deployable:.2f} USDT",
        )

    def flat(self, view: StrategyView) -> Targets:
        quantities = {leg.perp_slot: 0.0 for leg in self.legs}
        quantities[self.spot_slot] = 0.0
        return Targets(quantities, {leg.cash_slot: 0.0 for leg in self.legs}, {}, "close spot and shorts")

    def _spot_quantity(self, view: StrategyView, wanted: float) -> float:
        """Quantity after trading the difference to `wanted` USDT; a purchase pays slippage and fee out of it."""
        market = view.snapshot.market
        price = market.last[self.spot_slot]
        held = sum(view.snapshot.positions.quantities[slot] * market.underlying[slot] for slot in self.hedge.long_slots)
        gap = wanted - held * price
        if gap <= 0.0:
            return held + gap / price
        rules = self.spot_rules
        unit_cost = price * (1.0 + rules.slippage.fraction(gap * market.usd))
        if rules.fee_in_base:
            return held + gap * (1.0 - rules.taker_fee) / unit_cost
        return held + gap / (unit_cost * (1.0 + rules.taker_fee))

    def _shorts(self, quantity: float) -> list[float]:
        return [round_down(leg.weight * quantity, leg.lot) for leg in self.legs]
