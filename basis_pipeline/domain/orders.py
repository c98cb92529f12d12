"""Orders, what comes back for them, and how they are reconciled (R4-R6, R11, R13)."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from basis_pipeline.domain.brackets import BracketDistances
from basis_pipeline.domain.deltas import PositionDelta


class Operation(StrEnum):
    """What an order does; `domain.quotes` says for each one which positions change, and by how much."""

    SPOT_TRADE = "spot_trade"
    PERP_TRADE = "perp_trade"
    TRANSFER = "transfer"
    SUPPLY = "supply"
    WITHDRAW = "withdraw"
    WRAP = "wrap"
    UNWRAP = "unwrap"
    STAKE = "stake"
    REDEEM = "redeem"
    CLAIM = "claim"
    SWAP = "swap"
    UNWRAP_REWARD = "unwrap_reward"
    BORROW = "borrow"
    REPAY = "repay"
    FLASH_BORROW = "flash_borrow"
    FLASH_REPAY = "flash_repay"
    ATOMIC_LEVER = "atomic_lever"
    ATOMIC_DELEVER = "atomic_delever"


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class Action(StrEnum):
    """The five things a strategy can decide to do."""

    ENTRY_FULL = "entry_full"
    ENTRY_PARTIAL = "entry_partial"
    EXIT_PARTIAL = "exit_partial"
    EXIT_FULL = "exit_full"
    SELL_DUST = "sell_dust"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One instruction to one venue.

    Attributes:
        operation_id: unique and increasing within a standing record; 0 while the order is only planned.
        venue: who executes it.
        operation: what to do.
        slot: the position acted on: base token, perp, token to move, supply or wrap, aToken to withdraw.
        counter_slot: the other leg: quote token, margin cash, destination, aToken, token received.
        quantity: positive; base units for trades, token units for everything else (never scaled units).
        side: BUY or SELL for trades, None otherwise.
        action: the decision it serves.
        expected: (slot, signed amount) the planner projected at the quoted prices.
        reduce_only: may only shrink a perp position.
        planned_quantity: of the whole planned trade that this order is a part of; 0 where it is all of it. Parts pay
            the slippage of the whole: the market does not forget within one timestep what it has just sold.
        tag: why this order exists inside its plan, e.g. `roll`; empty for the obvious ones.
        steps: of an atomic group, in sequence: all happen in one transaction or none does (R44-R47). The order
            itself then stands for the group: one execution, one gas charge, one handshake, one reconciliation.
        bracket: of an order that opens or flips a perp position, how far from its fill price it will be closed.
    """

    venue: str
    operation: Operation
    slot: int
    counter_slot: int
    quantity: float
    action: Action
    side: Side | None = None
    operation_id: int = 0
    expected: tuple[tuple[int, float], ...] = ()
    reduce_only: bool = False
    planned_quantity: float = 0.0
    tag: str = ""
    steps: tuple[Order, ...] = ()
    bracket: BracketDistances | None = None


class HandshakeStatus(StrEnum):
    """What became of an order. PENDING: nobody knows (live only). ROLLED_BACK: a group reverted, its gas is spent."""

    CONFIRMED = "confirmed"
    PENDING = "pending"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"


class ExecutionHandshake(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue answers to an order.

    A failed handshake has no deltas (gas of a reverted transaction excepted) and no `executed_at`.

    Attributes:
        price: average fill price, USDT; None where nothing was traded.
        filled: executed quantity in the units of the order.
        fee, slippage, gas: stated costs in USDT, positive = paid. Together with the reference prices they must
            explain the change of value to the last digit (reconciliation checks that).
        submitted_at, executed_at: microseconds UTC, engine time in a backtest.
    """

    operation_id: int
    status: HandshakeStatus
    deltas: tuple[PositionDelta, ...] = ()
    price: float | None = None
    filled: float = 0.0
    fee: float = 0.0
    slippage: float = 0.0
    gas: float = 0.0
    error_code: str = ""
    error_message: str = ""
    submitted_at: int = 0
    executed_at: int | None = None
    simulated: bool = True


class Mismatch(msgspec.Struct, frozen=True):
    """A position whose stored quantity here (`simulated`) is not what the venue says (`real`)."""

    position_key: str
    simulated: float
    real: float

    @property
    def gap(self) -> float:
        """What is there beyond the book, in stored units."""
        return self.real - self.simulated


class ReconciliationResult(msgspec.Struct, frozen=True):
    """Outcome of comparing what we hold with what the venues say we hold.

    Attributes:
        success: nothing differs, or only by what strangers may have given (`domain.receipts`).
        mismatches: all that differs.
        silence: why a venue said nothing.
    """

    success: bool
    mismatches: tuple[Mismatch, ...] = ()
    attempt: int = 1
    silence: str = ""

    @property
    def detail(self) -> str:
        """What differs, for a message."""
        differing = [f"{m.position_key}: expected {m.simulated!r}, venue says {m.real!r}" for m in self.mismatches]
        return "positions do not reconcile: " + (self.silence or "; ".join(differing))


class OrderState(StrEnum):
    """The per-order state machine (R11)."""

    IDLE = "idle"
    ROUTING = "routing"
    EXECUTING = "executing"
    RECONCILING = "reconciling"
    RETRY = "retry"
    SUCCESS = "success"
    FAILURE = "failure"
    SYSTEM_FAILURE = "system_failure"
    SKIPPED = "skipped"


TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    OrderState.IDLE: frozenset({OrderState.ROUTING, OrderState.SKIPPED}),
    OrderState.ROUTING: frozenset({OrderState.EXECUTING, OrderState.FAILURE}),
    OrderState.EXECUTING: frozenset({OrderState.RECONCILING, OrderState.FAILURE, OrderState.SYSTEM_FAILURE}),
    OrderState.RECONCILING: frozenset({OrderState.SUCCESS, OrderState.RETRY, OrderState.SYSTEM_FAILURE}),
    OrderState.RETRY: frozenset({OrderState.RECONCILING, OrderState.SYSTEM_FAILURE}),
}


class OrderResult(msgspec.Struct, frozen=True):
    """An order, what happened to it, and the states it went through (R13)."""

    order: Order
    state: OrderState
    handshake: ExecutionHandshake | None = None
    reconciliation: ReconciliationResult | None = None
    trail: tuple[OrderState, ...] = ()

    @property
    def success(self) -> bool:
        return self.state is OrderState.SUCCESS
