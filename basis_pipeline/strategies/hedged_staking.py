"""A stack of staked ETH with its net ETH delta sold short.

Sized as a basis book whose long leg is the stack: with stake allocation a, the stack is worth a E, the shorts are its
net ETH delta (not the gross collateral), and (1 - a) E is margin on the shorts' venues.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from basis_pipeline.domain.protocols import Hedge, StrategyView, Targets
from basis_pipeline.domain.settings import Steering
from basis_pipeline.strategies.basis import Basis
from basis_pipeline.strategies.staking import Stack


class HedgedStaking(msgspec.Struct, frozen=True):
    """`book` sizes shorts and margin (its spot fraction is a); `stack` is what the long leg is made of.

    Attributes:
        tank: ETH of the long leg that stays in the wallet, hedged like the rest of it, because it pays the gas.
    """

    book: Basis
    stack: Stack
    tank: float = 0.0
    steering: Steering = Steering.PAIR

    @property
    def hedge(self) -> Hedge:
        return self.book.hedge

    def targets(self, view: StrategyView) -> Targets:
        sized = self.book.targets(view)
        long = -sum(sized.quantities[leg.perp_slot] for leg in self.book.legs)
        ratio = view.snapshot.market.ratio[self.stack.route.lst_slot]
        stack = self.stack.quantities(max(0.0, long - self.tank), ratio, levered=view.levered)
        quantities = sized.quantities | stack | {self.book.spot_slot: 0.0}
        return replace(sized, quantities=quantities, wallet=sized.wallet | {self.stack.route.eth_slot: self.tank})

    def flat(self, view: StrategyView) -> Targets:
        closed = self.book.flat(view)
        stack = dict.fromkeys(self.stack.quantities(0.0, 1.0), 0.0)
        return replace(closed, quantities=closed.quantities | stack, reason="sell the stack, cover the shorts")
