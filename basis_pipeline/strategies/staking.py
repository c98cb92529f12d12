"""Staked ETH, plain or levered in one transaction.

With deployable equity E in ETH, target loan to value l, protocol ratio R::

    collateral  S = E / (1 - l)      LST units S / R
    debt        B = l E / (1 - l)    so that S - B = E: the stack's net ETH delta is its equity
"""

from __future__ import annotations

import msgspec

from basis_pipeline.domain.protocols import StrategyView, Targets
from basis_pipeline.domain.settings import StackRoute, Steering


class Stack(msgspec.Struct, frozen=True):
    """A stack of staked ETH; `target_ltv` 0 is plain staking."""

    route: StackRoute
    target_ltv: float

    def quantities(self, eth: float, ratio: float, *, levered: bool = True) -> dict[int, float]:
        """Underlying units by slot of a stack worth `eth` net: staked tokens, and ETH owed."""
        ltv = self.target_ltv if levered else 0.0
        wanted = {self.route.held_slot: eth / (1.0 - ltv) / ratio}
        if self.route.debt_slot is not None:
            wanted[self.route.debt_slot] = eth * ltv / (1.0 - ltv)
        return wanted

    @property
    def slots(self) -> tuple[int, ...]:
        """Slots whose net delta is the stack's equity in ETH."""
        debt = () if self.route.debt_slot is None else (self.route.debt_slot,)
        return tuple(dict.fromkeys((self.route.held_slot, self.route.lst_slot, *debt)))


class Staking(msgspec.Struct, frozen=True):
    """Everything but the reserves is in the stack; equity is counted in ETH.

    Attributes:
        reserve_fraction: of equity, kept in the wallet.
        gas_reserve: ETH kept in the wallet besides, for the gas of withdrawals.
    """

    stack: Stack
    reserve_fraction: float
    gas_reserve: float = 0.0
    steering: Steering = Steering.LEGS
    hedge: None = None

    def targets(self, view: StrategyView) -> Targets:
        market, route = view.snapshot.market, self.stack.route
        eth_price = market.price[route.eth_slot]
        tokens = view.equity / eth_price
        kept = min(tokens, tokens * self.reserve_fraction + self.gas_reserve)
        return Targets(
            quantities=self.stack.quantities(tokens - kept, market.ratio[route.lst_slot], levered=view.levered),
            margins={},
            wallet={route.eth_slot: kept + view.pending_withdrawal / eth_price},
            reason=f"stake {tokens - kept:.6g} ETH at a loan to value of {self.stack.target_ltv:g}",
        )

    def flat(self, view: StrategyView) -> Targets:
        return Targets(dict.fromkeys(self.stack.quantities(0.0, 1.0), 0.0), {}, {}, "sell the stack")
