"""The keys of the YAML files: types, defaults, bounds. An unknown key is an error (R78).

Layers: the defaults here < configs/venues < configs/share_classes < configs/modes; overrides typed by a person come
on top of the mode and make an experiment.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from basis_pipeline.config.fields import KeyText, Model, Month, NotNegative, Positive, Ratio, Share, as_fraction
from basis_pipeline.domain.settings import ErrorPolicyName, RiskType


class MarginRatioFile(Model):
    """Bands of the margin ratio: maintenance < emergency < derisk < warn < (1 - s) / s < relever."""

    warn: Ratio = 0.25
    derisk: Ratio = 0.20
    emergency: Ratio = 0.12
    relever: Ratio | None = Field(default=None, description="default 1.6 x (1 - s) / s")


class DeltaFile(Model):
    warn: Ratio = 0.01
    rebalance: Ratio = 0.02
    breach: Ratio = 0.05


class GatesFile(Model):
    """Limits of the quality gates that no risk limit of the mode states; `basis gates` says what each one protects."""

    fills_budget: Share = Field(default=0.05, description="filled values / values used of one series in a month")
    carry_bound: Annotated[float, Field(allow_inf_nan=False)] = Field(
        default=0.0, description="funding received per year / average equity"
    )
    growth_tolerance: Ratio = Field(
        default=1e-4, description="profit against indices and ratios, of the largest equity"
    )
    price_profit: Ratio = Field(
        default=0.005, description="|profit from prices| of a hedged book in a month, of equity"
    )


_STACK_RISKS = (
    RiskType.HEALTH_FACTOR,
    RiskType.LOAN_TO_VALUE,
    RiskType.PEG_DISCOUNT,
    RiskType.BORROW_RATE,
    RiskType.REWARDS,
    RiskType.DRAWDOWN,
)
_PAIR_RISKS = (RiskType.CEX_MARGIN_RATIO, RiskType.DELTA, RiskType.FUNDING, RiskType.DRAWDOWN)


class StrategyFile(Model):
    """What every shape says of itself; a mode may say otherwise.

    Attributes:
        risks: what its risk monitor watches.
        reserve: share of equity that it leaves in the wallet.
    """

    risks: ClassVar[tuple[RiskType, ...]]
    reserve: ClassVar[float] = 0.005


class LendingStrategy(StrategyFile):
    """Supply the share-class token to a lending venue."""

    risks = (RiskType.DRAWDOWN,)
    reserve = 0.0
    shape: Literal["lending"]
    lending_venue: str = "aave_v3"
    token: str = Field(default="", description="token that is supplied; default: the asset, WETH for ETH")


def _check_weights(weights: dict[str, float]) -> None:
    total = sum(weights.values())
    if abs(total - 1.0) > 1e-9:
        raise ValueError(f"hedge_allocation sums to {total:.10g}, not 1")


class BasisStrategy(StrategyFile):
    """Long spot, short perps, margin beside them."""

    risks = _PAIR_RISKS
    shape: Literal["basis"]
    spot_venue: str = "binance"
    spot_fraction: Annotated[float, BeforeValidator(as_fraction), Field(gt=0.0, lt=1.0)] = 2 / 3
    hedge_allocation: Annotated[dict[str, Share], Field(min_length=1)]
    largest_move: Ratio | None = Field(
        default=None, description="largest adverse move over the action latency, fraction; known for BTC and ETH"
    )
    cash_floor: Share = Field(default=0.05, description="cash kept at a venue when re-levering, of its notional")

    @model_validator(mode="after")
    def _weights(self) -> BasisStrategy:
        _check_weights(self.hedge_allocation)
        return self


class RewardsFile(Model):
    """Restaking rewards: which are credited, and from what worth on they are sold as dust."""

    tokens: list[str] | None = Field(default=None, description="default: all that the staked token is paid; [] is none")
    dust_gas_multiple: NotNegative = Field(default=100.0, description="of the gas of a sale")
    dust_delta: Share = Field(default=0.002, description="of equity")


class BandFile(Model):
    """Beyond `warn` it is reported, beyond `breach` nothing is entered any more; fractions."""

    warn: Ratio
    breach: Ratio

    @model_validator(mode="after")
    def _ordered(self) -> BandFile:
        if not self.warn < self.breach:
            raise ValueError(f"warn {self.warn:g} must be below breach {self.breach:g}")
        return self


class StackFile(StrategyFile):
    """What staked ETH is made of; `target_ltv` 0 is plain staking."""

    risks: ClassVar[tuple[RiskType, ...]] = _STACK_RISKS
    lst: Literal["weETH", "wstETH"] = "weETH"
    target_ltv: Annotated[float, Field(ge=0.0, lt=0.95)] = 0.0
    emode: bool = True
    lending_venue: str = "aave_v3"
    executor: str = "instadapp"
    health_factor_derisk: Ratio = 1.12
    health_factor_emergency: Ratio = 1.05
    carry_gate: bool = Field(default=True, description="take leverage off while the last 30 days say that it costs")
    rewards: RewardsFile = RewardsFile()
    ltv_band: Ratio = Field(default=0.02, description="around target_ltv; above it the stack is reduced")
    peg_discount: BandFile = Field(
        default=BandFile(warn=0.01, breach=0.025), description="of the market ratio below the protocol's"
    )
    borrow_rate: BandFile = Field(default=BandFile(warn=0.05, breach=0.10), description="APR of the last day")
    reward_spike: Ratio = Field(default=0.005, description="rewards credited at once, of equity; reported only")


class StakingStrategy(StackFile):
    """Stake ETH, plain or levered; equity in ETH."""

    shape: Literal["staking"]
    exit_route: Literal["pool", "queue"] = Field(
        default="pool", description="of withdrawals; the queue costs days instead of slippage, and is never for risk"
    )


class HedgedStakingStrategy(StackFile):
    """A stack with its net ETH delta sold short; equity in USDT."""

    risks = (*_PAIR_RISKS, *_STACK_RISKS)
    shape: Literal["hedged_staking"]
    spot_venue: str = "binance"
    stake_allocation: Annotated[float, BeforeValidator(as_fraction), Field(gt=0.0, lt=1.0)] = 0.6
    hedge_allocation: Annotated[dict[str, Share], Field(min_length=1)]
    largest_move: Ratio | None = None
    cash_floor: Share = 0.05

    @property
    def spot_fraction(self) -> float:
        """The stack is the long leg: its share of the book is what a basis book calls its spot fraction."""
        return self.stake_allocation

    @model_validator(mode="after")
    def _weights(self) -> HedgedStakingStrategy:
        _check_weights(self.hedge_allocation)
        return self


class DirectionalStrategy(StrategyFile):
    """Follow a model's signals with one perp: linear in a USDT share class, inverse in the coin's own."""

    risks = (RiskType.CEX_MARGIN_RATIO, RiskType.DRAWDOWN, RiskType.PREDICTED_SD, RiskType.MODEL_DRIFT)
    reserve = 0.0
    shape: Literal["directional"]
    venue: str = "binance"
    model: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    signal_threshold: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.55
    max_position_size: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    stop_loss_sd: Positive = 2.0
    take_profit_sd: Positive = 2.0
    sd_floor_bp: Positive = 10.0
    sd_cap_bp: Annotated[float, Field(gt=0.0, le=4_000.0)] = 1_000.0
    minimum_edge: NotNegative = Field(default=1.0, description="expected gain / round-trip cost to open at all")
    target_sd: Positive | None = Field(default=None, description="size x predicted sd is held at this; default full")
    max_hold_bars: Annotated[int, Field(ge=1)] | None = Field(default=None, description="longest time in a position")
    drift: BandFile = Field(default=BandFile(warn=0.1, breach=0.25), description="stability index of predictions")
    allow_flat_start: bool = Field(default=False, description="the first loop may pass without an order (R56)")

    @model_validator(mode="after")
    def _bounds(self) -> DirectionalStrategy:
        if not self.sd_floor_bp < self.sd_cap_bp:
            raise ValueError(f"sd_floor_bp {self.sd_floor_bp:g} must be below sd_cap_bp {self.sd_cap_bp:g}")
        if self.sd_cap_bp * max(self.stop_loss_sd, self.take_profit_sd) >= 10_000.0:
            raise ValueError("sd_cap_bp x stop_loss_sd or take_profit_sd reaches 100% of the price")
        return self


class FlowFile(Model):
    """A deposit (positive) or withdrawal (negative) of share-class units."""

    at: datetime
    amount: Annotated[float, Field(allow_inf_nan=False)]

    @model_validator(mode="after")
    def _aware(self) -> FlowFile:
        if self.at.tzinfo is None:
            raise ValueError(f"{self.at} has no time zone; write 2024-03-01T00:00:00Z")
        return self


class RiskMonitorComponent(Model):
    enabled_risk_types: list[RiskType] | None = Field(default=None, description="default: what the shape needs")


class ExposureMonitorComponent(Model):
    track_assets: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None, description="assets recorded in `exposures`; default all"
    )
    conversion_methods: dict[Literal["USDT"], Literal["par", "oracle"]] = Field(
        default={"USDT": "par"}, description="USD value of USDT: 1, or the daily oracle price"
    )


class PositionMonitorComponent(Model):
    position_subscriptions: list[KeyText] = Field(
        default=[], description="further keys to declare beside those derived"
    )


class ComponentConfig(Model):
    """Overrides of what is derived from the shape (R77)."""

    risk_monitor: RiskMonitorComponent = RiskMonitorComponent()
    exposure_monitor: ExposureMonitorComponent = ExposureMonitorComponent()
    position_monitor: PositionMonitorComponent = PositionMonitorComponent()


class ModeFile(Model):
    """configs/modes/<mode>.yaml."""

    mode: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    description: str = ""
    share_class: Literal["USDT", "ETH", "BTC"]
    asset: str
    initial_capital: Positive
    step: Literal["1h", "5min"] = "1h"
    opening_month: Month | None = None
    strategy: Annotated[
        LendingStrategy | BasisStrategy | StakingStrategy | HedgedStakingStrategy | DirectionalStrategy,
        Field(discriminator="shape"),
    ]
    reserve_fraction: Share | None = Field(
        default=None, description="of equity; default 0 for lending, 0.005 otherwise"
    )
    gas_reserve: NotNegative = Field(default=0.0, description="share-class tokens kept for the gas of withdrawals")
    margin_ratio: MarginRatioFile = MarginRatioFile()
    delta: DeltaFile = DeltaFile()
    max_drawdown: Annotated[float, Field(gt=0.0, le=1.0)] = 0.15
    funding_floor_apr: Annotated[float, Field(allow_inf_nan=False)] = -0.05
    equity_deviation_threshold: Ratio = 0.05
    position_deviation_threshold: Ratio = 0.02
    min_trade_usd: NotNegative = 25.0
    max_gas_share: Ratio = Field(default=0.01, description="of what an addition moves; it waits while gas costs more")
    reference_price: dict[str, str] = Field(default={}, description="asset -> spot venue; default binance")
    flows: list[FlowFile] = Field(default=[], description="scheduled deposits and withdrawals")
    error_policy: ErrorPolicyName = ErrorPolicyName.FAIL_FAST
    venues: dict[str, dict[str, Any]] = Field(default={}, description="overrides of venue files, by venue")
    component_config: ComponentConfig = ComponentConfig()
    gates: GatesFile = GatesFile()
