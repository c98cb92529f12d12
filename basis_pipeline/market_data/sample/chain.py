"""Ethereum: Aave reserves, exchange ratios of staking tokens, gas.

A reserve's utilisation u is mean-reverting around a point below the kink of its interest curve; past the kink the rate
climbs steeply, so that spikes come from where they come in reality. The supply rate is u * (1 - reserve factor) times
the borrow rate. Indices are the exact accrual of the published rates: LI *= 1 + r dt, BI *= exp(b dt), dt in years of
365 days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from basis_pipeline.domain.timeline import SECOND
from basis_pipeline.market_data.sample.factors import Factors
from basis_pipeline.market_data.sample.period import HOURS_PER_DAY, Floats, Ints
from basis_pipeline.market_data.sample.stress import Episode

HOURS_PER_YEAR = 365 * 24
_RATE_DIGITS = 8  # 1e-6 percent, as the hourly files print it
_STRESS_DAY = 65
_STRESS_DEPTH = 14.0


@dataclass(frozen=True)
class Reserve:
    """An Aave v3 reserve; rates are APR fractions, totals token units.

    Attributes:
        symbol: of the underlying token.
        address: of its contract on Ethereum mainnet.
        decimals: of the token.
        usual: utilisation it reverts to.
        spread: standard deviation of the utilisation.
        kink: utilisation at which the interest curve bends.
        rate_at_kink: borrow rate there.
        steepness: what full utilisation adds to it.
        reserve_factor: share of the interest that suppliers do not get.
        supplied: tokens supplied at the start.
        indices: liquidity and variable borrow index at the start.
        hourly: whether rates move every hour or only at midnight.
    """

    symbol: str
    address: str
    decimals: int
    usual: float
    spread: float
    kink: float
    rate_at_kink: float
    steepness: float
    reserve_factor: float
    supplied: float
    indices: tuple[float, float]
    hourly: bool


RESERVES = (
    Reserve("USDT", "0xdAC17F958D2ee523a2206206994597C13D831ec7", 6,
            0.82, 0.045, 0.92, 0.075, 0.60, 0.10, 9e8, (1.03, 1.045), hourly=True),
    Reserve("WETH", "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", 18,
            0.86, 0.025, 0.92, 0.027, 0.45, 0.15, 9e5, (1.018, 1.033), hourly=True),
    Reserve("weETH", "0xCd5fE23C85820F7B72D0926FC9b05b43E359b7ee", 18,
            0.02, 0.004, 0.30, 0.070, 3.00, 0.45, 4e5, (1.0001, 1.0008), hourly=False),
    Reserve("wstETH", "0x7f39C581F595B53c5cb19bD0b3f8dA6c935E2Ca0", 18,
            0.10, 0.020, 0.80, 0.020, 0.85, 0.35, 8e5, (1.0005, 1.0049), hourly=False),
)  # fmt: skip


@dataclass(frozen=True)
class ReservePath:
    """Rates of the hour that starts at each stamp (hours values); indices and totals at each stamp."""

    reserve: Reserve
    supply_rate: Floats
    borrow_rate: Floats
    liquidity_index: Floats
    borrow_index: Floats
    supplied: Floats
    borrowed: Floats


def simulate_reserve(reserve: Reserve, factors: Factors) -> ReservePath:
    name, hours = reserve.symbol, factors.period.hours
    utilisation = np.clip(
        reserve.usual + reserve.spread * factors.reverting(f"{name}/utilisation", 10.0)[:hours], 0.001, 0.995
    )
    demand = 0.25 * factors.reverting(f"{name}/demand", 240.0)[:hours]
    if not reserve.hourly:
        utilisation, demand = (np.repeat(path[::HOURS_PER_DAY], HOURS_PER_DAY) for path in (utilisation, demand))
    if reserve.hourly:
        utilisation = np.maximum(utilisation, factors.stress.hourly(Episode.BORROW_SPIKE, factors.period)[:hours])
    beyond = np.maximum(utilisation - reserve.kink, 0.0) / (1.0 - reserve.kink)
    below = reserve.rate_at_kink * np.exp(demand) * np.minimum(utilisation / reserve.kink, 1.0)
    borrow = (below + reserve.steepness * beyond).round(_RATE_DIGITS)
    supply = (borrow * utilisation * (1.0 - reserve.reserve_factor)).round(_RATE_DIGITS)
    supplied = reserve.supplied * np.exp(0.3 * (factors.reverting(f"{name}/supplied", 900.0)[:hours]))
    liquidity_start, borrow_start = reserve.indices
    return ReservePath(
        reserve,
        supply,
        borrow,
        liquidity_start * np.cumprod(np.append(1.0, 1.0 + supply[:-1] / HOURS_PER_YEAR)),
        borrow_start * np.exp(np.cumsum(np.append(0.0, borrow[:-1])) / HOURS_PER_YEAR),
        supplied,
        supplied * utilisation,
    )


@dataclass(frozen=True)
class StakingToken:
    """A liquid staking token.

    Attributes:
        symbol: of the token.
        ratio: ETH per token at the start.
        apr: growth of the ratio a year.
        discount: usual gap of the market rate below the ratio, fraction.
        dex: where the market rate comes from.
        cost_usd: gas and DEX cost the vendor's route comparison assumes, each.
        redemption: what the vendor calls redeeming at the issuer.
    """

    symbol: str
    ratio: float
    apr: float
    discount: float
    dex: str
    cost_usd: float
    redemption: str


STAKING_TOKENS = (
    StakingToken("weETH", 1.0290, 0.028, 4e-4, "curve", 20.0, "direct_etherfi"),
    StakingToken("wstETH", 1.1540, 0.030, 5e-4, "uniswap", 15.0, "direct_lido"),
)


def exchange_ratio(token: StakingToken, factors: Factors) -> Floats:
    """ETH per token at every midnight, days + 1 values, never falling."""
    mood = factors.reverting(f"{token.symbol}/apr", 120.0)[::HOURS_PER_DAY][:-1]
    growth = token.apr / 365 * np.exp(0.05 * mood)
    return token.ratio * np.cumprod(np.append(1.0, 1.0 + growth))


@dataclass(frozen=True)
class GasPath:
    """Gwei at every hour: base fee and the 25th, 50th, 75th percentile of tips."""

    base_fee: Floats
    tips: tuple[Floats, Floats, Floats]


def simulate_gas(factors: Factors) -> GasPath:
    """Lognormal base fee with slow and fast swings; one block in two thousand has an abnormal median tip."""
    hours = factors.period.hours
    slow, fast = (
        factors.reverting(f"gas/{name}", half_life)[:hours] for name, half_life in (("slow", 200), ("fast", 5))
    )
    jump = np.where(factors.uniform("gas/abnormal", hours) < 1 / 2000, 120.0, 1.0)
    median = 0.6 * np.exp(0.6 * factors.normal("gas/tip", hours)) * jump
    stress = 1.0 + factors.stress.hourly(Episode.GAS_SPIKE, factors.period)[:hours]
    return GasPath(6.5 * np.exp(0.75 * slow + 0.45 * fast) * stress, (0.3 * median, median, 2.5 * median))


def block_number(stamps: Ints) -> Ints:
    """Block on Ethereum mainnet at `stamps`: 12.05 s a block, missed slots included, from the first of 2024."""
    return (18_908_894 + (stamps // SECOND - 1_704_067_200) / 12.05).astype(np.int64)


def market_discount(token: StakingToken, factors: Factors, *, warmup: int) -> Floats:
    """How far the token trades below its ratio, fraction, from `warmup` hours before the period; one episode of stress.

    The stress comes at the 65th day, reaches fifteen times the usual discount and halves every day.
    """
    hours = np.arange(-warmup, factors.period.hours + 1)
    since = hours - _STRESS_DAY * HOURS_PER_DAY
    stress = np.where(since >= 0, _STRESS_DEPTH * 0.5 ** (np.maximum(since, 0) / HOURS_PER_DAY), 0.0)
    calm = 1.0 + 0.4 * factors.reverting(f"{token.symbol}/discount", 20.0, warmup=warmup)
    return token.discount * (calm + stress) + factors.stress.hourly(Episode.DEPEG, factors.period, warmup=warmup)
