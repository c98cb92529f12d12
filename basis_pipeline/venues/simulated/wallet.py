"""The on-chain wallet: transfers to venues, ETH <-> WETH. Every operation pays its gas or its flat fee."""

from __future__ import annotations

from basis_pipeline.domain.deltas import PositionDelta
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.protocols import SettlementKind
from basis_pipeline.domain.records import Positions
from basis_pipeline.venues.simulated.execution import SimulatedVenue


class SimulatedWallet(SimulatedVenue):
    operations = frozenset({Operation.TRANSFER, Operation.WRAP, Operation.UNWRAP})
    settles: frozenset[SettlementKind] = frozenset()

    def settle(self, kind: SettlementKind, positions: Positions, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        return ()
