"""The four seams of the engine. What is injected here is all that differs between a backtest and a live session."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

from basis_pipeline.domain.brackets import BracketDistances
from basis_pipeline.domain.deltas import PositionDelta
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, Operation, Order
from basis_pipeline.domain.records import ChainSnapshot, Positions
from basis_pipeline.domain.settings import Steering


class SettlementKind(StrEnum):
    """What the world does to positions between steps, in the order in which it is applied."""

    INITIAL = "initial"
    LIQUIDATION = "liquidation"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    FUNDING = "funding"
    ARRIVAL = "arrival"
    REWARD = "reward"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


class MarketFeed(Protocol):
    """The data provider.

    Obligations: nothing known after `timestamp` is in the snapshot; a value that is missing or older than its
    declared maximum age raises DataGapError instead of standing in.
    """

    def at(self, timestamp: int) -> MarketSnapshot: ...


class Venue(Protocol):
    """A place that holds positions and executes orders.

    Obligations: `execute` answers exactly once per call and never raises for a rejected order (it returns a FAILED
    handshake without position deltas); its deltas touch declared slots only and conserve value up to the stated
    costs. `positions` says what the venue believes we hold, for its own slots. `settle` computes what is due and has
    no memory: ordering, guarding and applying are the settlements' business.
    """

    @property
    def name(self) -> str: ...

    @property
    def operations(self) -> frozenset[Operation]: ...

    @property
    def settles(self) -> frozenset[SettlementKind]: ...

    def execute(self, order: Order, positions: Positions, market: MarketSnapshot) -> ExecutionHandshake: ...

    def positions(self, expected: Positions) -> Mapping[int, float]: ...

    def settle(
        self, kind: SettlementKind, positions: Positions, market: MarketSnapshot
    ) -> tuple[PositionDelta, ...]: ...


class Clock(Protocol):
    """Time as the execution manager sees it: `now` in seconds (monotonic), `sleep` for retries."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class StrategyView(msgspec.Struct, frozen=True):
    """What a strategy may look at.

    Attributes:
        snapshot: the committed chain at this moment.
        equity: what may be deployed, USDT: equity less withdrawals that are pending.
        pending_withdrawal: USDT to be set free in the wallet.
        margin_multiple: size for this multiple of the strategy's own margin ratio.
        levered: whether a stack is sized with its debt.
        exposure: share of the strategy's full size to hold; the rest stays with the shorts as margin.
        held_since: when the position that follows a signal was opened.
        held_size: its notional / equity then.
    """

    snapshot: ChainSnapshot
    equity: float
    pending_withdrawal: float = 0.0
    margin_multiple: float = 1.0
    levered: bool = True
    exposure: float = 1.0
    held_since: int = 0
    held_size: float = 0.0


class Targets(msgspec.Struct, frozen=True):
    """What a strategy wants to hold, and why.

    Attributes:
        quantities: by slot, underlying units (perps signed); slots not named are left alone.
        margins: by cash slot of a margin account, the margin balance wanted in USDT.
        wallet: by slot of the wallet, tokens to keep free there.
        brackets: by perp slot, where a position that is opened or flipped will be closed again.
        patient: what has to be released may take days, as a redemption does.
    """

    quantities: dict[int, float]
    margins: dict[int, float]
    wallet: dict[int, float]
    reason: str
    brackets: dict[int, BracketDistances] = {}
    patient: bool = False


class Hedge(msgspec.Struct, frozen=True):
    """The legs of a price-neutral pair.

    Attributes:
        spot_slot: where the asset is bought and sold.
        long_slots: all slots that make up the long leg; their net delta is what the shorts offset.
        perp_slots: the shorts.
    """

    spot_slot: int
    long_slots: tuple[int, ...]
    perp_slots: tuple[int, ...]


class Strategy(Protocol):
    """A frozen configuration and pure functions of the view. It builds no order, logs nothing, reads no clock."""

    @property
    def steering(self) -> Steering: ...

    @property
    def hedge(self) -> Hedge | None:
        """The legs of a price-neutral pair, or None."""

    def targets(self, view: StrategyView) -> Targets:
        """Quantities to hold with the equity of the view."""

    def flat(self, view: StrategyView) -> Targets:
        """Everything back to the wallet's capital slot."""
