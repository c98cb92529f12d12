"""EngineState: everything every component remembers, which is also the checkpoint between months (R49, R50).

Positions are stored by key, so that a state can be read by a person and survives a change of slot order. Floats are
written in shortest round-trip form: loading a state gives the same bits.
"""

from __future__ import annotations

import msgspec

from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.market import MarketSnapshot

SCHEMA_VERSION = 1


class PendingArrival(msgspec.Struct, frozen=True):
    """Funds in transit: counted in equity at `receivable_key`, released to `target_key` at the first step >= due."""

    receivable_key: str
    target_key: str
    quantity: float
    due: int


class PendingWithdrawal(msgspec.Struct, frozen=True):
    """A withdrawal asked for and not yet fully paid, in share-class units."""

    requested: int
    remaining: float


class PositionState(msgspec.Struct, frozen=True):
    quantity: float
    entry_price: float


class PnLState(msgspec.Struct, frozen=True):
    """Sums since the opening. `attribution` and `attribution_usd` are in the order of CATEGORIES."""

    attribution: tuple[float, ...]
    attribution_usd: tuple[float, ...]
    equity: float
    equity_usd: float
    cumulative: float
    cumulative_usd: float
    peak_index: float
    share_index: float


class StrategyState(msgspec.Struct, frozen=True):
    """What the strategy manager remembers between steps.

    Attributes:
        reference_equity: equity at the last sizing in USDT, adjusted for flows since; None before the entry.
        halted: why no entry is planned any more; empty while trading.
        declined_price, declined_at: where and when a plan last could not be carried by cash; None if it could.
    """

    reference_equity: float | None = None
    halted: str = ""
    declined_price: float | None = None
    declined_at: int | None = None


class FundingWindow(msgspec.Struct, frozen=True):
    """One settlement in the trailing window: when, USDT received, USDT notional it was computed on."""

    timestamp: int
    payment: float
    notional: float


class EngineState(msgspec.Struct, frozen=True, kw_only=True):
    """The checkpoint after the last step of a month."""

    schema_version: int = SCHEMA_VERSION
    mode: str
    config_digest: str
    opening_month: str
    timestamp: int
    sequence: int
    event_sequence: int
    operation_id: int
    funded: bool
    positions: dict[str, PositionState]
    market: MarketSnapshot | None
    pnl: PnLState
    strategy: StrategyState
    settled: dict[str, int]
    arrivals: tuple[PendingArrival, ...] = ()
    withdrawals: tuple[PendingWithdrawal, ...] = ()
    flows_until: int = 0
    funding_window: tuple[FundingWindow, ...] = ()

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @classmethod
    def from_json(cls, content: bytes, *, source: str) -> EngineState:
        """Raise StateError naming `source` if the content is not a state of this schema version."""
        try:
            version = msgspec.json.decode(content).get("schema_version")
        except (msgspec.DecodeError, AttributeError) as error:
            raise StateError(f"{source} is not a readable checkpoint: {error}.", remedy="re-run its month.") from error
        if version != SCHEMA_VERSION:
            raise StateError(
                f"{source} has checkpoint schema {version!r}, this version writes {SCHEMA_VERSION}.",
                code="STATE-002",
                remedy="re-run from the opening month with --reopen.",
            )
        try:
            return msgspec.json.decode(content, type=cls)
        except msgspec.ValidationError as error:
            raise StateError(f"{source} is not a valid checkpoint: {error}.", remedy="re-run its month.") from error
