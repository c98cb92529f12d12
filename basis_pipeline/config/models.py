"""The keys of the YAML files: types, defaults, bounds. An unknown key is an error (R78).

Layers: the defaults here < configs/venues < configs/share_classes < configs/modes; overrides typed by a person come
on top of the mode and make an experiment.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.position_keys import PositionKey
from basis_pipeline.domain.settings import ErrorPolicyName, RiskType
from basis_pipeline.domain.timeline import parse_month


def _fraction(value: Any) -> Any:
    """`2/3` is a number in these files."""
    try:
        return float(Fraction(value)) if isinstance(value, str) and "/" in value else value
    except ZeroDivisionError as error:
        raise ValueError("divides by zero") from error


def _key(value: Any) -> str:
    return _parsed(lambda text: str(PositionKey.parse(text)), value)


def _month(value: Any) -> str:
    return _parsed(parse_month, value)


def _parsed(parse: Callable[[str], str], value: Any) -> str:
    """What `parse` makes of a text; its ConfigError becomes a finding at the key, so that file and key are named."""
    if not isinstance(value, str):
        raise ValueError("should be a text")  # noqa: TRY004 - pydantic takes only a ValueError for a finding
    try:
        return parse(value)
    except ConfigError as error:
        raise ValueError(f"{error.message.rstrip('.')} ({error.remedy})".replace(" ()", "")) from error


Share = Annotated[float, BeforeValidator(_fraction), Field(ge=0.0, le=1.0)]
Ratio = Annotated[float, BeforeValidator(_fraction), Field(gt=0.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
KeyText = Annotated[str, BeforeValidator(_key)]
Month = Annotated[str, BeforeValidator(_month)]
SlippagePoints = Annotated[dict[Annotated[int, Field(gt=0)], NotNegative], Field(min_length=1)]
"""Order notional in USD -> basis points."""


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InstrumentFile(Model):
    """One line of a venue's instruments. Fees, lots and slippage default by kind; a value here overrides."""

    key: KeyText
    token: str = Field(default="", description="underlying of an aToken, base of a perp; else the symbol of the key")
    quote: str = Field(default="USDT", description="settlement currency of a perp, quote token of a spot pair")
    last_price: Literal["candles", "mark"] = Field(
        default="candles", description="`mark` where the venue has no candles of this perp: marks stand in for them"
    )
    ratio: str = Field(default="", description="oracle symbol of the protocol ratio of an LST, e.g. weETH_ETH")
    asset: str = Field(default="", description="what prices the token, where it is not the token itself: WETH -> ETH")
    lot: NotNegative = Field(default=0.0, description="quantity step; 0 is any quantity")
    min_notional: NotNegative | None = Field(default=None, description="USDT per order")
    max_notional: Positive | None = Field(default=None, description="USDT per order")
    taker_fee_bp: NotNegative | None = Field(default=None, description="basis points of the fill")
    slippage_bp: SlippagePoints | None = Field(default=None, description="order size in USD -> basis points")


class KindRules(Model):
    """Defaults of one kind of instrument at a venue."""

    taker_fee_bp: NotNegative = 0.0
    slippage_bp: SlippagePoints = {10_000: 0.0}
    min_notional: NotNegative = 0.0
    max_notional: Positive = 1e12


class MarginFile(Model):
    """Fractions of notional: opening needs `initial`, below `maintenance` the venue liquidates for a fee."""

    initial: Ratio = 0.10
    maintenance: Ratio = 0.05
    liquidation_fee: NotNegative = 0.01

    @model_validator(mode="after")
    def _ordered(self) -> MarginFile:
        if not self.maintenance < self.initial:
            raise ValueError(f"maintenance {self.maintenance} must be below initial {self.initial}")
        return self


class CollateralFile(Model):
    """Parameters of a lending venue for one collateral, fractions."""

    max_ltv: Share
    liquidation_threshold: Share
    liquidation_bonus: NotNegative


class VenueFile(Model):
    """configs/venues/<name>.yaml."""

    name: str
    kind: Literal["wallet", "cex", "lending", "staking", "dex", "executor"]
    description: str = ""
    spot: KindRules = KindRules()
    perp: KindRules = KindRules()
    spot_fee_in: Literal["quote", "base"] = Field(default="quote", description="what a spot purchase pays its fee in")
    margin: MarginFile | None = None
    transfer_fee_usdt: NotNegative = Field(default=0.0, description="flat fee for moving funds out of this venue")
    transfer_latency_bars: Annotated[int, Field(ge=0, le=100)] = 0
    gas_units: dict[Operation, NotNegative] = {}
    collateral: dict[str, CollateralFile] = Field(
        default={}, description="by token; `emode` is the ETH-correlated mode"
    )
    swaps: dict[str, KindRules] = Field(default={}, description="of a pool: all-in cost by token sold or bought")
    flash_fee_bp: NotNegative = Field(default=0.0, description="of an executor's flash loans")
    redemption_days: NotNegative = Field(default=0.0, description="from asking for a redemption to its tokens")
    instruments: list[InstrumentFile]

    @model_validator(mode="after")
    def _once(self) -> VenueFile:
        keys = [line.key for line in self.instruments]
        if repeated := sorted({key for key in keys if keys.count(key) > 1}):
            raise ValueError(f"instruments lists {', '.join(repeated)} more than once")
        return self


class ShareClassFile(Model):
    """configs/share_classes/<name>.yaml."""

    name: Literal["USDT", "ETH", "BTC"]
    description: str = ""
    decimals: Annotated[int, Field(ge=0, le=18)]
    market_neutral: bool = Field(description="books of this class are meant to have no delta in USD")
    max_leverage: Positive = 3.0


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


class LendingStrategy(Model):
    """Supply the share-class token to a lending venue."""

    shape: Literal["lending"]
    lending_venue: str = "aave_v3"
    token: str = Field(default="", description="token that is supplied; default: the asset, WETH for ETH")


def _check_weights(weights: dict[str, float]) -> None:
    total = sum(weights.values())
    if abs(total - 1.0) > 1e-9:
        raise ValueError(f"hedge_allocation sums to {total:.10g}, not 1")


class BasisStrategy(Model):
    """Long spot, short perps, margin beside them."""

    shape: Literal["basis"]
    spot_venue: str = "binance"
    spot_fraction: Annotated[float, BeforeValidator(_fraction), Field(gt=0.0, lt=1.0)] = 2 / 3
    hedge_allocation: Annotated[dict[str, Share], Field(min_length=1)]
    largest_move: Ratio | None = Field(
        default=None, description="largest adverse move over the action latency, fraction; known for BTC and ETH"
    )
    cash_floor: Share = Field(default=0.05, description="cash kept at a venue when re-levering, of its notional")

    @model_validator(mode="after")
    def _weights(self) -> BasisStrategy:
        _check_weights(self.hedge_allocation)
        return self


class BandFile(Model):
    """Beyond `warn` it is reported, beyond `breach` nothing is entered any more; fractions."""

    warn: Ratio
    breach: Ratio

    @model_validator(mode="after")
    def _ordered(self) -> BandFile:
        if not self.warn < self.breach:
            raise ValueError(f"warn {self.warn:g} must be below breach {self.breach:g}")
        return self


class StackFile(Model):
    """What staked ETH is made of; `target_ltv` 0 is plain staking."""

    lst: Literal["weETH", "wstETH"] = "weETH"
    target_ltv: Annotated[float, Field(ge=0.0, lt=0.95)] = 0.0
    emode: bool = True
    lending_venue: str = "aave_v3"
    executor: str = "instadapp"
    health_factor_derisk: Ratio = 1.12
    health_factor_emergency: Ratio = 1.05
    ltv_band: Ratio = Field(default=0.02, description="around target_ltv; above it the stack is reduced")
    peg_discount: BandFile = Field(
        default=BandFile(warn=0.01, breach=0.025), description="of the market ratio below the protocol's"
    )
    borrow_rate: BandFile = Field(default=BandFile(warn=0.05, breach=0.10), description="APR of the last day")
    reward_spike: Ratio = Field(default=0.005, description="rewards credited at once, of equity; reported only")


class StakingStrategy(StackFile):
    """Stake ETH, plain or levered; equity in ETH."""

    shape: Literal["staking"]


class HedgedStakingStrategy(StackFile):
    """A stack with its net ETH delta sold short; equity in USDT."""

    shape: Literal["hedged_staking"]
    spot_venue: str = "binance"
    stake_allocation: Annotated[float, BeforeValidator(_fraction), Field(gt=0.0, lt=1.0)] = 0.6
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
        LendingStrategy | BasisStrategy | StakingStrategy | HedgedStakingStrategy, Field(discriminator="shape")
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
    reference_price: dict[str, str] = Field(default={}, description="asset -> spot venue; default binance")
    flows: list[FlowFile] = []
    error_policy: ErrorPolicyName = ErrorPolicyName.FAIL_FAST
    venues: dict[str, dict[str, Any]] = Field(default={}, description="overrides of venue files, by venue")
    component_config: ComponentConfig = ComponentConfig()
