"""Pure lending: everything but the reserve is supplied to Aave."""

from __future__ import annotations

import msgspec

from basis_pipeline.domain.protocols import StrategyView, Targets
from basis_pipeline.domain.settings import Steering


class Lending(msgspec.Struct, frozen=True):
    """Supply the share-class token.

    Attributes:
        a_token_slot: what is held.
        capital_slot: wallet slot that capital arrives at and withdrawals leave from.
        reserve_fraction: of equity, kept in the wallet.
        gas_reserve: tokens kept in the wallet besides, for the gas of withdrawals.
        tank_slot: ETH that pays the gas of a book in another token; counted as equity, never supplied.
    """

    a_token_slot: int
    capital_slot: int
    reserve_fraction: float
    gas_reserve: float = 0.0
    tank_slot: int | None = None
    steering: Steering = Steering.LEGS
    hedge: None = None

    def targets(self, view: StrategyView) -> Targets:
        """Underlying units to supply: (1 - reserve) x deployable equity; the planner keeps gas for the way."""
        price = view.snapshot.market.price[self.capital_slot]
        tank = 0.0 if self.tank_slot is None else view.snapshot.exposure.values[self.tank_slot]
        tokens = max(0.0, view.equity - tank) / price
        kept = tokens * self.reserve_fraction + self.gas_reserve
        return Targets(
            quantities={self.a_token_slot: max(0.0, tokens - kept)},
            margins={},
            wallet={self.capital_slot: kept + view.pending_withdrawal / price},
            reason=f"supply {1.0 - self.reserve_fraction:.2%} of equity",
        )

    def flat(self, view: StrategyView) -> Targets:
        return Targets({self.a_token_slot: 0.0}, {}, {}, "withdraw everything")
