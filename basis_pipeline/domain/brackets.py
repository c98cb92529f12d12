"""Stop-loss and take-profit of a position: fixed at entry, hit inside a bar, filled with gaps."""

from __future__ import annotations

import msgspec


class BracketDistances(msgspec.Struct, frozen=True):
    """Adverse and favourable moves that close a position, as fractions of its entry price, both > 0."""

    stop_loss: float
    take_profit: float


class Bracket(msgspec.Struct, frozen=True):
    """Prices that close a position. Of a long stop_loss < entry < take_profit, of a short the other way round."""

    stop_loss: float
    take_profit: float


def bracket_around(entry: float, quantity: float, distances: BracketDistances) -> Bracket:
    """Levels of a position of signed `quantity` entered at `entry`."""
    sign = 1.0 if quantity > 0.0 else -1.0
    return Bracket(entry * (1.0 - sign * distances.stop_loss), entry * (1.0 + sign * distances.take_profit))


def stop_loss_hit(quantity: float, bracket: Bracket, opened: float, low: float, high: float) -> float | None:
    """Price at which a bar fills the stop-loss, or None.

    A bar that opens beyond the level fills at its open, which is worse. Where one bar reaches both levels the
    stop-loss counts, because nobody knows which came first; settlements ask for it first.
    """
    if quantity > 0.0:
        return min(bracket.stop_loss, opened) if low <= bracket.stop_loss else None
    return max(bracket.stop_loss, opened) if high >= bracket.stop_loss else None


def take_profit_hit(quantity: float, bracket: Bracket, opened: float, low: float, high: float) -> float | None:
    """Price at which a bar fills the take-profit, or None; a bar that opens beyond it fills at its open, better."""
    if quantity > 0.0:
        return max(bracket.take_profit, opened) if high >= bracket.take_profit else None
    return min(bracket.take_profit, opened) if low <= bracket.take_profit else None
