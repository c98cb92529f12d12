"""Small tables: rewards, yields, costs and parameters."""

from __future__ import annotations

from basis_pipeline.domain.timeline import DAY
from basis_pipeline.market_data.dataset_types import Column, Dataset

_PERIOD = (
    Column("period_start", "UTC day", "First day that earns.", kind="time"),
    Column("period_end", "UTC day", "Last day that earns, included.", kind="time"),
    Column("payout_date", "UTC day", "Day of the payout; the row is known on the day after.", kind="time"),
    Column("period_days", "days", "Days from period_start to period_end, both included.", low=1.0),
)


def _fraction(name: str, description: str, *, nullable: bool = True) -> Column:
    return Column(name, "fraction", description, nullable=nullable, low=0.0, high=1.0)


DATASETS = (
    Dataset(
        "reward_distributions",
        "rewards",
        "Weekly reward distributions; the timestamp is the payout date.",
        (
            *_PERIOD,
            Column("tokens_earned", "reward tokens", "Paid out for the period.", known="day_after_payout", above=0.0),
            Column("eth_restaked", "ETH", "Stake that earns.", known="day_after_payout", above=0.0),
            Column("eth_not_restaked", "ETH", "Stake that shares without earning.", known="day_after_payout", low=0.0),
            Column(
                "tokens_per_eeth_week",
                "reward tokens per eETH and 7 days",
                "tokens_earned / (eth_restaked + eth_not_restaked) x 7 / period_days: one definition throughout.",
                known="day_after_payout",
                above=0.0,
            ),
            Column(
                "published_rate", "reward tokens per eETH", "The vendor's figure.", known="day_after_payout", above=0.0
            ),
            Column("published_basis", "text", "Divisor of it: all_stake | restaked | other.", kind="text"),
        ),
        ordered=False,
    ),
    Dataset(
        "reward_topups",
        "rewards",
        "Extra distributions; the timestamp is the payout date.",
        (
            *_PERIOD,
            Column("tokens_distributed", "reward tokens", "Paid out.", known="day_after_payout", above=0.0),
            Column("tokens_per_eeth", "reward tokens per eETH", "For the period.", known="day_after_payout", above=0.0),
        ),
        ordered=False,
    ),
    Dataset(
        "seasonal_drops",
        "rewards",
        "Hand-collected drops; ranges as low and high. The timestamp is the payout date.",
        (
            *_PERIOD,
            Column("reward_token", "text", "Token paid.", kind="text"),
            Column("event", "text", "Name of the drop.", kind="text"),
            Column("tokens_per_eeth_low", "reward tokens per eETH", "Lower end.", known="day_after_payout", above=0.0),
            Column("tokens_per_eeth_high", "reward tokens per eETH", "Upper end.", known="day_after_payout", above=0.0),
            Column("estimated", "flag", "A range or an estimate: no published figure.", kind="flag"),
        ),
        key=("timestamp", "event"),
        ordered=False,
    ),
    Dataset(
        "reward_periods",
        "rewards",
        "Reward periods in token units; the vendor's prices and yields are left out (constant prices).",
        (
            *_PERIOD,
            Column("reward_type", "text", "Programme.", kind="text"),
            Column("event", "text", "Name of the payout.", kind="text"),
            Column("reward_token", "text", "Token paid.", kind="text"),
            Column(
                "tokens_per_eeth", "reward tokens per eETH", "Per `rate_days`.", known="day_after_payout", above=0.0
            ),
            Column("rate_days", "days", "Days that tokens_per_eeth is stated for.", low=1.0),
            Column("estimated", "flag", "Midpoint of a text range.", kind="flag"),
        ),
        key=("timestamp", "reward_type", "event"),
        ordered=False,
    ),
    Dataset(
        "staking_apy",
        "rewards",
        "Staking yield by day.",
        (
            Column("base_apy", "fraction a year (APY)", "Staking yield.", known="day_end", low=-1.0, high=10.0),
            Column("reward_apy", "fraction a year (APY)", "Reward yield.", known="day_end", nullable=True, low=0.0),
        ),
        step=DAY,
    ),
    Dataset(
        "benchmark_yields",
        "rewards",
        "Yield of a benchmark token by day.",
        (
            Column("apy", "fraction a year (APY)", "Compounded yield.", known="day_end", low=-1.0, high=10.0),
            Column(
                "apr", "fraction a year (APR)", "365 x ((1 + apy)^(1/365) - 1).", known="day_end", low=-1.0, high=10.0
            ),
        ),
        step=DAY,
    ),
    Dataset(
        "execution_costs",
        "parameters",
        "Modelled cost of an order by pair and size, valid from its timestamp.",
        (
            Column("pair", "text", "Pair as the model names it.", kind="text"),
            Column("size_usd", "USD", "Order size.", above=0.0),
            Column("cost_bps", "bp of notional", "Modelled cost.", low=0.0, high=1000.0),
        ),
        key=("timestamp", "pair", "size_usd"),
        ordered=False,
    ),
    Dataset(
        "gas_units",
        "parameters",
        "Gas used by an operation.",
        (
            Column("operation", "text", "Operation as the vendor names it.", kind="text"),
            Column("gas_units", "gas", "Gas used.", above=0.0),
        ),
        key=("timestamp", "operation"),
        ordered=False,
    ),
    Dataset(
        "margin_requirements",
        "parameters",
        "Margin parameters of a venue.",
        (
            _fraction("initial_margin", "Margin to open, of notional.", nullable=False),
            _fraction("maintenance_margin", "Margin below which the venue liquidates, of notional.", nullable=False),
            Column("max_leverage", "x", "Highest leverage.", above=0.0),
            Column("min_position_usdt", "USDT", "Smallest position.", low=0.0),
            Column("max_position_usdt", "USDT", "Largest position.", above=0.0),
        ),
        ordered=False,
    ),
    Dataset(
        "aave_risk_parameters",
        "parameters",
        "Aave v3 risk parameters by asset; one snapshot, no history.",
        (
            Column("asset", "text", "Reserve.", kind="text"),
            Column("mode", "text", "standard | emode.", kind="text"),
            Column("origin", "text", "sheet: an export; hand_written: checked against nothing.", kind="text"),
            _fraction("ltv", "Highest loan to value."),
            _fraction("liquidation_threshold", "Loan to value that liquidates."),
            _fraction("liquidation_bonus", "Liquidator's bonus."),
            _fraction("reserve_factor", "Share of interest that Aave keeps."),
            Column(
                "supply_cap", "tokens", "NULL: none, or too small for the sheet's digits.", nullable=True, above=0.0
            ),
            Column(
                "borrow_cap", "tokens", "NULL: none, or too small for the sheet's digits.", nullable=True, above=0.0
            ),
        ),
        key=("timestamp", "asset", "mode", "origin"),
        ordered=False,
    ),
)
