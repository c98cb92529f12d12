"""On-chain state: Aave reserves and rates, oracle prices, LST market rates, gas."""

from __future__ import annotations

from basis_pipeline.domain.timeline import DAY, HOUR
from basis_pipeline.market_data.dataset_types import Column, Dataset

_HIGHEST_APR = 3.0
"""300% a year as a fraction: a percentage read as a fraction lands above it within days."""


def _rate(name: str, description: str) -> Column:
    return Column(name, "fraction a year (APR)", description, low=0.0, high=_HIGHEST_APR)


DATASETS = (
    Dataset(
        "aave_reserves_1d",
        "lending",
        "Aave v3 reserve snapshot at 00:00 UTC.",
        (
            Column("liquidity_index", "index (1.0 at launch)", "Growth of one supplied token.", low=1.0, high=100.0),
            Column(
                "variable_borrow_index", "index (1.0 at launch)", "Growth of one borrowed token.", low=1.0, high=100.0
            ),
            _rate("liquidity_rate", "Supply rate."),
            _rate("variable_borrow_rate", "Variable borrow rate."),
            Column("total_supplied", "tokens", "aToken supply.", low=0.0),
            Column("total_borrowed", "tokens", "Variable debt.", low=0.0),
            Column("price_usd", "USD per token", "Oracle price of the snapshot.", above=0.0),
        ),
        step=DAY,
        max_age=25 * HOUR,
    ),
    Dataset(
        "aave_rates_1h",
        "lending",
        "Aave v3 reserve rates by hour: the last on-chain update at or before the stamp.",
        (
            _rate("liquidity_rate", "Supply rate."),
            _rate("variable_borrow_rate", "Variable borrow rate."),
            Column("supplied_usd", "USD", "Value supplied; NULL where only events were read.", nullable=True, low=0.0),
            Column("borrowed_usd", "USD", "Value borrowed; NULL where only events were read.", nullable=True, low=0.0),
            Column("updated_at", "UTC", "Time of the on-chain update that the row repeats.", kind="time"),
        ),
        step=HOUR,
        max_age=25 * HOUR,
    ),
    Dataset(
        "oracle_prices",
        "lending",
        "Aave oracle prices; the symbol is token_quote.",
        (
            Column("price", "quote per token", "Oracle price.", known="midnight", above=0.0),
            Column("interpolated", "flag", "A point on a line between two daily values: never read it.", kind="flag"),
        ),
        max_age=25 * HOUR,
    ),
    Dataset(
        "lst_market_rates_1h",
        "lending",
        "Protocol and market exchange rate of a liquid staking token.",
        (
            Column("protocol_rate", "ETH per token", "Redemption ratio.", known="midnight", above=0.0),
            Column("market_rate", "ETH per token", "Market ratio.", known="bar_close", above=0.0),
            Column("smoothed", "flag", "market_rate is a trailing 24-hour median, not a price.", kind="flag"),
            Column("interpolated", "flag", "protocol_rate is a point on a line between days.", kind="flag"),
        ),
        step=HOUR,
        max_age=6 * HOUR,
    ),
    Dataset(
        "gas_prices_1h",
        "lending",
        "Gas price samples.",
        (
            Column("gas_price_gwei", "gwei", "Base fee plus median tip.", known="block_timestamp", low=1e-3, high=1e5),
            Column("base_fee_gwei", "gwei", "Base fee of the block.", known="block_timestamp", above=0.0),
            Column("priority_fee_gwei", "gwei", "Median tip of the block.", known="block_timestamp", low=0.0),
            Column("block_timestamp", "UTC", "Time of the sampled block.", kind="time"),
            Column("sampled_early", "flag", "The block is more than 10 minutes older than the stamp.", kind="flag"),
            Column("tip_spike", "flag", "Above 10x the median day, and mostly tip: one abnormal block.", kind="flag"),
        ),
        step=HOUR,
        max_age=3 * HOUR,
    ),
)
