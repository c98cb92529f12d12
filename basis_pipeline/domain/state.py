"""EngineState: everything every component remembers, which is also the checkpoint between months (R49, R50).

Positions are stored by key, so that a state can be read by a person and survives a change of slot order. Floats are
written in shortest round-trip form: loading a state gives the same bits.
"""

from __future__ import annotations

import msgspec

from basis_pipeline.domain.brackets import Bracket
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


class PositionState(msgspec.Struct, frozen=True, omit_defaults=True):
    """A position as it is stored: `quantity` in the units of its slot; `entry_price` 0.0 where there is no perp."""

    quantity: float
    entry_price: float
    bracket: Bracket | None = None


class PnLState(msgspec.Struct, frozen=True):
    """Sums since the opening. `attribution` and `attribution_usd` are in the order of CATEGORIES (LIVE_CATEGORIES).

    `peak` and `peak_usd` are the largest equity so far: noise in a book that was emptied is noise of that size.
    """

    attribution: tuple[float, ...]
    attribution_usd: tuple[float, ...]
    equity: float
    equity_usd: float
    cumulative: float
    cumulative_usd: float
    peak: float = 0.0
    peak_usd: float = 0.0


class FundingPayment(msgspec.Struct, frozen=True):
    """One settlement time in the trailing window: received, and on what notional, both in the settlement currency."""

    timestamp: int
    payment: float
    notional: float


class RiskState(msgspec.Struct, frozen=True):
    """Drawdown is measured on a unit of the book: its value without the effect of flows.

    Attributes:
        equity: share class, at the last commit; 0 before the book was funded.
        unit_value, peak: value of one unit (1.0 at the opening) and its highest value.
        funding: settlements of the trailing window, oldest first.
        borrow_index, borrow_at: of the debt at the last midnight; 0 before the first.
        borrow_apr: its growth per year between the last two midnights.
    """

    equity: float = 0.0
    unit_value: float = 1.0
    peak: float = 1.0
    funding: tuple[FundingPayment, ...] = ()
    borrow_index: float = 0.0
    borrow_at: int = 0
    borrow_apr: float | None = None


class Followed(msgspec.Struct, frozen=True):
    """The position last opened on a signal: its side (-1, 0, 1), when it was opened, its notional / equity then.

    The side is kept after the position is closed, until the signal asks for something else: a stop is not undone by
    the very signal that led to it.
    """

    side: int = 0
    since: int = 0
    size: float = 0.0


class StrategyState(msgspec.Struct, frozen=True):
    """What the strategy manager remembers between steps.

    Attributes:
        reference_equity: equity at the last sizing in USDT, adjusted for flows since; None before the entry.
        halted: why no entry is planned any more; empty while trading.
        exposure: share of its full size that the book was last sized for.
        awaits_funds: cash was sent for a sizing that is carried out with what has arrived.
        followed: of a book that follows signals.
        declined_price, declined_at: where and when a plan last could not be carried by cash; None if it could.
    """

    reference_equity: float | None = None
    halted: str = ""
    exposure: float = 1.0
    declined_price: float | None = None
    declined_at: int | None = None
    awaits_funds: bool = False
    followed: Followed = Followed()


class HoldingMark(msgspec.Struct, frozen=True):
    """Underlying x days (eETH-days) held from the opening to a midnight."""

    midnight: int
    held_days: float


class RewardState(msgspec.Struct, frozen=True):
    """How much of the earning token was held, and for how long: what later distributions are computed on.

    Attributes:
        held_days: eETH-days from the opening to the last step.
        marks: the same at every midnight since the opening, in order.
        wrapped: tokens were received since rewards were last unwrapped.
    """

    held_days: float = 0.0
    marks: tuple[HoldingMark, ...] = ()
    wrapped: bool = False


class CarryMark(msgspec.Struct, frozen=True):
    """What growth is measured between: collateral (ratio x liquidity index), debt (borrow index), rewards so far."""

    midnight: int
    collateral: float
    debt: float
    rewards: float


class CarryState(msgspec.Struct, frozen=True):
    """The window of the carry gate.

    Attributes:
        marks: one per midnight of the window, oldest first.
        rewards: value of all distributions so far, as a fraction of one eETH.
        levered: whether the stack should have debt.
    """

    marks: tuple[CarryMark, ...] = ()
    rewards: float = 0.0
    levered: bool = True


class ReportedFinding(msgspec.Struct, frozen=True):
    """A risk finding that the event log has reported; it is reported again only when it changes."""

    dimension: str
    venue: str
    level: int


class EngineState(msgspec.Struct, frozen=True, kw_only=True):
    """The checkpoint after the last step of a month.

    Attributes:
        config_digest, behaviour: of the configuration that produced it; another one is refused.
        timestamp: the last step that is in it.
        sequence, event_sequence, operation_id: counters that go on in the next month.
        funded: the initial capital was credited.
        positions: by key; zero positions included.
        market: the last snapshot, by slot: the next step's interval starts at its prices, indices and ratios.
        settled: `kind:venue` -> timestamp of the last settlement, so that none happens twice.
        flows_until: scheduled flows up to here were taken into account.
        rewards: the holding history of the token that earns restaking rewards.
        carry: what leverage has earned lately.
        risk_findings: what the event log last reported, so that a resumed run does not report it again.
    """

    schema_version: int = SCHEMA_VERSION
    mode: str
    config_digest: str
    behaviour: dict[str, str]
    timestamp: int
    sequence: int
    event_sequence: int
    operation_id: int
    funded: bool
    positions: dict[str, PositionState]
    market: MarketSnapshot | None
    pnl: PnLState
    risk: RiskState
    strategy: StrategyState
    settled: dict[str, int]
    arrivals: tuple[PendingArrival, ...] = ()
    withdrawals: tuple[PendingWithdrawal, ...] = ()
    flows_until: int = 0
    rewards: RewardState = RewardState()
    carry: CarryState = CarryState()
    risk_findings: tuple[ReportedFinding, ...] = ()

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
