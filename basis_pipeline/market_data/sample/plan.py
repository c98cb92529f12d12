"""What a sample consists of: every file's path in the vendors' folders, and how its bytes are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from basis_pipeline.market_data.sample import aave_files, exchange_files, planted, reference_files, staking_files
from basis_pipeline.market_data.sample.chain import RESERVES, STAKING_TOKENS, exchange_ratio, simulate_reserve
from basis_pipeline.market_data.sample.factors import Factors
from basis_pipeline.market_data.sample.period import BARS_PER_DAY, BARS_PER_HOUR, HOURS_PER_DAY, Floats, Period
from basis_pipeline.market_data.sample.prices import PricePath, asset_named, simulate_path
from basis_pipeline.market_data.sample.stress import CALM, Stress

VERSION = 1
"""Raised whenever the bytes of equal arguments change."""

REWARD_TOKENS = ("EIGEN", "ETHFI")
_VENUES = ("binance", "bybit")
_OKX_ASSETS = ("BTC", "ETH")
_OKX_CANDLES = ("ETH",)
_FEATHER_SPOT = ("ETH", *REWARD_TOKENS)

PlannedFile = tuple[str, Callable[[], bytes]]
"""Path relative to the raw folder, and the function that makes the content."""


def plan(period: Period, seed: int, assets: Sequence[str], stress: Stress = CALM) -> list[PlannedFile]:
    """Every file of a sample; the price paths they share are simulated here, once."""
    factors = Factors(seed, period, stress)
    names = dict.fromkeys((*assets, "ETH", *REWARD_TOKENS))
    paths = {name: simulate_path(asset_named(name, factors), factors) for name in names}
    readme = partial(planted.readme, period, seed=seed, version=VERSION, assets=tuple(assets), stress=stress)
    return [
        ("README.md", readme),
        *(file for name in assets for file in _exchange(paths[name], factors)),
        *(_spot(paths[name], factors) for name in REWARD_TOKENS if name not in assets),
        *_pools(paths, factors),
        *_ethereum(paths["ETH"].log_price, factors),
        *_reference(np.exp(paths["ETH"].log_price[::BARS_PER_HOUR]), factors),
        ("known_bad/binance_EIGENUSDT_1h.csv", partial(exchange_files.placeholder_csv, period.start)),
    ]


def _spot(path: PricePath, factors: Factors) -> PlannedFile:
    write, suffix = (
        (exchange_files.candles_feather, "feather")
        if path.asset.name in _FEATHER_SPOT
        else (exchange_files.candles_csv, "csv")
    )
    return f"cex/spot/binance_{path.asset.symbol}_spot_1h.{suffix}", partial(write, path, "binance", "spot", factors)


def _exchange(path: PricePath, factors: Factors) -> Iterator[PlannedFile]:
    name, symbol = path.asset.name, path.asset.symbol
    yield _spot(path, factors)
    yield f"cex/spot/bybit_{symbol}_spot_1h.csv", partial(exchange_files.candles_csv, path, "bybit", "spot", factors)
    for venue in (*_VENUES, "okx") if name in _OKX_CANDLES else _VENUES:
        perp = partial(exchange_files.candles_csv, path, venue, "perp", factors)
        yield f"cex/perp/{venue}_{symbol}_perp_1h.csv", perp
    for venue in (*_VENUES, "okx") if name in _OKX_ASSETS else _VENUES:
        yield f"cex/mark/{venue}_{symbol}_mark_1h.feather", partial(exchange_files.marks_feather, path, venue, factors)
        yield f"cex/funding/{venue}_{symbol}_funding_8h.csv", partial(exchange_files.funding_csv, path, venue, factors)
    if name == "BTC":
        bars = partial(exchange_files.candles_feather, path, "binance", "perp", factors, hourly=False)
        yield f"ml/binance_{symbol}_perp_5m.feather", bars


def _pools(paths: dict[str, PricePath], factors: Factors) -> Iterator[PlannedFile]:
    for pool in exchange_files.POOLS:
        yield f"dex/uniswapv3_{pool.base}{pool.quote}_1h.csv", partial(exchange_files.pool_csv, pool, paths, factors)


def _ethereum(log_price: Floats, factors: Factors) -> Iterator[PlannedFile]:
    period = factors.period
    eth = np.exp(log_price[::BARS_PER_DAY])
    ratios = {token.symbol: exchange_ratio(token, factors) for token in STAKING_TOKENS}
    dollar = (1.0 + 3e-4 * factors.reverting("USDT/price", 48.0)).round(8)
    hourly = {"USDT": dollar, "WETH": np.exp(log_price[::BARS_PER_HOUR])}
    daily = {"USDT": dollar[::HOURS_PER_DAY], "WETH": eth} | {name: eth * ratio for name, ratio in ratios.items()}
    for reserve in RESERVES:
        path, name = simulate_reserve(reserve, factors), reserve.symbol
        snapshots = partial(aave_files.snapshots_csv, path, daily[name], period)
        yield f"aave_v3/rates/aave_v3_ethereum_{name}_rates_1d.csv", snapshots
        if reserve.hourly:
            rates = partial(aave_files.hourly_parquet, path, hourly[name], factors)
            yield f"aave_v3/rates/aave_v3_{name.lower()}_eth_hourly.parquet", rates
    yield "aave_v3/oracle/USDT_USD_oracle.csv", partial(aave_files.daily_oracle_csv, "USDT", daily["USDT"], period)
    for name in ("WETH", *ratios):
        oracle = partial(aave_files.hourly_oracle_csv, name, daily[name], period)
        yield f"aave_v3/oracle/{name}_USD_oracle.csv", oracle
    for token in STAKING_TOKENS:
        name, ratio = token.symbol, ratios[token.symbol]
        quotient = partial(aave_files.ratio_oracle_csv, name, daily[name], eth, period)
        yield f"aave_v3/oracle/{name}_ETH_oracle.csv", quotient
        yield f"lst/{name}_peg_analysis_1h.csv", partial(staking_files.peg_csv, token, ratio, factors)
    yield "rewards/eigen_distributions_raw.csv", partial(staking_files.distributions_csv, factors)
    yield "rewards/ethfi_topups_raw.csv", partial(staking_files.top_ups_csv, factors)
    yield "rewards/seasonal_drops.csv", partial(staking_files.drops_csv, factors)
    yield "rewards/etherfi_seasonal_rewards.csv", partial(staking_files.reward_periods_csv, eth, factors)
    yield "rewards/eeth_supply_apy_defillama.csv", partial(staking_files.supply_apy_csv, factors)


def _reference(eth_price: Floats, factors: Factors) -> Iterator[PlannedFile]:
    period = factors.period
    yield "gas/ethereum_gas_prices_1h.csv", partial(reference_files.gas_csv, factors)
    yield "gas/operation_gas_costs_summary.json", partial(reference_files.gas_units_json, eth_price, factors)
    yield "costs/execution_costs_lookup.json", partial(reference_files.cost_lookup_json, period)
    yield "costs/execution_cost_summary.json", partial(reference_files.cost_summary_json, period)
    for venue in (*_VENUES, "okx"):
        yield f"risk_params/{venue}_margin_requirements.json", partial(reference_files.margin_json, venue)
    yield "risk_params/aave_v3_risk_parameters.json", reference_files.aave_risk_json
    yield "risk_params/aave_v3_ethereum_params_snapshot.csv", reference_files.aave_sheet_csv
    yield "benchmarks/ethena_susde_apr_daily.csv", partial(reference_files.susde_apr_csv, factors)
    yield "benchmarks/ethena_susde_defillama_raw.csv", partial(reference_files.susde_raw_csv, factors)
