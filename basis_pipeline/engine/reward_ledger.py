"""Restaking rewards: what was held of the earning token, and the tokens a distribution pays on it.

A position earns what its rate per eETH gives on the time-weighted eETH held in the period, zero before the opening;
collateral counts like tokens in the wallet. eETH-days are summed from step to step at the ratio each interval starts
with, and kept at every midnight, because periods begin and end there and are paid days or weeks later.
"""

from __future__ import annotations

from bisect import bisect_left

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import DataError
from basis_pipeline.domain.market import Distribution, MarketSnapshot
from basis_pipeline.domain.position_keys import Universe
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import RewardRules
from basis_pipeline.domain.state import HoldingMark, RewardState
from basis_pipeline.domain.timeline import DAY, iso


class RewardLedger:
    """Sums holdings over time and computes payments; crediting them is the settlements' business."""

    def __init__(
        self, rules: RewardRules, universe: Universe, state: RewardState, market: MarketSnapshot | None
    ) -> None:
        self._rules = rules
        self._universe = universe
        self.state = state
        self.market = market

    @property
    def issuer(self) -> str:
        return self._rules.issuer

    def accrue(self, positions: Positions, market: MarketSnapshot) -> None:
        """Count what was held from the last step to this one; `positions` as the last step closed."""
        before, self.market = self.market, market
        if before is None or market.timestamp <= before.timestamp:
            return
        quantities, underlying = positions.quantities, before.underlying
        held = sum(quantities[slot] * underlying[slot] for slot in self._rules.earning_slots)
        state, start = self.state, before.timestamp
        marks = state.marks
        for midnight in range(start - start % DAY + DAY, market.timestamp + 1, DAY):
            marks += (HoldingMark(midnight, state.held_days + held * (midnight - start) / DAY),)
        held_days = state.held_days + held * (market.timestamp - start) / DAY
        self.state = RewardState(held_days, marks, state.wrapped)

    def payments(self, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        """What the snapshot's distributions pay on what was held; DataError for a token without a price."""
        deltas = []
        for distribution in market.rewards:
            held = self._average_held(distribution, market.timestamp)
            amount = distribution.rate * held
            if not amount:
                continue
            price = market.value[distribution.slot]
            if not price:
                raise _no_price(self._universe.keys[distribution.slot], market.timestamp)
            deltas.append(
                PositionDelta(
                    distribution.slot,
                    amount,
                    DeltaSource.REWARD,
                    price=price,
                    rate=distribution.rate,
                    reference_quantity=held,
                )
            )
        return tuple(deltas)

    def received(self) -> None:
        self.state = RewardState(self.state.held_days, self.state.marks, wrapped=True)

    def unwrapped(self) -> None:
        self.state = RewardState(self.state.held_days, self.state.marks, wrapped=False)

    def _average_held(self, distribution: Distribution, now: int) -> float:
        """Time-weighted eETH over the period."""
        start, end = distribution.start, distribution.end
        if not start < end <= now or start % DAY or end % DAY:
            raise DataError(
                f"a distribution of {self._universe.keys[distribution.slot]} at {iso(now)} is for {iso(start)} to "
                f"{iso(end)}: not whole days before it.",
                remedy="correct the period in the reward file.",
            )
        return (self._held_days_until(end) - self._held_days_until(start)) / ((end - start) / DAY)

    def _held_days_until(self, midnight: int) -> float:
        """eETH-days from the opening to a midnight that is not ahead; 0 before the first one."""
        marks = self.state.marks
        place = bisect_left(marks, midnight, key=lambda mark: mark.midnight)
        return marks[place].held_days if place < len(marks) and marks[place].midnight == midnight else 0.0


def _no_price(key: str, timestamp: int) -> DataError:
    return DataError(
        f"a reward in {key} is due at {iso(timestamp)}, and nothing prices the token yet.",
        code="DATA-005",
        remedy="ingest candles of its pool that reach back to the payout, or leave the token out of `rewards.tokens`.",
    )
