"""Aave V3: supply and withdraw on scaled balances; interest accrues through the index alone (domain B5, D3)."""

from __future__ import annotations

from basis_pipeline.domain.deltas import PositionDelta
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.protocols import SettlementKind
from basis_pipeline.domain.records import Positions
from basis_pipeline.venues.simulated.execution import SimulatedVenue


class SimulatedAave(SimulatedVenue):
    """Nothing settles by delta: a balance is worth scaled x index x price at every moment."""

    operations = frozenset({Operation.SUPPLY, Operation.WITHDRAW})
    settles: frozenset[SettlementKind] = frozenset()

    def settle(self, kind: SettlementKind, positions: Positions, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        return ()
