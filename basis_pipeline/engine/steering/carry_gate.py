"""The carry gate: leverage that has cost money for a month is taken off where that pays.

The marginal carry of one unit of debt, from the growth over the trailing window, per year::

    c = (R1 LI1 / (R0 LI0) - 1 + rewards - (BI1 / BI0 - 1)) x 365 days / window

with protocol ratio R, liquidity index LI of the collateral, borrow index BI and the market value of what was
distributed per eETH. With debt D, a pool price k below the protocol's (slippage included) and a horizon of 90 days

    reduce    -c D 90 / 365  >  k D + gas                  what staying would cost exceeds what leaving costs
    re-lever   c D 90 / 365  >  k D + gas of both ways     the gain pays for coming back and for leaving again

Until the window is full there is no verdict and the stack stays as it is sized.
"""

from __future__ import annotations

from msgspec.structs import replace

from basis_pipeline.domain.accounting import unscale
from basis_pipeline.domain.market import Distribution, MarketSnapshot
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.protocols import Targets
from basis_pipeline.domain.quotes_chain import gas_in_slot
from basis_pipeline.domain.records import ChainSnapshot
from basis_pipeline.domain.settings import EngineSettings, StackRoute
from basis_pipeline.domain.state import CarryMark, CarryState
from basis_pipeline.domain.timeline import DAY, YEAR

WINDOW = 30 * DAY
HORIZON = 90 * DAY


class CarryGate:
    """Watches what leverage earns and decides once a day, at midnight, whether there should be any."""

    def __init__(self, settings: EngineSettings, stack: StackRoute, target_ltv: float, state: CarryState) -> None:
        self._settings = settings
        self._stack = stack
        self._target_ltv = target_ltv
        self.state = state

    def observe(self, snapshot: ChainSnapshot) -> None:
        """Take the step's distributions and, at midnight, its indices into the window, and decide again."""
        market = snapshot.market
        if market.rewards:
            earned = sum(_value(paid, market, self._stack) for paid in market.rewards)
            self.state = replace(self.state, rewards=self.state.rewards + earned)
        if market.timestamp % DAY == 0:
            self._remember(market)
            self._decide(snapshot)

    @property
    def carry(self) -> float | None:
        """Marginal carry of leverage, fraction a year, + = it pays; None until the window is full."""
        marks = self.state.marks
        if not marks or marks[-1].midnight - marks[0].midnight < WINDOW:
            return None
        first, last = marks[0], marks[-1]
        earned = last.collateral / first.collateral - 1.0 + last.rewards - first.rewards
        return (earned - (last.debt / first.debt - 1.0)) * (YEAR / WINDOW)

    def targets(self, snapshot: ChainSnapshot) -> Targets | None:
        """The stack with or without its debt, everything else as it is; None where that is so already."""
        stack, market, quantities = self._stack, snapshot.market, snapshot.positions.quantities
        carry, net = self.carry, self._net_eth(snapshot)
        debt = -snapshot.exposure.values[stack.owed_slot]
        if carry is None or net <= 0.0:
            return None
        if debt > 0.0 if self.state.levered else debt < self._settings.steering_limits.min_trade:
            return None
        ltv = self._target_ltv if self.state.levered else 0.0
        held = {slot: unscale(quantity, market.index[slot]) for slot, quantity in enumerate(quantities)}
        held[stack.held_slot] = net / (1.0 - ltv) / market.ratio[stack.lst_slot]
        held[stack.owed_slot] = net * ltv / (1.0 - ltv)
        return Targets(held, {}, {}, f"carry of leverage {carry:+.2%} a year")

    def _remember(self, market: MarketSnapshot) -> None:
        stack = self._stack
        collateral = market.ratio[stack.lst_slot] * market.index[stack.held_slot]
        mark = CarryMark(market.timestamp, collateral, market.index[stack.owed_slot], self.state.rewards)
        kept = tuple(old for old in self.state.marks if old.midnight >= market.timestamp - WINDOW)
        self.state = replace(self.state, marks=(*kept, mark))

    def _decide(self, snapshot: ChainSnapshot) -> None:
        carry = self.carry
        if carry is None:
            return
        if self.state.levered:
            debt = -snapshot.exposure.values[self._stack.owed_slot]
            leaves = debt > 0.0 and -carry * debt * HORIZON / YEAR > self._cost_of_leaving(debt, snapshot.market)
            self.state = replace(self.state, levered=not leaves)
            return
        debt = self._net_eth(snapshot) * snapshot.market.price[self._stack.eth_slot]
        debt *= self._target_ltv / (1.0 - self._target_ltv)
        costs = self._cost_of_leaving(debt, snapshot.market) + self._gas(Operation.ATOMIC_LEVER, snapshot.market)
        self.state = replace(self.state, levered=carry * debt * HORIZON / YEAR > costs)

    def _cost_of_leaving(self, debt: float, market: MarketSnapshot) -> float:
        """USDT lost by selling staked tokens for a `debt` in USDT: below the protocol's price by pool and slippage."""
        slot = self._stack.lst_slot
        slip = self._settings.rules_of(self._stack.dex).trades[slot].slippage.fraction(debt * market.usd)
        loss = 1.0 - market.last[slot] * (1.0 - slip) / market.value[slot]
        return debt * loss + self._gas(Operation.ATOMIC_DELEVER, market)

    def _gas(self, operation: Operation, market: MarketSnapshot) -> float:
        slot = self._settings.gas_slot
        if slot is None:
            return 0.0
        return gas_in_slot(operation, self._stack.executor, market, self._settings) * market.value[slot]

    def _net_eth(self, snapshot: ChainSnapshot) -> float:
        """ETH that the stack is worth at the protocol's ratio, debt deducted."""
        quantities, underlying = snapshot.positions.quantities, snapshot.market.underlying
        return sum(quantities[slot] * underlying[slot] for slot in (self._stack.held_slot, self._stack.owed_slot))


def carry_gate(settings: EngineSettings, state: CarryState) -> CarryGate | None:
    """None for modes that have no leverage, or whose leverage does not have to pay."""
    if settings.stack is None or settings.gated_ltv is None:
        return None
    return CarryGate(settings, settings.stack, settings.gated_ltv, state)


def _value(paid: Distribution, market: MarketSnapshot, stack: StackRoute) -> float:
    """Fraction of one eETH that a distribution is worth, of a long period only as much as the window's share."""
    share = min(1.0, WINDOW / (paid.end - paid.start))
    return paid.rate * share * market.price[paid.slot] / market.price[stack.eth_slot]
