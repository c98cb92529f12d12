"""How exactly books must agree: exact in a backtest, rounded where real venues round."""

from __future__ import annotations

import msgspec


class Tolerance(msgspec.Struct, frozen=True):
    """How far a venue's word may differ from ours: real venues round, simulated ones have no excuse (R33).

    Attributes:
        relative: of the quantity compared, or of the value moved by a handshake.
        usdt: amounts worth less are not looked at.
    """

    relative: float = 0.0
    usdt: float = 0.0

    def allows(self, gap: float, size: float, value: float) -> bool:
        """Whether a `gap` between two quantities of about `size`, worth `value` USDT a unit, is no mismatch."""
        return abs(gap) <= self.relative * abs(size) or abs(gap * value) <= self.usdt


EXACT = Tolerance()
