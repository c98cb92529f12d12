"""What the world did to us since the last step: ordered, guarded, applied before the strategy acts (R29).

Order of a refresh: initial capital; in the bar that just ended liquidation, then stop-loss, then
take-profit; funding on what remains; arrivals; rewards; deposits; withdrawals up to free cash. Each (kind, venue)
happens once per timestamp.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.position_keys import PositionKey
from basis_pipeline.domain.protocols import SettlementKind, Venue
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.state import EngineState, PendingArrival, PendingWithdrawal, RewardState
from basis_pipeline.domain.valuation import margin_of, withdrawable
from basis_pipeline.engine.event_logger import EventLogger
from basis_pipeline.engine.position_monitor import PositionMonitor
from basis_pipeline.engine.reward_ledger import RewardLedger

PAID_IN_FULL = 1e-9
"""A withdrawal is done when less than this fraction of it is open: float noise is no claim."""

_VENUE_KINDS = (
    SettlementKind.LIQUIDATION,
    SettlementKind.STOP_LOSS,
    SettlementKind.TAKE_PROFIT,
    SettlementKind.FUNDING,
    SettlementKind.ARRIVAL,
    SettlementKind.REWARD,
    SettlementKind.DEPOSIT,
)
_BRACKET_KINDS = frozenset({SettlementKind.STOP_LOSS, SettlementKind.TAKE_PROFIT})


class SettlementMemory(NamedTuple):
    """What a refresh may change besides positions; the fields of the same names of EngineState.

    `market` is the snapshot that holdings were last counted at.
    """

    funded: bool
    settled: dict[str, int]
    arrivals: tuple[PendingArrival, ...]
    withdrawals: tuple[PendingWithdrawal, ...]
    flows_until: int
    rewards: RewardState
    market: MarketSnapshot | None


class Settlements:
    """Remembers what was settled, what is in transit, and which withdrawals are still to be paid."""

    def __init__(
        self,
        settings: EngineSettings,
        venues: Iterable[Venue],
        position_monitor: PositionMonitor,
        event_logger: EventLogger,
        state: EngineState | None,
        *,
        opening: Mapping[int, float] | None = None,
    ) -> None:
        self._settings = settings
        self._opening = opening or {settings.capital_slot: settings.initial_capital}
        self._position_monitor = position_monitor
        self._event_logger = event_logger
        venues = tuple(venues)
        self._due_bracketed = tuple((kind, venue) for kind in _VENUE_KINDS for venue in venues if kind in venue.settles)
        self._due = tuple((kind, venue) for kind, venue in self._due_bracketed if kind not in _BRACKET_KINDS)
        self._telling = frozenset(venue.name for venue in venues if SettlementKind.ARRIVAL in venue.settles)
        capital_slot = settings.capital_slot
        self._capital_account = next((a for a in settings.margin_accounts if a.cash_slot == capital_slot), None)
        self.funded = state.funded if state else False
        self.settled: dict[str, int] = dict(state.settled) if state else {}
        self.arrivals: tuple[PendingArrival, ...] = state.arrivals if state else ()
        self.withdrawals: tuple[PendingWithdrawal, ...] = state.withdrawals if state else ()
        self.flows_until = state.flows_until if state else 0
        self._rewards = _reward_ledger(settings, state)

    @property
    def memory(self) -> SettlementMemory:
        """A copy of everything remembered, to go back to when the refresh it belongs to fails."""
        market = self._rewards.market if self._rewards else None
        return SettlementMemory(
            self.funded, dict(self.settled), self.arrivals, self.withdrawals, self.flows_until, self.rewards, market
        )

    @memory.setter
    def memory(self, memory: SettlementMemory) -> None:
        self.funded, self.settled, self.arrivals, self.withdrawals, self.flows_until, rewards, market = memory
        if self._rewards is not None:
            self._rewards.state, self._rewards.market = rewards, market

    @property
    def rewards(self) -> RewardState:
        """The holding history that rewards are computed on; empty for modes that earn none."""
        return self._rewards.state if self._rewards else RewardState()

    def rewards_unwrapped(self) -> None:
        """Everything received so far was taken out of its wrapper."""
        if self._rewards is not None:
            self._rewards.unwrapped()

    @property
    def pending_withdrawal(self) -> float:
        """Withdrawals not yet paid, share-class units."""
        return sum(withdrawal.remaining for withdrawal in self.withdrawals)

    @property
    def awaited_capital(self) -> float:
        """What is on its way to the capital slot, share-class units."""
        capital = self._settings.universe.keys[self._settings.capital_slot]
        return sum(arrival.quantity for arrival in self.arrivals if arrival.target_key == capital)

    def close_withdrawals(self) -> float:
        """Give up what is still to be paid, and return it in share-class units."""
        unpaid = self.pending_withdrawal
        self.withdrawals = ()
        return unpaid

    def apply_due(self, timestamp: int, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        """Apply everything due at `timestamp` to the position monitor and return it."""
        applied: list[PositionDelta] = []
        if self._rewards is not None:
            self._rewards.accrue(self._position_monitor.get_current_positions(), market)
        if not self.funded:
            self.funded = True
            capital = tuple(PositionDelta(slot, held, DeltaSource.INITIAL) for slot, held in self._opening.items())
            self._apply(timestamp, SettlementKind.INITIAL, capital, applied)
        brackets = self._position_monitor.get_current_positions().brackets
        for kind, venue in self._due_bracketed if brackets else self._due:
            if kind is SettlementKind.FUNDING and market.funding is None:
                continue
            deltas = venue.settle(kind, self._position_monitor.get_current_positions(), market)
            if deltas and self._first_time(kind, venue.name, timestamp):
                self._apply(timestamp, kind, deltas, applied)
                if kind is SettlementKind.ARRIVAL:
                    self.strike_off(deltas)
        if self.arrivals:
            self._release_arrivals(timestamp, applied)
        if self._rewards is not None and market.rewards:
            self._pay_rewards(self._rewards, timestamp, market, applied)
        if self._settings.flows or self.withdrawals:
            self._apply_flows(timestamp, market, applied)
        return tuple(applied)

    def expect_arrival(self, receivable_slot: int, target_slot: int, quantity: float, due: int) -> None:
        """Remember funds that left a venue and arrive later; they are counted at the receivable meanwhile.

        They are released when `due`, or when the target says that they arrived if it settles arrivals itself.
        """
        keys = self._settings.universe.keys
        self.arrivals += (PendingArrival(keys[receivable_slot], keys[target_slot], quantity, due),)

    def strike_off(self, deltas: tuple[PositionDelta, ...]) -> None:
        """Take what a venue said has arrived, or has come back, from what is awaited: the oldest first."""
        keys = self._settings.universe.keys
        for delta in deltas:
            gone, left = -delta.amount, []
            for arrival in self.arrivals:
                taken = min(gone, arrival.quantity) if arrival.receivable_key == keys[delta.slot] else 0.0
                gone -= max(0.0, taken)
                if taken <= 0.0:
                    left.append(arrival)
                elif arrival.quantity - taken > PAID_IN_FULL * arrival.quantity:
                    left.append(replace(arrival, quantity=arrival.quantity - taken))
            self.arrivals = tuple(left)

    def _first_time(self, kind: SettlementKind, venue: str, timestamp: int) -> bool:
        key = f"{kind}:{venue}"
        if self.settled.get(key) == timestamp:
            return False
        self.settled[key] = timestamp
        return True

    def _apply(
        self, timestamp: int, kind: SettlementKind, deltas: tuple[PositionDelta, ...], applied: list[PositionDelta]
    ) -> None:
        self._position_monitor.update_state(timestamp, deltas)
        applied.extend(deltas)
        if kind is not SettlementKind.FUNDING:
            for delta in deltas:
                self._event_logger.settlement(timestamp, kind, delta)

    def _release_arrivals(self, timestamp: int, applied: list[PositionDelta]) -> None:
        slot = self._settings.universe.slot
        due = tuple(arrival for arrival in self.arrivals if arrival.due <= timestamp and not self._is_told(arrival))
        self.arrivals = tuple(arrival for arrival in self.arrivals if arrival not in due)
        for arrival in due:
            deltas = (
                PositionDelta(slot(arrival.receivable_key), -arrival.quantity, DeltaSource.TRANSFER),
                PositionDelta(slot(arrival.target_key), arrival.quantity, DeltaSource.TRANSFER),
            )
            self._apply(timestamp, SettlementKind.ARRIVAL, deltas, applied)

    def _is_told(self, arrival: PendingArrival) -> bool:
        return PositionKey.parse(arrival.target_key).venue in self._telling

    def _pay_rewards(
        self, ledger: RewardLedger, timestamp: int, market: MarketSnapshot, applied: list[PositionDelta]
    ) -> None:
        payments = ledger.payments(market)
        if payments and self._first_time(SettlementKind.REWARD, ledger.issuer, timestamp):
            self._apply(timestamp, SettlementKind.REWARD, payments, applied)
            ledger.received()

    def _apply_flows(self, timestamp: int, market: MarketSnapshot, applied: list[PositionDelta]) -> None:
        capital_slot = self._settings.capital_slot
        for flow in self._settings.flows:
            if not self.flows_until < flow.timestamp <= timestamp:
                continue
            if flow.amount > 0.0:
                deposit = PositionDelta(capital_slot, flow.amount, DeltaSource.DEPOSIT)
                self._apply(timestamp, SettlementKind.DEPOSIT, (deposit,), applied)
            else:
                self.withdrawals += (PendingWithdrawal(flow.timestamp, -flow.amount),)
        self.flows_until = timestamp
        self._pay_withdrawals(timestamp, market, applied)

    def _pay_withdrawals(self, timestamp: int, market: MarketSnapshot, applied: list[PositionDelta]) -> None:
        """Pay pending withdrawals in order from free cash; the rest waits for the unwinding."""
        capital_slot = self._settings.capital_slot
        remaining: list[PendingWithdrawal] = []
        for withdrawal in self.withdrawals:
            paid = min(self._free_capital(market), withdrawal.remaining)
            if paid > 0.0:
                delta = PositionDelta(capital_slot, -paid, DeltaSource.WITHDRAWAL)
                self._apply(timestamp, SettlementKind.WITHDRAWAL, (delta,), applied)
            unpaid = withdrawal.remaining - max(0.0, paid)
            if unpaid > PAID_IN_FULL * withdrawal.remaining:
                remaining.append(PendingWithdrawal(withdrawal.requested, unpaid))
        self.withdrawals = tuple(remaining)

    def _free_capital(self, market: MarketSnapshot) -> float:
        """Tokens of the capital slot that may leave: all but the gas reserve, or what its positions can do without.

        That is more than the venue insists on: paying out must not bring the margin ratio below the warning.
        """
        positions, account = self._position_monitor.get_current_positions(), self._capital_account
        held = positions.quantities[self._settings.capital_slot]
        if account is None:
            return held - self._settings.gas_reserve
        limits = self._settings.risk.margin
        kept = max(account.initial_margin, limits.warn) if limits else account.initial_margin
        return withdrawable(held, *margin_of(account, positions, market.mark), kept)


def _reward_ledger(settings: EngineSettings, state: EngineState | None) -> RewardLedger | None:
    if settings.rewards is None:
        return None
    if state is None:
        return RewardLedger(settings.rewards, settings.universe, RewardState(), None)
    return RewardLedger(settings.rewards, settings.universe, state.rewards, state.market)
