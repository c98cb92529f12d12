"""Redemptions in the replay of a live record: asked for when an operator had it so, paid when the issuer really paid.

A backtest pays a redemption after the days that the venue's file says. A replay that did the same would have the money
on another day than the session; so here the simulated wallet is paid in the tick in which the session claimed.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator

import msgspec

from basis_pipeline.config.wiring import simulated_venues
from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Action, Operation, Order
from basis_pipeline.domain.protocols import SettlementKind, Venue
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.state import StrategyState
from basis_pipeline.engine.steering.halting import BY_QUEUE, leaving, resumed
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.live_journal.halts import EmergencyPolicy, Halt, HaltEntry
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.record import TickRecord
from basis_pipeline.runs.live.redemptions import leaves_by_queue
from basis_pipeline.venues.simulated.onchain import SimulatedWallet


class ToldWallet(SimulatedWallet):
    """Pays `paid` of what waits, a fraction, at the refresh that asks."""

    settles = frozenset({SettlementKind.ARRIVAL})

    def __init__(self, name: str, settings: EngineSettings) -> None:
        super().__init__(name, settings)
        self.paid = 0.0

    def settle(self, kind: SettlementKind, positions: Positions, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        moved = ((t, r, positions.quantities[r] * self.paid) for t, r in self._settings.receivables.items())
        return tuple(
            PositionDelta(slot, amount, DeltaSource.TRANSFER)
            for target, receivable, gone in moved
            if gone
            for slot, amount in ((receivable, -gone), (target, gone))
        )


class ReplayedRedemptions:
    """What an operator and an issuer did to a record, done to its replay; nothing to books that leave by the pool."""

    def __init__(self, journal: LiveJournal) -> None:
        words = [
            (entry.number, msgspec.json.decode(entry.payload, type=HaltEntry))
            for entry in journal.entries(Kind.HALT)
            if entry.key == Halt.EMERGENCY
        ]
        self._numbers = [number for number, _ in words]
        self._words = [word for _, word in words]
        self._wallet: ToldWallet | None = None

    def venues(self, settings: EngineSettings) -> tuple[Venue, ...]:
        """Simulated ones, with a wallet that is told where there is a queue."""
        venues = simulated_venues(settings)
        if not leaves_by_queue(settings):
            return venues
        self._wallet = ToldWallet(next(v.name for v in venues if isinstance(v, SimulatedWallet)), settings)
        return tuple(self._wallet if isinstance(venue, SimulatedWallet) else venue for venue in venues)

    def apply(self, number: int, record: TickRecord, state: StrategyState, equity: float) -> StrategyState:
        """Before a tick is lived again: what is paid in it, and the memory to go on with.

        Args:
            number: of the tick's entry in the journal.
            record: what the session did in it.
            state: of the replay's strategy.
            equity: of the replay, USDT.
        """
        if self._wallet is None:
            return state
        self._wallet.paid = _paid(record)
        if not self._leaves(number):
            return resumed(state, BY_QUEUE)
        redeemed = (order for order in _executed(record, Operation.REDEEM) if order.action is Action.EXIT_FULL)
        return leaving(state, BY_QUEUE, equity) if any(redeemed) else state

    def _leaves(self, number: int) -> bool:
        """Whether an operator's word to leave by the queue stood when the entry was written."""
        before = bisect.bisect_left(self._numbers, number)
        word = self._words[before - 1] if before else None
        return word is not None and word.active and word.policy == EmergencyPolicy.EXIT_QUEUE


def _paid(record: TickRecord) -> float:
    """The fraction of what waited that was claimed in a tick."""
    claim = next(_executed(record, Operation.CLAIM), None)
    waited = record.commits[0].positions.quantities[claim.slot] if claim is not None else 0.0
    return min(1.0, claim.quantity / waited) if claim is not None and waited else 0.0


def _executed(record: TickRecord, operation: Operation) -> Iterator[Order]:
    for one in record.orders:
        if one.result.success and one.result.order.operation is operation:
            yield one.result.order
