"""Everything a gate may look at: the tables of one month, the states around it, and what the mode promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from basis_pipeline.domain.errors import GateError
from basis_pipeline.domain.evidence import DataUsage, SignalEvidence
from basis_pipeline.domain.position_keys import Universe
from basis_pipeline.domain.records import CATEGORIES, Category, categories_among
from basis_pipeline.domain.state import EngineState
from basis_pipeline.gates.columns import Bools, Floats, Ints, integers, numbers, panel
from basis_pipeline.gates.live_evidence import LiveEvidence
from basis_pipeline.gates.market import MonthMarket
from basis_pipeline.storage.digests import table_digest, text_digest

RESIDUAL = CATEGORIES.index(Category.RESIDUAL)
EMPTIED = 1e-9
"""A book is empty where its equity is below this fraction of the largest it has had."""


class GateThresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the gates; the defaults are those of a market-neutral book on centralised exchanges.

    Attributes:
        closing_tolerance: residual and sums of the attribution, fraction of equity.
        fold_tolerance: folded deltas against positions, fraction of the largest quantity of the slot.
        delta_warn, delta_breach: |delta| / equity.
        margin_derisk, margin_emergency: margin balance / notional, lowest over venues.
        health_derisk, health_emergency: health factor.
        fills_budget: filled values / values used of one series in a month.
        carry_bound: funding received per year / average equity; positive = received.
        growth_tolerance: profit of a month against what its indices, ratios and rates paid, of its largest equity.
        price_profit: |profit from prices| of a market-neutral book in a month / average equity.
        unexplained_day: |profit that no category explains| of a live day / equity.
        live_residual: |residual| of a live step / equity.
        skipped_ticks: of a live month, ticks skipped / ticks due, and ticks at values that were held / ticks.
    """

    closing_tolerance: float = 1e-9
    fold_tolerance: float = 1e-12
    delta_warn: float = 0.02
    delta_breach: float = 0.05
    margin_derisk: float = 0.20
    margin_emergency: float = 0.12
    health_derisk: float = 1.12
    health_emergency: float = 1.05
    fills_budget: float = 0.05
    carry_bound: float = 0.0
    growth_tolerance: float = 1e-4
    price_profit: float = 0.005
    unexplained_day: float = 1e-4
    live_residual: float = 1e-5
    skipped_ticks: float = 0.05


CONFIGURED_BY: dict[str, str] = {
    "delta_warn": "delta.rebalance",
    "delta_breach": "delta.breach",
    "margin_derisk": "margin_ratio.derisk",
    "margin_emergency": "margin_ratio.emergency",
    "health_derisk": "strategy.health_factor_derisk",
    "health_emergency": "strategy.health_factor_emergency",
    "fills_budget": "gates.fills_budget",
    "carry_bound": "gates.carry_bound",
    "growth_tolerance": "gates.growth_tolerance",
    "price_profit": "gates.price_profit",
}
"""By threshold the key in configs/modes/<mode>.yaml that sets it; tolerances of float noise are fixed."""


class ModeProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration of a mode promises, the same for all its months.

    Attributes:
        config_digest: of the behavioural configuration the month was run with.
        step: microseconds between timesteps.
        initial_capital: share-class units.
        required_series, optional_series: `dataset/venue/symbol` of what the mode needs and of what it may use.
        market_neutral: the book is meant to have no delta.
        share_asset: the asset that equity is counted in.
        coin_share_class: the share class is a coin, so neutral means holding exactly the equity in it.
        supplied_fraction: of equity, what a pure lending mode keeps supplied (1 - reserve); None for other modes.
        gas_reserve: share-class units that no withdrawal takes.
        directional: the book lives by trading: a month without an order is worth a warning.
        flat_start_allowed: the first loop may pass without an order (R56, exempted by configuration).
        thresholds: limits of the gates.
    """

    config_digest: str
    step: int
    initial_capital: float
    required_series: tuple[str, ...]
    optional_series: tuple[str, ...] = ()
    market_neutral: bool = False
    share_asset: str = "USDT"
    coin_share_class: bool = False
    supplied_fraction: float | None = None
    gas_reserve: float = 0.0
    directional: bool = False
    flat_start_allowed: bool = False
    thresholds: GateThresholds = GateThresholds()


class Ledger(NamedTuple):
    """Equity and profit of a month in one currency, one entry per timestep.

    `attribution` has one column per category. `*_before` is what held before the step, or before the month for
    the two sums; all are 0 before an opening.
    """

    currency: str
    equity: Floats
    equity_before: Floats
    flow: Floats
    step: Floats
    cumulative: Floats
    attribution: Floats
    cumulative_before: float
    residual_before: float
    peak_before: float

    @property
    def peak(self) -> Floats:
        """Largest equity so far, that of the months before included."""
        return np.maximum(self.peak_before, np.maximum.accumulate(np.maximum(self.equity, self.equity_before)))

    @property
    def empty(self) -> Bools:
        """Where nothing but noise is left of the book."""
        return np.asarray(np.abs(self.equity) <= EMPTIED * self.peak)


@dataclass(frozen=True)
class MonthEvidence:
    """One month of one mode, before it is published.

    Attributes:
        month: `YYYY-MM`.
        opening: capital came in at the first step of this month.
        allow_open: the month may end where its data end; it is then published as incomplete.
        experiment: not part of the standing record.
        profile: what the configuration promises.
        universe: the declared positions; its order is that of the slots.
        tables: the result tables by name.
        market: prices, indices, ratios and rates, not as the engine wrote them down but as the data have them.
        usage: the market data that was used.
        state: the checkpoint after the last step.
        previous: the checkpoint the month started from; None at an opening.
        signals: where the month's signals come from; None without signals of a model trained here.
        live: what the journal of a live record says of the month; None for a backtest.
        second_digest: `digest` of the same month run again; None if it was run once, which no gate accepts.

    Raises:
        GateError: the month has no timestep, so there is nothing to judge.
    """

    month: str
    opening: bool
    profile: ModeProfile
    universe: Universe
    tables: Mapping[str, pa.Table]
    market: MonthMarket
    usage: DataUsage
    state: EngineState
    previous: EngineState | None
    allow_open: bool = False
    experiment: bool = False
    signals: SignalEvidence | None = None
    live: LiveEvidence | None = None
    second_digest: str | None = None

    def __post_init__(self) -> None:
        if not self.tables["timesteps"].num_rows:
            raise GateError(f"month {self.month} of {self.state.mode} has no timestep.", remedy="check its data.")

    @cached_property
    def timestamps(self) -> Ints:
        """Microseconds UTC of the closing records."""
        return integers(self.tables["timesteps"], "timestamp")

    @cached_property
    def quantities(self) -> Floats:
        """Stored quantities at every closing record, by slot; NaN where the table has no row."""
        return panel(self.tables["positions"], "quantity", "position_key", self.universe.keys, self.timestamps)

    @cached_property
    def opening_quantities(self) -> Floats:
        """Stored quantities the month started from, by slot; 0.0 at an opening."""
        held = self.previous.positions if self.previous else {}
        return np.array([held[key].quantity if key in held else 0.0 for key in self.universe.keys])

    @cached_property
    def aligned(self) -> bool:
        """The closing records are at the steps of the market."""
        return np.array_equal(self.timestamps, self.market.timestamps)

    @cached_property
    def held_before(self) -> Floats:
        """Stored quantities before each step, by slot: those of the closing record before it."""
        return np.vstack([self.opening_quantities, self.quantities[:-1]])

    @cached_property
    def categories(self) -> tuple[Category, ...]:
        """The rows of a timestep in the attribution."""
        return categories_among(self.tables["pnl_attribution"]["category"].unique().to_pylist())

    @cached_property
    def ledgers(self) -> tuple[Ledger, Ledger]:
        """The month in the share class and in USD."""
        previous = self.previous.pnl if self.previous else None
        return (
            self._ledger(
                ("share class", "equity_share_class", ""),
                equity_before=previous.equity if previous else 0.0,
                cumulative_before=previous.cumulative if previous else 0.0,
                residual_before=previous.attribution[RESIDUAL] if previous else 0.0,
                peak_before=previous.peak if previous else 0.0,
            ),
            self._ledger(
                ("USD", "equity_usd", "_usd"),
                equity_before=previous.equity_usd if previous else 0.0,
                cumulative_before=previous.cumulative_usd if previous else 0.0,
                residual_before=previous.attribution_usd[RESIDUAL] if previous else 0.0,
                peak_before=previous.peak_usd if previous else 0.0,
            ),
        )

    def _ledger(
        self,
        columns: tuple[str, str, str],
        *,
        equity_before: float,
        cumulative_before: float,
        residual_before: float,
        peak_before: float,
    ) -> Ledger:
        currency, equity_column, suffix = columns
        steps = self.tables["timesteps"]
        equity = numbers(steps, equity_column)
        return Ledger(
            currency=currency,
            equity=equity,
            equity_before=np.concatenate([[equity_before], equity[:-1]]),
            flow=numbers(steps, f"flow{suffix}"),
            step=numbers(steps, f"step_pnl{suffix}"),
            cumulative=numbers(steps, f"cumulative_pnl{suffix}"),
            attribution=panel(
                self.tables["pnl_attribution"], f"pnl{suffix}", "category", self.categories, self.timestamps
            ),
            cumulative_before=cumulative_before,
            residual_before=residual_before,
            peak_before=peak_before,
        )

    @cached_property
    def digest(self) -> str:
        """`content_digest` of the month."""
        return content_digest(self.tables, self.state)


def content_digest(tables: Mapping[str, pa.Table], state: EngineState) -> str:
    """SHA-256 (hex) over the canonical content of all tables and the checkpoint."""
    parts = (part for name in sorted(tables) for part in (name, table_digest(tables[name])))
    return text_digest(*parts, state.to_json().decode())
