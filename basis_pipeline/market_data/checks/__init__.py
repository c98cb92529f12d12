"""Data checks: what is worth knowing about a series besides what rules did to it. Checks change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from basis_pipeline.market_data.checks import bars, chain, coverage, funding, labels, markets, scales, tables, venues
from basis_pipeline.market_data.checks.context import Context
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import Series

Check = Callable[[Series, Context], Iterator[Finding]]

_CEX = ("spot_candles_1h", "perp_candles_1h", "mark_candles_1h")
_LAST_PRICE = ("spot_candles_1h", "perp_candles_1h")

CHECKS: tuple[tuple[Check, tuple[str, ...]], ...] = (
    (coverage.holes, ()),
    (coverage.early_end, ()),
    (coverage.filled_share, ()),
    (labels.label_correlation, (*_CEX, "funding_rates")),
    (markets.shifted_days, _CEX),
    (markets.other_market, _CEX),
    (markets.stuck_price, _CEX),
    (venues.venue_differences, _LAST_PRICE),
    (venues.large_moves, (*_CEX, "dex_candles_1h")),
    (venues.contradicted_opens, (*_CEX, "perp_candles_5m")),
    (funding.funding_scale, ("funding_rates",)),
    (funding.contradicted_funding, ("funding_rates",)),
    (funding.funding_sign, ("funding_rates",)),
    (funding.zero_funding, ("funding_rates",)),
    (bars.still_bars, _LAST_PRICE),
    (bars.five_minutes_against_hours, ("perp_candles_5m",)),
    (bars.pool_against_venues, ("dex_candles_1h",)),
    (chain.index_monotony, ("aave_reserves_1d",)),
    (chain.index_growth, ("aave_reserves_1d",)),
    (scales.borrowers_pay_more, ("aave_reserves_1d",)),
    (chain.daily_against_hourly_rates, ("aave_reserves_1d",)),
    (chain.repeated_rows, ("aave_rates_1h",)),
    (chain.interpolation, ("oracle_prices", "lst_market_rates_1h")),
    (chain.ratio_monotony, ("oracle_prices",)),
    (chain.ratio_growth, ("oracle_prices",)),
    (scales.ratio_level, ("oracle_prices",)),
    (scales.stable_price, ("oracle_prices",)),
    (scales.market_rate_level, ("lst_market_rates_1h",)),
    (chain.smoothed_market_rate, ("lst_market_rates_1h",)),
    (chain.gas_samples, ("gas_prices_1h",)),
    (tables.changed_definition, ("reward_distributions",)),
    (tables.periods_against_distributions, ("reward_periods",)),
    (tables.unusable_rewards, ("seasonal_drops", "reward_periods", "staking_apy")),
    (tables.benchmarks_against_each_other, ("benchmark_yields",)),
)
"""Each check and the datasets it is for; () means all."""


def examine(series: Series, context: Context) -> tuple[Finding, ...]:
    """Findings of all checks that are for the series' dataset."""
    wanted = [check for check, datasets in CHECKS if not datasets or series.key.dataset in datasets]
    return tuple(finding for check in wanted for finding in check(series, context))
