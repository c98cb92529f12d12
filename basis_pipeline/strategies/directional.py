"""Follow a model's signal with one perp: long, short or flat.

With equity E, size limit m and price P a linear position is m E / P base units, an inverse one m E USD contracts. The
side follows the signal. What is fixed at entry: the size as a fraction of equity, which is kept where money flows in or
out; and stop-loss and take-profit, stop_sd and profit_sd standard deviations of the predicted return away, the standard
deviation held between a floor and a cap. A position is closed by the first of stop-loss, take-profit, a signal to be
flat or on the other side, and the longest time to hold it.
"""

from __future__ import annotations

import msgspec

from basis_pipeline.domain.brackets import BracketDistances
from basis_pipeline.domain.market import Direction, Signal
from basis_pipeline.domain.protocols import StrategyView, Targets
from basis_pipeline.domain.settings import Steering
from basis_pipeline.domain.timeline import iso
from basis_pipeline.domain.valuation import round_down
from basis_pipeline.domain.venue_rules import TradeRules

_SIDES = {Direction.LONG: 1.0, Direction.SHORT: -1.0}


class Directional(msgspec.Struct, frozen=True, kw_only=True):
    """One perp, one model.

    Attributes:
        perp_slot, rules: what is traded and how.
        threshold: confidence above which a direction is followed.
        max_position_size: notional / equity.
        stop_loss_sd, take_profit_sd: distances of the bracket in standard deviations.
        sd_floor, sd_cap: bounds of the standard deviation, fractions.
        minimum_edge: a position is opened only if what it can expect, (2 confidence - 1) x take_profit_sd x sd,
            exceeds this multiple of its round-trip cost.
        max_hold: microseconds after which a position is closed; None: it is held until the signal changes.
        target_sd: scale the size down so that size x sd stays at this fraction of equity; None: full size.
    """

    perp_slot: int
    rules: TradeRules
    threshold: float
    max_position_size: float
    stop_loss_sd: float
    take_profit_sd: float
    sd_floor: float
    sd_cap: float
    minimum_edge: float
    max_hold: int | None = None
    target_sd: float | None = None
    steering: Steering = Steering.SIGNAL
    hedge: None = None

    def targets(self, view: StrategyView) -> Targets:
        """The position the signal asks for, sized on today's equity; without one the side held stays."""
        signal = view.snapshot.market.signal
        held = view.snapshot.positions.quantities[self.perp_slot]
        side = _side_of(held) if signal is None else self._side(signal, held, view)
        if side == _side_of(held) != 0.0 and self._held_too_long(view):
            return Targets({self.perp_slot: 0.0}, {}, {}, f"held since {iso(view.held_since)}")
        if side == 0.0:
            return Targets({self.perp_slot: 0.0}, {}, {}, _words(signal))
        sd = self._clipped(signal)
        distances = BracketDistances(self.stop_loss_sd * sd, self.take_profit_sd * sd)
        size = view.held_size if side == _side_of(held) else self._size(sd)
        quantity = side * round_down(self._units(size, view), self.rules.lot)
        return Targets({self.perp_slot: quantity}, {}, {}, _words(signal), {self.perp_slot: distances})

    def flat(self, view: StrategyView) -> Targets:
        return Targets({self.perp_slot: 0.0}, {}, {}, "close the position")

    def _side(self, signal: Signal, held: float, view: StrategyView) -> float:
        """neutral: flat. Confident: the signal's side, if a new position is worth its costs. Else: what is held."""
        side = _side_of(held)
        if signal.direction is Direction.NEUTRAL:
            return 0.0
        if signal.direction is Direction.HOLD or not signal.confidence > self.threshold:
            return side
        wanted = _SIDES[signal.direction]
        return wanted if wanted == side or self._pays(signal, view) else side

    def _held_too_long(self, view: StrategyView) -> bool:
        return self.max_hold is not None and view.snapshot.timestamp - view.held_since >= self.max_hold

    def _pays(self, signal: Signal, view: StrategyView) -> bool:
        slippage = self.rules.slippage.fraction(self.max_position_size * view.equity * view.snapshot.market.usd)
        round_trip = 2.0 * (self.rules.taker_fee + slippage)
        expected = (2.0 * signal.confidence - 1.0) * self.take_profit_sd * self._clipped(signal)
        return expected > self.minimum_edge * round_trip

    def _size(self, sd: float) -> float:
        """Notional / equity of a new position."""
        return self.max_position_size if self.target_sd is None else self.target_sd / sd

    def _units(self, size: float, view: StrategyView) -> float:
        largest = min(size, self.max_position_size) / view.margin_multiple
        return largest * view.equity / view.snapshot.market.value[self.perp_slot]

    def _clipped(self, signal: Signal | None) -> float:
        return min(max(signal.sd if signal else 0.0, self.sd_floor), self.sd_cap)


def _side_of(quantity: float) -> float:
    return float((quantity > 0.0) - (quantity < 0.0))


def _words(signal: Signal | None) -> str:
    if signal is None:
        return "no signal"
    return f"signal {signal.direction}, confidence {signal.confidence:.4f}, sd {signal.sd:.4%}"
