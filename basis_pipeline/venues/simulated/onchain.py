"""On-chain places that only execute: the wallet, staking protocols, pools, and the executor of atomic groups.

They share one way of answering (quote, check funds, confirm) and differ in the operations they take. What is staked or
swapped sits in the wallet, so nothing settles here.
"""

from __future__ import annotations

from basis_pipeline.domain.deltas import PositionDelta
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.protocols import SettlementKind
from basis_pipeline.domain.records import Positions
from basis_pipeline.venues.simulated.execution import SimulatedVenue


class _OnChainVenue(SimulatedVenue):
    settles: frozenset[SettlementKind] = frozenset()

    def settle(self, kind: SettlementKind, positions: Positions, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        return ()


class SimulatedWallet(_OnChainVenue):
    """Transfers to venues, ETH <-> WETH."""

    operations = frozenset({Operation.TRANSFER, Operation.WRAP, Operation.UNWRAP})


class SimulatedStaking(_OnChainVenue):
    """Lido, EtherFi: mints at the protocol ratio at once, redeems through a queue, unwraps rewards."""

    operations = frozenset({Operation.STAKE, Operation.REDEEM, Operation.UNWRAP_REWARD})


class SimulatedDex(_OnChainVenue):
    """A pool: market price, all-in cost by size."""

    operations = frozenset({Operation.SWAP})


class SimulatedExecutor(_OnChainVenue):
    """Runs an atomic group with a flash loan in one transaction: all steps or none (R44-R47)."""

    operations = frozenset({Operation.ATOMIC_LEVER, Operation.ATOMIC_DELEVER})
