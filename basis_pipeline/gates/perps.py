"""What perps are worth and pay, by column: linear ones in USDT, inverse ones in their coin."""

from __future__ import annotations

import numpy as np

from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.gates.columns import Floats
from basis_pipeline.gates.evidence import MonthEvidence


def perps(evidence: MonthEvidence) -> tuple[int, ...]:
    """Slots of the perps, linear and inverse."""
    return evidence.universe.slots_of(PositionType.PERP)


def inverse(evidence: MonthEvidence, slot: int) -> bool:
    return evidence.universe.instruments[slot].inverse


def cash_of(evidence: MonthEvidence, slot: int) -> int:
    """Slot of the cash that a perp settles in: USDT, or its coin for an inverse one."""
    perp = evidence.universe.instruments[slot]
    token = perp.asset if perp.inverse else "USDT"
    return evidence.universe.slot(f"{perp.key.venue}:BaseToken:{token}")


def notional(evidence: MonthEvidence, slot: int, held: Floats, mark: Floats) -> Floats:
    """Signed size in the settlement currency: quantity x mark, or contracts / mark."""
    return held / mark if inverse(evidence, slot) else held * mark


def gain(evidence: MonthEvidence, slot: int, held: Floats, start: Floats, end: Floats) -> Floats:
    """What holding `held` from one price to another earns, settlement currency; 0 where nothing is held."""
    with np.errstate(divide="ignore", invalid="ignore"):
        change = 1.0 / start - 1.0 / end if inverse(evidence, slot) else end - start
    return np.where(held == 0.0, 0.0, held * change)
