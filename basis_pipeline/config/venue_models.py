"""The keys of configs/venues and configs/share_classes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from basis_pipeline.config.fields import KeyText, Model, NotNegative, Positive, Ratio, Share, SlippagePoints
from basis_pipeline.domain.orders import Operation


class InstrumentFile(Model):
    """One line of a venue's instruments. Fees, lots and slippage default by kind; a value here overrides."""

    key: KeyText
    token: str = Field(default="", description="underlying of an aToken, base of a perp; else the symbol of the key")
    quote: str = Field(default="USDT", description="settlement currency of a perp, quote token of a spot pair")
    last_price: Literal["candles", "mark"] = Field(
        default="candles", description="`mark` where the venue has no candles of this perp: marks stand in for them"
    )
    prices: str = Field(default="", description="symbol whose candles, marks and funding serve a perp without its own")
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
    slippage_bp: SlippagePoints = Field(default={10_000: 0.0}, description="order size in USD -> basis points")
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
    gas_units: dict[Operation, NotNegative] = Field(default={}, description="by on-chain operation")
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
