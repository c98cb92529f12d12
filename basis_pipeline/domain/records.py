"""What the four monitors say about one moment, committed together (R8).

All amounts inside the loop are USDT unless a name says otherwise; `PnL` also speaks in the share class and in USD.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum

import msgspec

from basis_pipeline.domain.brackets import Bracket
from basis_pipeline.domain.market import Floats, MarketSnapshot


class Trigger(StrEnum):
    """The two reasons for which positions are updated (R19)."""

    POSITION_REFRESH = "position_refresh"
    EXECUTION_MANAGER = "execution_manager"


class Category(StrEnum):
    """Sources of profit and loss. Their order is the order of every attribution tuple.

    `unexplained` is what was adjusted to real venues; a backtest cannot have any.
    """

    SUPPLY_YIELD = "supply_yield"
    BORROW_COSTS = "borrow_costs"
    STAKING_YIELD = "staking_yield"
    STAKING_REWARDS = "staking_rewards"
    FUNDING = "funding_pnl"
    DELTA = "delta_pnl"
    BASIS = "basis_pnl"
    DUST = "dust_pnl"
    TRANSACTION_COSTS = "transaction_costs"
    FX = "fx_pnl"
    LIQUIDATION = "liquidation_pnl"
    RESIDUAL = "residual"
    UNEXPLAINED = "unexplained"


LIVE_CATEGORIES: tuple[Category, ...] = tuple(Category)
CATEGORIES: tuple[Category, ...] = LIVE_CATEGORIES[:-1]
"""Those of a backtest; records of live sessions have one more at the end."""


def categories_among(names: Iterable[str]) -> tuple[Category, ...]:
    """Those of a record in which `names` occur."""
    return LIVE_CATEGORIES if Category.UNEXPLAINED in names else CATEGORIES


class Positions(msgspec.Struct, frozen=True, gc=False):
    """Stored quantities and perp entry prices by slot (entry 0.0 where there is no perp position).

    `brackets` are the (slot, levels) of open perp positions that have a stop-loss and a take-profit.
    """

    quantities: Floats
    entry_prices: Floats
    brackets: tuple[tuple[int, Bracket], ...] = ()


class Exposure(msgspec.Struct, frozen=True, gc=False):
    """What the positions are worth and what they depend on.

    Attributes:
        equity: assets - debt + unrealised perp P&L, USDT; equals the sum of `values`.
        values: signed USDT value by slot; a perp counts its unrealised P&L.
        asset_deltas: net units by asset of the universe, spot and perp together; 0.0 for USDT.
        net_delta: USDT, over all assets but the share-class asset.
        excess_delta: USDT; like `net_delta`, plus (delta - equity) in the share coin for coin share classes.
        gross: sum over slots of |delta x price|, USDT.
    """

    equity: float
    values: Floats
    asset_deltas: Floats
    net_delta: float
    excess_delta: float
    gross: float


class RiskLevel(IntEnum):
    """WARNING is reported; BREACH is acted on, or keeps the book from entering; CRITICAL is an emergency or a stop."""

    INFO = 0
    WARNING = 1
    BREACH = 2
    CRITICAL = 3


class RiskFinding(msgspec.Struct, frozen=True):
    """One dimension outside its limit. `venue` is empty for limits of the whole book."""

    dimension: str
    level: RiskLevel
    value: float
    limit: float
    venue: str = ""


class Risk(msgspec.Struct, frozen=True, gc=False):
    """Risk in every dimension (R8). None means that the dimension does not apply, never infinity.

    Attributes:
        level: the worst level among `findings`.
        margin_ratios: by margin venue of the mode, margin balance / notional.
        health_factor, loan_to_value: of the lending venue.
        delta_drift: |excess delta| / equity.
        funding_apr: trailing seven-day funding earned per year on short notional; positive = received.
        drawdown: 1 - equity per share-class unit / its peak, flows excluded; 0 at a peak.
        peg_discount: what a staked token sells for over its protocol ratio, less one; negative = discount.
        borrow_apr: growth of the borrow index over the last whole day, per year.
        predicted_sd: standard deviation of the return that the model expects over its horizon.
        model_drift: stability index of the model's latest predictions; 0: they are as in training.
        findings: what is outside its limits, worst first.
    """

    level: RiskLevel
    margin_ratios: tuple[float | None, ...]
    health_factor: float | None
    loan_to_value: float | None
    delta_drift: float
    funding_apr: float | None
    drawdown: float
    findings: tuple[RiskFinding, ...] = ()
    peg_discount: float | None = None
    borrow_apr: float | None = None
    predicted_sd: float | None = None
    model_drift: float | None = None


class PnL(msgspec.Struct, frozen=True, gc=False):
    """Exact attribution of the change of equity since the previous timestep closed.

    Attributes:
        equity, equity_usd: net asset value in the share class and in USD.
        step, step_usd: profit since the previous timestep closed, external flows excluded.
        cumulative, cumulative_usd: since the opening, external flows excluded.
        flow, flow_usd: external flows of this timestep, positive = into the book.
        attribution, attribution_usd: `step` by `CATEGORIES`, live by `LIVE_CATEGORIES`; they sum to it including the
            residual.
    """

    equity: float
    equity_usd: float
    step: float
    step_usd: float
    cumulative: float
    cumulative_usd: float
    flow: float
    flow_usd: float
    attribution: Floats
    attribution_usd: Floats


class ChainSnapshot(msgspec.Struct, frozen=True, gc=False):
    """One committed pass of positions -> exposure -> risk -> P&L. `sequence` increases by one per commit."""

    sequence: int
    timestamp: int
    trigger: Trigger
    market: MarketSnapshot
    positions: Positions
    exposure: Exposure
    risk: Risk
    pnl: PnL
