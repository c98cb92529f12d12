"""Files beside the markets: gas, execution costs, risk parameters, benchmark yields."""

from __future__ import annotations

import numpy as np

from basis_pipeline.domain.timeline import DAY, HOUR, SECOND, iso
from basis_pipeline.market_data.sample.chain import block_number, simulate_gas
from basis_pipeline.market_data.sample.factors import Factors
from basis_pipeline.market_data.sample.formats import CRLF, Column, csv_bytes, json_bytes
from basis_pipeline.market_data.sample.period import Floats, Ints, Period, dates, epoch_seconds, iso_seconds

GAS_UNITS = {
    "STAKE_DEPOSIT": 150_000, "STAKE_WITHDRAWAL": 200_000, "TOKEN_SWAP": 180_000, "UNWRAP_KING_TOKEN": 150_000,
    "COLLATERAL_SUPPLIED": 250_000, "COLLATERAL_WITHDRAWN": 220_000, "LOAN_CREATED": 300_000, "LOAN_REPAID": 280_000,
    "TRADE_EXECUTED": 180_000, "ADD_LIQUIDITY_V3": 350_000, "VENUE_TRANSFER": 100_000, "CREATE_LST": 150_000,
    "REDEEM_LST": 200_000, "ATOMIC_ENTRY": 1_250_000, "ATOMIC_DELEVERAGE_ONE_SWAP": 850_000,
    "ATOMIC_DELEVERAGE_TWO_SWAPS": 1_100_000, "APPROVAL_ONCE": 55_000, "SET_EMODE_ONCE": 55_000,
}  # fmt: skip

EXECUTION_COSTS = {
    "ETH/USDT": ("DEX", (5, 7, 13)), "ETH/wstETH": ("DEX", (15, 18, 27)), "ETH/weETH": ("DEX", (20, 24, 35)),
    "ETH/stETH": ("DEX", (10, 12, 18)), "ETH/eETH": ("DEX", (25, 30, 45)),
    "EIGEN/USDT": ("CEX_SPOT", (8, 13, 28)), "ETHFI/USDT": ("CEX_SPOT", (12, 20, 42)),
    "EIGEN/ETH": ("CEX_SPOT", (10, 16, 35)), "ETHFI/ETH": ("CEX_SPOT", (15, 25, 50)),
    "ETHUSDT-PERP": ("CEX_PERP", (3, 4, 8)), "BTCUSDT-PERP": ("CEX_PERP", (3, 4, 8)),
}  # fmt: skip
"""Basis points for orders of 10,000, 100,000 and 1,000,000 USD."""

SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000}

_SHEET = """,WETH,wstETH,USDT,weETH
Frozen,FALSE,FALSE,FALSE,FALSE
Paused,FALSE,FALSE,FALSE,FALSE
Collateral Enabled,TRUE,TRUE,TRUE,TRUE
LTV,80.50%,78.50%,75%,77.50%
Liquidation Threshold,83%,81%,78%,80%
Liquidation Bonus,5%,6%,4.50%,7%
Reserve Factor,15%,35%,10%,45%
Borrowing Enabled,TRUE,TRUE,TRUE,TRUE
Optimal Utilization,92%,80%,92%,30%
Variable Borrow Rate,2.60%,0.25%,7.00%,0.50%
Isolated,FALSE,FALSE,FALSE,FALSE
Debt Ceiling,N/A,N/A,N/A,N/A
Supply Cap,0.0032B,0.0018B,9.5000B,0.0022B
Borrow Cap,0.0029B,0.0005B,8.8000B,0.0001B
Borrowable in Isolation,FALSE,FALSE,TRUE,FALSE
Flashloan Enabled,TRUE,TRUE,TRUE,TRUE"""

_STANDARD = {"weETH_WETH": (0.775, 0.80, 0.07), "wstETH_WETH": (0.785, 0.81, 0.06), "ETH_WETH": (0.805, 0.83, 0.05)}
_EMODE = dict.fromkeys(_STANDARD, (0.93, 0.95, 0.01))
_POSITION_LIMITS = {"binance": 10_000_000, "bybit": 8_000_000, "okx": 6_000_000}


def gas_csv(factors: Factors) -> bytes:
    """Gas samples; every second row repeats the hour before it a few blocks later (D-16)."""
    path, stamps = simulate_gas(factors), factors.period.stamps(HOUR)
    early = (np.arange(len(stamps)) % 2 == 0) & (np.arange(len(stamps)) > 0)
    sampled = stamps + (5 + 85 * factors.uniform("gas/delay", len(stamps))).astype(np.int64) * SECOND
    sampled[0] = stamps[0] - 61 * SECOND
    blocks = 1 + (9 * factors.uniform("gas/blocks", len(stamps))).astype(np.int64)
    sampled[early] = (np.roll(sampled, 1) + 12 * SECOND * blocks)[early]
    drift = np.exp(0.02 * factors.normal("gas/drift", len(stamps)))
    base = np.where(early, np.roll(path.base_fee, 1) * drift, path.base_fee).round(2)
    low, median, high = (tip.round(2) for tip in path.tips)
    price = (base + median).round(2)
    columns: dict[str, Column] = {
        "timestamp": iso_seconds(stamps), "chain": "ethereum", "block_number": block_number(sampled),
        "block_timestamp": epoch_seconds(sampled), "gas_price_gwei": price, "gas_price_avg_gwei": price,
        "gas_price_median_gwei": (base + low).round(2), "base_fee_gwei": base, "priority_fee_p25_gwei": low,
        "priority_fee_p50_gwei": median, "priority_fee_p75_gwei": high, "source": "alchemy_rpc_fast",
        "note": "Synthetic sample in the layout of eth_feeHistory",
    }  # fmt: skip
    return csv_bytes(columns, newline=CRLF)


def gas_units_json(eth_price: Floats, factors: Factors) -> bytes:
    """Gas units per operation, and costs aggregated over the whole period as the vendor does (D-33)."""
    path = simulate_gas(factors)
    gwei, period = path.base_fee + path.tips[1], factors.period
    usd = float(eth_price.mean()) * 1e-9
    operations = {
        name: {"gas_units": units} | {
            f"{unit}_cost": {key: value * units * scale for key, value in _statistics(gwei).items()}
            for unit, scale in (("gwei", 1.0), ("eth", 1e-9), ("usd", usd))
        }
        for name, units in GAS_UNITS.items()
    }  # fmt: skip
    content = {
        "date_range": f"{iso(period.start)[:10]} to {iso(period.end - DAY)[:10]}",
        "total_records": period.hours,
        "gas_price_stats": {f"{key}_gwei": value for key, value in _statistics(gwei).items()}
        | {"p95_gwei": float(np.percentile(gwei, 95))},
        "operation_costs": operations,
        "eth_price_stats": {f"{key}_usd": value for key, value in _statistics(eth_price).items()},
    }
    return json_bytes(content)


def cost_lookup_json(period: Period) -> bytes:
    """Basis points by pair, size and date: a model, the same on every date (D-32)."""
    days = dates(period.stamps(DAY))
    return json_bytes(
        {
            pair.replace("/", "_"): {size: dict.fromkeys(days, cost) for size, cost in zip(SIZES, costs, strict=True)}
            for pair, (_, costs) in EXECUTION_COSTS.items()
        }
    )


def cost_summary_json(period: Period) -> bytes:
    kinds = [kind for kind, _ in EXECUTION_COSTS.values()]
    content = {
        "generation_date": iso(period.end).removesuffix("Z"),
        "total_pairs": len(EXECUTION_COSTS),
        "total_size_buckets": len(SIZES),
        "total_records": len(EXECUTION_COSTS) * len(SIZES) * period.days,
        "pairs_covered": list(EXECUTION_COSTS),
        "size_buckets": list(SIZES.values()),
        "venue_breakdown": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        "cost_ranges": {
            pair: {"base_cost_bps": costs[0], "max_cost_bps": costs[-1], "venue": kind}
            for pair, (kind, costs) in EXECUTION_COSTS.items()
        },
    }
    return json_bytes(content)


def margin_json(venue: str) -> bytes:
    content = {
        "initial_margin_requirement": 0.10,
        "maintenance_margin_requirement": 0.05,
        "liquidation_threshold": 0.05,
        "max_leverage": 10,
        "margin_call_threshold": 0.15,
        "funding_rate_interval_hours": 8,
        "position_size_limits": {"max_position_usdt": _POSITION_LIMITS[venue], "min_position_usdt": 1},
    }
    return json_bytes(content)


def aave_risk_json() -> bytes:
    """E-mode and standard limits; the standard ones and the reserve factors are those of the parameter sheet."""
    names = ("ltv_limits", "liquidation_thresholds", "liquidation_bonus")
    content = {
        mode: {name: {pair: limits[at] for pair, limits in table.items()} for at, name in enumerate(names)}
        for mode, table in (("emode", _EMODE), ("standard", _STANDARD))
    }
    return json_bytes({**content, "reserve_factors": {"weETH": 0.45, "wstETH": 0.35, "WETH": 0.15, "USDT": 0.10}})


def aave_sheet_csv() -> bytes:
    """The transposed parameter sheet: byte order mark, CRLF, no final newline."""
    return _SHEET.replace("\n", CRLF).encode("utf-8-sig")


def susde_apr_csv(factors: Factors) -> bytes:
    """SUSDe yields; apr = 365 * ((1 + apy)^(1/365) - 1)."""
    stamps, apy = _susde(factors)
    fraction = apy / 100
    apr = 365 * ((1 + fraction) ** (1 / 365) - 1)
    columns: dict[str, Column] = {
        "date": dates(stamps), "protocol": "ethena", "symbol": "sUSDE", "apy_percent": apy, "apr_percent": 100 * apr,
        "apy_decimal": fraction, "apr_decimal": apr, "base_apy_percent": apy,
        "reward_apy_percent": np.zeros(len(stamps)), "source": "defillama_manual_csv",
        "processed_date": iso(factors.period.end).removesuffix("Z") + ".000000",
        "methodology": "apy_converted_to_apr_for_consistency",
    }  # fmt: skip
    return csv_bytes(columns)


def susde_raw_csv(factors: Factors) -> bytes:
    """The export those yields come from: percent APY, reward column empty, no final newline."""
    stamps, apy = _susde(factors)
    columns: dict[str, Column] = {
        "Timestamp": epoch_seconds(stamps), "Date": dates(stamps), "Base": [f"{value:.2f}" for value in apy],
        "Reward": [""] * len(stamps),
    }  # fmt: skip
    return csv_bytes(columns, last_newline=False)


def _susde(factors: Factors) -> tuple[Ints, Floats]:
    stamps = factors.period.stamps(DAY)
    level = factors.reverting("sUSDe/apy", 500.0)[::24][: len(stamps)]
    return stamps, (11.0 * np.exp(0.5 * level)).round(2)


def _statistics(values: Floats) -> dict[str, float]:
    return {name: float(getattr(np, name)(values)) for name in ("min", "mean", "median", "max")}
