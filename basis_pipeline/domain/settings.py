"""The one configuration object that every component of an engine shares (R71). Built and validated by `config`."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from basis_pipeline.domain.accounting import INVERSE, LINEAR, PerpContract
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.position_keys import Universe
from basis_pipeline.domain.tolerance import EXACT, Tolerance
from basis_pipeline.domain.venue_rules import VenueRules


class ExecutionMode(StrEnum):
    BACKTEST = "backtest"
    LIVE = "live"


class ErrorPolicyName(StrEnum):
    FAIL_FAST = "fail_fast"
    REPLAN = "replan"
    RETRY = "retry"


class RiskType(StrEnum):
    """Risk dimensions that can be enabled per mode (R77)."""

    CEX_MARGIN_RATIO = "cex_margin_ratio"
    DELTA = "delta_risk"
    FUNDING = "funding"
    DRAWDOWN = "drawdown"
    HEALTH_FACTOR = "health_factor"
    LOAN_TO_VALUE = "loan_to_value"
    PEG_DISCOUNT = "peg_discount"
    BORROW_RATE = "borrow_rate"
    REWARDS = "rewards"
    PREDICTED_SD = "predicted_sd"
    MODEL_DRIFT = "model_drift"


class MarginLimits(msgspec.Struct, frozen=True):
    """Margin-ratio bands of a CEX book: emergency < derisk < warn < m0 < relever."""

    emergency: float
    derisk: float
    warn: float
    relever: float


class DeltaLimits(msgspec.Struct, frozen=True):
    """|excess delta| / equity at which we warn, rebalance, and call it a breach."""

    warn: float = 0.01
    rebalance: float = 0.02
    breach: float = 0.05


class Band(msgspec.Struct, frozen=True):
    """Beyond `warn` it is reported, beyond `breach` something is done; both positive fractions."""

    warn: float
    breach: float


class RiskLimits(msgspec.Struct, frozen=True):
    """Limits the risk monitor holds the book against; a limit of a disabled risk type is not looked at.

    Attributes:
        peg: of the discount of a staked token on its pool.
        borrow: of the yearly cost of debt over the last day.
        predicted_sd: largest standard deviation that brackets and sizes still follow; beyond it is reported.
        drift: of the stability index of a model's predictions.
        reward_spike: rewards credited at once, fraction of equity; they are reported, nothing follows.
    """

    enabled: frozenset[RiskType]
    margin: MarginLimits | None = None
    health: HealthLimits | None = None
    delta: DeltaLimits = DeltaLimits()
    max_drawdown: float = 0.15
    funding_floor_apr: float = -0.05
    peg: Band | None = None
    borrow: Band | None = None
    reward_spike: float = 0.005
    predicted_sd: float | None = None
    drift: Band | None = None


class HealthLimits(msgspec.Struct, frozen=True):
    """Health factor at which a stack is reduced, and at which it is closed; and the band around its loan to value."""

    derisk: float = 1.12
    emergency: float = 1.05
    ltv_band: float = 0.02
    target_ltv: float = 0.0


class LendingAccount(msgspec.Struct, frozen=True):
    """Collateral and debt that back each other at one lending venue.

    Attributes:
        collateral_slots, debt_slots: aTokens and debtTokens.
        liquidation_threshold: collateral x threshold / debt is the health factor.
        max_ltv: the venue lets nothing be borrowed beyond it.
        liquidation_bonus: what a liquidator takes on top of what he repays, fraction.
    """

    venue: str
    collateral_slots: tuple[int, ...]
    debt_slots: tuple[int, ...]
    liquidation_threshold: float
    max_ltv: float
    liquidation_bonus: float


class MarginAccount(msgspec.Struct, frozen=True):
    """Cash and perp positions that back each other at one venue (cross margin): USDT, or coins for inverse perps."""

    venue: str
    cash_slot: int
    perp_slots: tuple[int, ...]
    initial_margin: float
    maintenance_margin: float
    inverse: bool = False

    @property
    def contract(self) -> PerpContract:
        """How its perps are booked; amounts are in the currency of its cash."""
        return INVERSE if self.inverse else LINEAR


class Route(msgspec.Struct, frozen=True):
    """How the position at a slot is changed: by which operation, where, against which other slot."""

    operation: Operation
    venue: str
    slot: int
    counter_slot: int


class StackRoute(msgspec.Struct, frozen=True):
    """How ETH becomes a stack of staked ETH and back.

    Attributes:
        eth_slot: the wallet ETH it is made from.
        lst_slot: the liquid staking token in the wallet.
        collateral_slot, debt_slot: its aToken and the WETH debt of a levered stack, else None.
        staking, dex, lending, executor: venues that mint, sell, lend, and run atomic groups.
        flash_fee: of the executor's flash loans, fraction.
        queues: what a withdrawal needs is redeemed at the issuer instead of sold on the pool. Nothing urgent ever is.
    """

    eth_slot: int
    lst_slot: int
    collateral_slot: int | None
    debt_slot: int | None
    staking: str
    dex: str
    lending: str
    executor: str
    flash_fee: float = 0.0
    queues: bool = False

    @property
    def levered(self) -> bool:
        return self.debt_slot is not None

    @property
    def owed_slot(self) -> int:
        """The debt of a levered stack; ValueError for a plain one."""
        if self.debt_slot is None:
            raise ValueError("a plain stack owes nothing")
        return self.debt_slot

    @property
    def held_slot(self) -> int:
        """Where the staked tokens are: collateral of a levered stack, else the wallet."""
        return self.lst_slot if self.collateral_slot is None else self.collateral_slot


class RewardRules(msgspec.Struct, frozen=True):
    """What earns restaking rewards, and when the tokens received are worth selling.

    Attributes:
        earning_slots: staked tokens that earn, in the wallet or as collateral.
        token_slots: reward tokens in the wallet, each sold along its route.
        issuer: venue that pays them, and unwraps them before the first sale.
        gas_multiple, equity_fraction: a token is sold when it is worth more than this multiple of the gas of its sale,
            and more than this fraction of equity.
    """

    earning_slots: tuple[int, ...]
    token_slots: tuple[int, ...]
    issuer: str
    gas_multiple: float = 100.0
    equity_fraction: float = 0.002


class ScheduledFlow(msgspec.Struct, frozen=True):
    """A deposit (positive) or withdrawal (negative) in share-class units, due at `timestamp`."""

    timestamp: int
    amount: float


class Steering(StrEnum):
    """What the strategy manager compares to find out that the book has drifted."""

    PAIR = "pair"
    LEGS = "legs"
    SIGNAL = "signal"


class SteeringLimits(msgspec.Struct, frozen=True):
    """Dead-bands between which nothing is traded.

    Attributes:
        equity_deviation: |reference equity - equity| / reference equity of a price-neutral pair.
        leg_deviation: |actual - target| / target of a leg, or |spot - short| / spot of a pair.
        min_trade: USDT; smaller changes are not traded.
        max_gas_share: an addition to the book waits while its gas is more than this fraction of what it moves.
        retry_move, retry_after: a plan that cash could not carry is not tried again before the price has moved by
            this fraction or this many microseconds have passed.
    """

    equity_deviation: float = 0.05
    leg_deviation: float = 0.02
    min_trade: float = 25.0
    max_gas_share: float = 0.01
    retry_move: float = 0.02
    retry_after: int = 86_400_000_000


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides behaviour, resolved to slots.

    Attributes:
        capital_slot: where initial capital and deposits arrive and withdrawals leave; share-class token.
        gas_slot: what gas is paid from, None where nothing costs gas; `gas_tank` ETH of a hedged stack are kept for it.
        reserve_fraction: of equity, kept in the wallet for gas and fees.
        gas_reserve: tokens of the capital slot that a withdrawal leaves there, because the next one needs them for gas.
        routes: by slot; slots that are not traded directly have none.
        stack: how ETH is staked and levered, for modes that do.
        gated_ltv: target loan to value of a stack whose leverage has to pay; None without a carry gate.
        lending: the account whose health factor is watched.
        rewards: what earns restaking rewards, for modes that do.
        receivables: slot of the receivable that stands for funds in transit to a slot.
        linked: venues that funds can be moved between; None = all. What a book needs elsewhere must be there already.
        flows: scheduled deposits and withdrawals, in time order.
        cash_floor: cash a re-levered account keeps, as a fraction of its notional.
        tolerance: between what we hold and what venues say we hold; exact in a backtest.
        config_digest: of everything that decides behaviour; a checkpoint of another one is refused.
        behaviour: the same in readable form, by dotted key; names the fields that differ in that refusal.
    """

    mode: str
    share_class: str
    share_asset: str
    market_neutral: bool
    execution_mode: ExecutionMode
    error_policy: ErrorPolicyName
    initial_capital: float
    step: int
    universe: Universe
    venues: dict[str, VenueRules]
    capital_slot: int
    risk: RiskLimits
    steering_limits: SteeringLimits = SteeringLimits()
    gas_slot: int | None = None
    reserve_fraction: float = 0.0
    gas_reserve: float = 0.0
    gas_tank: float = 0.0
    margin_accounts: tuple[MarginAccount, ...] = ()
    lending: LendingAccount | None = None
    routes: dict[int, Route] = {}
    stack: StackRoute | None = None
    gated_ltv: float | None = None
    rewards: RewardRules | None = None
    receivables: dict[int, int] = {}
    linked: frozenset[str] | None = None
    flows: tuple[ScheduledFlow, ...] = ()
    cash_floor: float = 0.05
    tolerance: Tolerance = EXACT
    config_digest: str = ""
    behaviour: dict[str, str] = {}

    @property
    def coin_share_class(self) -> bool:
        """The share class is the coin itself, so holding equity in it is neutral."""
        return self.share_asset != "USDT"

    def rules_of(self, venue: str) -> VenueRules:
        return self.venues[venue]
