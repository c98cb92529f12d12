"""Runs the chain positions -> exposure -> risk -> P&L for both triggers, and owns reconciliation (R1, R17, R19).

The chain computes a candidate of all four and commits them together: if any monitor fails, none has moved.
"""

from __future__ import annotations

from typing import NamedTuple

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import StateError, VenueError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, Operation, Order, ReconciliationResult
from basis_pipeline.domain.protocols import Clock
from basis_pipeline.domain.receipts import in_transit, is_receipt
from basis_pipeline.domain.records import ChainSnapshot, Trigger
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.engine.event_logger import EventLogger
from basis_pipeline.engine.exposure_monitor import ExposureMonitor
from basis_pipeline.engine.pnl_monitor import PnLMonitor
from basis_pipeline.engine.position_monitor import PositionMonitor
from basis_pipeline.engine.reconciliation import check_conservation, check_market, compare_positions
from basis_pipeline.engine.risk_monitor import RiskMonitor
from basis_pipeline.engine.sequence import Counter
from basis_pipeline.engine.settlements import Settlements
from basis_pipeline.engine.venue_interface_manager import VenueInterfaceManager


class Monitors(NamedTuple):
    """The chain, in the order in which it runs."""

    position: PositionMonitor
    exposure: ExposureMonitor
    risk: RiskMonitor
    pnl: PnLMonitor


class PositionUpdateHandler:
    """The one place where positions change and everything that depends on them follows."""

    def __init__(
        self,
        settings: EngineSettings,
        monitors: Monitors,
        settlements: Settlements,
        venues: VenueInterfaceManager,
        event_logger: EventLogger,
        *,
        clock: Clock,
        last_sequence: int,
    ) -> None:
        self._settings = settings
        self._unlisted = settings.rewards.token_slots if settings.rewards else ()
        self._position_monitor, self._exposure_monitor, self._risk_monitor, self._pnl_monitor = monitors
        self._settlements = settlements
        self._venues = venues
        self._event_logger = event_logger
        self._now = clock.now
        self._sequence = Counter(last_sequence)
        self.snapshot: ChainSnapshot | None = None

    @property
    def last_sequence(self) -> int:
        return self._sequence.last

    @property
    def latest(self) -> ChainSnapshot:
        """The last committed chain; StateError before the first refresh."""
        if self.snapshot is None:
            raise StateError("nothing was refreshed yet.")
        return self.snapshot

    def refresh(self, timestamp: int, market: MarketSnapshot) -> ChainSnapshot:
        """Trigger `position_refresh`: settlements into positions, then the chain. No comparison, no retry (R21).

        Nothing is settled on values that are not of `timestamp`: what is due waits for newer ones.

        Raises:
            DataError: a value of the snapshot is not a number; nothing has changed then.
        """
        check_market(market, self._settings.universe, self._unlisted)
        memory = self._settlements.memory
        try:
            deltas = () if market.as_of is not None else self._settlements.apply_due(timestamp, market)
            return self._run_chain(timestamp, market, Trigger.POSITION_REFRESH, deltas)
        except BaseException:
            self._position_monitor.roll_back()
            self._settlements.memory = memory
            raise

    def update_state(
        self, timestamp: int, market: MarketSnapshot, order: Order, handshake: ExecutionHandshake
    ) -> ReconciliationResult:
        """Trigger `execution_manager`: deltas once, then real against expected, then the chain (R20).

        Raises:
            AccountingError: the handshake does not conserve value up to its stated costs.
            PositionError: its deltas cannot be applied, or were applied before.
        """
        try:
            self._book(timestamp, market, handshake)
            result = self.reconcile(market)
            if result.success:
                self.complete(timestamp, market, order, handshake)
        except BaseException:
            self._position_monitor.roll_back()
            raise
        return result

    def adopt(self, timestamp: int, market: MarketSnapshot, order: Order, handshake: ExecutionHandshake) -> None:
        """Book an order that was executed before this process began.

        Venues already hold what all such orders did, so they are compared once, after the last of them.
        """
        try:
            self._book(timestamp, market, handshake)
        except BaseException:
            self._position_monitor.roll_back()
            raise
        self.complete(timestamp, market, order, handshake)

    def adjust(self, timestamp: int, market: MarketSnapshot, deltas: tuple[PositionDelta, ...]) -> ChainSnapshot:
        """Bring the book to what the venues hold, on the record and explained as what it is."""
        try:
            self._position_monitor.update_state(timestamp, deltas)
            return self._run_chain(timestamp, market, Trigger.POSITION_REFRESH, deltas)
        except BaseException:
            self._position_monitor.roll_back()
            raise

    def reconcile(self, market: MarketSnapshot, attempt: int = 1) -> ReconciliationResult:
        """Ask the venues again and compare; applies nothing, so it can be repeated."""
        expected = self._position_monitor.get_current_positions()
        try:
            real = self._venues.positions(expected)
        except VenueError as error:
            return ReconciliationResult(success=False, attempt=attempt, silence=str(error))
        mismatches = compare_positions(expected, real, market, self._settings)
        slot, awaits = self._settings.universe.slot, in_transit(expected, self._settings)
        given = all(is_receipt(slot(m.position_key), m.gap, market, self._settings) for m in mismatches)
        return ReconciliationResult(given and not (mismatches and awaits), mismatches, attempt)

    def complete(self, timestamp: int, market: MarketSnapshot, order: Order, handshake: ExecutionHandshake) -> None:
        """Run the chain for a handshake that has reconciled, at once or on a later attempt."""
        try:
            self._run_chain(timestamp, market, Trigger.EXECUTION_MANAGER, handshake.deltas)
        except BaseException:
            self._position_monitor.roll_back()
            raise
        self._remember_arrival(timestamp, order, handshake)
        if order.operation is Operation.UNWRAP_REWARD:
            self._settlements.rewards_unwrapped()

    def _book(self, timestamp: int, market: MarketSnapshot, handshake: ExecutionHandshake) -> None:
        self._receive(timestamp, market, handshake)
        before = self._position_monitor.get_current_positions()
        after = self._position_monitor.update_state(timestamp, handshake.deltas, handshake.operation_id)
        check_conservation(handshake, before, after, market, self._settings)

    def _receive(self, timestamp: int, market: MarketSnapshot, handshake: ExecutionHandshake) -> None:
        """An order for all there is takes what strangers have added meanwhile too: that comes into the book first."""
        found = tuple(
            PositionDelta(slot, missing, DeltaSource.RECEIPT, price=market.value[slot])
            for slot, missing in self._position_monitor.overdrafts(handshake.deltas).items()
            if is_receipt(slot, missing, market, self._settings)
        )
        if found:
            self.adjust(timestamp, market, found)

    def _remember_arrival(self, timestamp: int, order: Order, handshake: ExecutionHandshake) -> None:
        receivable = self._settings.receivables.get(order.counter_slot)
        if receivable is None:
            return
        rules = self._settings.rules_of(order.venue)
        latency = rules.redemption_delay if order.operation is Operation.REDEEM else rules.transfer_latency
        quantity = sum(delta.amount for delta in handshake.deltas if delta.slot == receivable)
        if order.operation is Operation.CLAIM:
            self._settlements.strike_off(handshake.deltas)
        elif quantity:
            self._settlements.expect_arrival(receivable, order.counter_slot, quantity, timestamp + latency)

    def _run_chain(
        self, timestamp: int, market: MarketSnapshot, trigger: Trigger, deltas: tuple[PositionDelta, ...]
    ) -> ChainSnapshot:
        now = self._now
        started, positions = now(), self._position_monitor.get_current_positions()
        exposure = self._exposure_monitor.calculate_exposure(positions, market)
        exposed = now()
        risk = self._risk_monitor.assess_risk(exposure, positions, market, timestamp, deltas)
        assessed = now()
        pnl = self._pnl_monitor.update_state(exposure, positions, market, deltas)
        explained = now()
        self._position_monitor.commit()
        self._risk_monitor.commit()
        self._pnl_monitor.commit()
        snapshot = ChainSnapshot(self._sequence.next(), timestamp, trigger, market, positions, exposure, risk, pnl)
        self._event_logger.commit(snapshot, deltas)
        self._event_logger.log.moments.chains.append((started, exposed, assessed, explained, now()))
        self.snapshot = snapshot
        return snapshot
