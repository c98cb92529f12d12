"""Aave V3: supply, withdraw, borrow, repay on scaled balances; liquidation when health is lost."""

from __future__ import annotations

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.protocols import SettlementKind
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings, LendingAccount
from basis_pipeline.domain.valuation import health_of
from basis_pipeline.venues.simulated.execution import SimulatedVenue

CLOSE_FACTOR = 0.5
"""A liquidator may repay half of the debt while the health factor is at or above FULL_CLOSE."""
FULL_CLOSE = 0.95
"""Below this health factor all of the debt may be repaid at once (Aave V3 close factor)."""

DUST = 1e-9
"""Collateral below this fraction of the debt is float noise of a liquidation that took everything."""


class SimulatedAave(SimulatedVenue):
    """Interest needs no delta: a balance is worth scaled x index x price at every moment."""

    operations = frozenset({Operation.SUPPLY, Operation.WITHDRAW, Operation.BORROW, Operation.REPAY})

    def __init__(self, name: str, settings: EngineSettings) -> None:
        super().__init__(name, settings)
        account = settings.lending
        self._account = account if account is not None and account.venue == name else None
        self.settles = frozenset({SettlementKind.LIQUIDATION}) if self._account else frozenset()

    def settle(self, kind: SettlementKind, positions: Positions, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        """Liquidations until the account is healthy again or empty."""
        return _liquidate(self._account, positions, market) if self._account else ()


def _liquidate(account: LendingAccount, positions: Positions, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
    """Repay part of the debt, seize collateral worth it plus the bonus, until health >= 1.

    Debt that no collateral is left for is written off, as the protocol does since V3.3 (bad debt
    management, https://github.com/aave-dao/aave-v3-origin, docs/3.3/Aave-v3.3-features.md).
    """
    collateral, debt = account.collateral_slots[0], account.debt_slots[0]
    quantities = list(positions.quantities)
    deltas: list[PositionDelta] = []
    while True:
        values = [quantity * value for quantity, value in zip(quantities, market.value, strict=True)]
        factor = health_of(account, values).factor
        if factor is None or factor >= 1.0:
            return tuple(deltas)
        if values[collateral] <= DUST * -values[debt]:
            deltas.append(PositionDelta(debt, -quantities[debt], DeltaSource.LIQUIDATION, fee=values[debt]))
            return tuple(deltas)
        share = CLOSE_FACTOR if factor >= FULL_CLOSE else 1.0
        repaid = min(-values[debt] * share, values[collateral] / (1.0 + account.liquidation_bonus))
        seized = repaid * (1.0 + account.liquidation_bonus)
        changes = ((collateral, -seized / market.value[collateral]), (debt, -repaid / -market.value[debt]))
        for slot, change in changes:
            quantities[slot] += change
        penalty = repaid * account.liquidation_bonus
        deltas.append(PositionDelta(collateral, changes[0][1], DeltaSource.LIQUIDATION, fee=penalty))
        deltas.append(PositionDelta(debt, changes[1][1], DeltaSource.LIQUIDATION))
