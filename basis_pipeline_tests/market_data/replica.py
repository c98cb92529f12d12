"""A small raw folder with every known defect planted once, by arithmetic that the tests can repeat."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from basis_pipeline.domain.timeline import HOUR, MINUTE
from basis_pipeline_tests.market_data.replica_chain import FIRST, LAST, write_aave, write_lst_and_gas
from basis_pipeline_tests.market_data.vendor_files import (
    grid,
    iso,
    micros,
    scaled,
    walk,
    write_candles,
    write_dex,
    write_feather,
    write_funding,
    write_text,
)

HOLE = ("2025-05-20T01:00", "2025-05-20T23:00")
FROZEN_HOUR = micros("2025-06-05T20:00")
QUIET = micros("2025-05-25T10:30")
CRASH = micros("2025-06-15T01:00")
REGIME = micros("2025-06-10T00:00")
DAYS = [f"2025-06-{day:02d}" for day in range(1, 11)]


@dataclass(frozen=True)
class Truth:
    """What was planted, and what is right."""

    btc: pd.DataFrame
    eth: pd.DataFrame
    five: pd.DataFrame
    funding: dict[int, float]


def build(raw: Path) -> Truth:
    """Write the folder."""
    hours = grid(FIRST, LAST)
    five = walk(grid(FIRST, "2025-06-20T23:55", 5 * MINUTE), 60_000.0, seed=1, sigma=0.001)
    _quieten(five, five.index[five["timestamp"] == QUIET][0])
    btc, eth = _hourly(five), walk(hours, 2_500.0, seed=2)
    eth.loc[eth["timestamp"] >= CRASH, ["open", "high", "low", "close"]] *= 0.85
    at = eth.index[eth["timestamp"] == CRASH][0]
    eth.loc[at, ["open", "high"]] = eth.loc[at - 1, "close"], eth.loc[at - 1, "close"] + 1.0
    _cex(raw, btc, eth, five)
    funding = _funding(raw / "cex" / "funding")
    _dex(raw / "dex", eth)
    write_aave(raw / "aave_v3")
    write_lst_and_gas(raw)
    _rewards(raw / "rewards")
    _parameters(raw)
    _known_bad(raw / "known_bad")
    return Truth(btc, eth, five, funding)


def _hourly(five: pd.DataFrame) -> pd.DataFrame:
    groups = five.groupby(five["timestamp"] // HOUR * HOUR)
    return pd.DataFrame(
        {
            "open": groups["open"].first(),
            "high": groups["high"].max(),
            "low": groups["low"].min(),
            "close": groups["close"].last(),
            "volume": groups["volume"].sum().round(3),
        }
    ).reset_index()


def _quieten(five: pd.DataFrame, at: int) -> None:
    """A bar in which really nothing traded."""
    still = five.loc[at - 1, "close"]
    five.loc[at, ["open", "high", "low", "close", "volume"]] = [still, still, still, still, 0.0]
    five.loc[at + 1, "open"] = still
    five.loc[at + 1, "high"] = max(five.loc[at + 1, "high"], still)
    five.loc[at + 1, "low"] = min(five.loc[at + 1, "low"], still)


def _holed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[(frame["timestamp"] < micros(HOLE[0])) | (frame["timestamp"] > micros(HOLE[1]))]


def _doubled(frame: pd.DataFrame) -> pd.DataFrame:
    double = frame[frame["timestamp"] == micros("2025-06-04T00:00")]
    return pd.concat([frame, double]).sort_values("timestamp", kind="stable")


def _cex(raw: Path, btc: pd.DataFrame, eth: pd.DataFrame, five: pd.DataFrame) -> None:
    perp, spot, mark = raw / "cex" / "perp", raw / "cex" / "spot", raw / "cex" / "mark"
    write_candles(perp, "binance", "BTCUSDT", "perp", _holed(btc))
    apart = eth.copy()
    odd = apart.index[apart["timestamp"] == micros("2025-05-28T21:00")][0]
    apart.loc[odd, "close"] *= 0.99
    apart.loc[odd, "low"] = min(apart.loc[odd, "low"], apart.loc[odd, "close"])
    write_candles(perp, "binance", "ETHUSDT", "perp", _holed(apart))
    write_candles(spot, "binance", "BTCUSDT", "spot", _holed(scaled(btc, 0.999)))
    for symbol, frame in (("BTCUSDT", btc), ("ETHUSDT", eth)):
        write_candles(perp, "bybit", symbol, "perp", _doubled(scaled(frame, 1.0002)))
        write_candles(spot, "bybit", symbol, "spot", _doubled(scaled(frame, 0.9992)))
        for venue, volume, level in (("binance", 0.0, 1.0), ("bybit", np.nan, 1.0001), ("okx", np.nan, 1.0002)):
            marks = scaled(frame, level).assign(volume=volume)
            write_feather(mark / f"{venue}_{symbol}_mark_1h.feather", marks)
    gap = (eth["timestamp"] >= micros("2025-05-31T16:00")) & (eth["timestamp"] < micros("2025-06-02T16:00"))
    write_candles(perp, "okx", "ETHUSDT", "perp", eth.assign(volume=(eth["volume"] * 7).round(3))[~gap])
    write_feather(spot / "binance_ETHUSDT_spot_1h.feather", scaled(eth, 0.9991))
    small = walk(eth["timestamp"].to_numpy(), 1.2, seed=5)
    write_feather(spot / "binance_ETHFIUSDT_spot_1h.part1.feather", small.iloc[:200])
    write_feather(spot / "binance_ETHFIUSDT_spot_1h.part2.feather", small.iloc[300:700])
    _five_minutes(raw / "ml", five)


def _five_minutes(folder: Path, five: pd.DataFrame) -> None:
    frozen = five.copy()
    fake = (frozen["timestamp"] >= FROZEN_HOUR) & (frozen["timestamp"] < FROZEN_HOUR + 20 * MINUTE)
    frozen.loc[fake, ["open", "high", "low", "close"]] = frozen["close"][frozen.index[fake][0] - 1]
    frozen.loc[fake, "volume"] = 0.0
    wrong = frozen["timestamp"] == micros("2025-06-14T15:10")
    frozen.loc[wrong, "low"] -= 500.0
    overlap = len(frozen) // 2
    write_feather(folder / "binance_BTCUSDT_perp_5m.part1.feather", frozen.iloc[: overlap + 100])
    write_feather(folder / "binance_BTCUSDT_perp_5m.part2.feather", frozen.iloc[overlap:])


def _funding(folder: Path) -> dict[int, float]:
    stamps = grid("2025-01-31T00:00", "2025-06-20T16:00", 8 * HOUR)
    rng = np.random.default_rng(7)
    # Autocorrelated, so that a shift costs correlation but leaves some.
    common = np.convolve(rng.normal(0.0, 1e-4, len(stamps) + 1), [0.7, 0.3], "valid")
    rates = {venue: np.round(common + rng.normal(0.0, 2e-5, len(stamps)), 8) for venue in ("binance", "bybit", "okx")}
    late = [stamp + (3_000 if index % 5 == 0 else 0) for index, stamp in enumerate(stamps.tolist())]
    labels = [iso(s, "%Y-%m-%dT%H:%M:%S.%fZ") if s % 1_000_000 else iso(s) for s in late]
    for symbol in ("BTCUSDT", "ETHUSDT"):
        write_funding(folder, "binance", symbol, list(zip(labels, rates["binance"].tolist(), strict=True)))
        write_funding(
            folder,
            "bybit",
            symbol,
            [(iso(s), r) for s, r in zip(stamps.tolist(), rates["bybit"].tolist(), strict=True)],
        )
    okx = dict(zip(stamps.tolist(), rates["okx"].tolist(), strict=True))
    write_funding(folder, "okx", "BTCUSDT", okx_rows(okx))
    return okx


def okx_rows(truth: dict[int, float]) -> list[tuple[str, float]]:
    """The exporter's view: labels 8 h late; before the change also one settlement stale, and some rows doubled."""
    rows = []
    for label in grid("2025-02-01T00:00", "2025-06-20T16:00", 8 * HOUR).tolist():
        day = iso(label)[:10]
        if day == "2025-05-23" or "2025-03-05" <= day <= "2025-03-09":
            continue
        real = truth[label - 16 * HOUR] if label < REGIME else truth[label - 8 * HOUR]
        rows.append((iso(label), real))
        if micros("2025-04-10") <= label < micros("2025-04-12"):
            rows.insert(len(rows) - label // (8 * HOUR) % 2, (iso(label), 1.0e-4))
        if micros("2025-06-07") <= label < REGIME:
            rows.insert(len(rows) - label // (8 * HOUR) % 2, (iso(label), -4.0e-4))
    return rows


def _dex(folder: Path, eth: pd.DataFrame) -> None:
    pool = scaled(eth, 1.0005)
    pool.loc[[10, 11], "volume"] = 0.0
    pool.loc[500, ["high", "close"]] = pool.loc[500, "high"] * 1.05
    write_dex(folder, ("WETH", "USDT"), pool)


def _rewards(folder: Path) -> None:
    weeks = [("2025-02-02", "2025-02-08", 0.19), ("2025-02-09", "2025-02-15", 0.2), ("2025-02-16", "2025-02-23", 0.23)]
    distributions = [f"{start},{end},190000,950000,50000,{rate}" for start, end, rate in weeks]
    header = "staking_period_start,staking_period_end,eigen_earned,eth_restaked,eth_not_restaked,eigen_per_eeth_weekly"
    write_text(folder / "eigen_distributions_raw.csv", [header, *distributions], "\n")
    header = "top_up_date,staking_period_start,staking_period_end,ethfi_amount,ethfi_per_eeth_distributed"
    write_text(folder / "ethfi_topups_raw.csv", [header, "2025-02-18,2025-02-02,2025-02-08,500000,0.25"], "\n")
    header = "start_date,end_date,payout_date,event,reward_token,reward_per_eeth,extra_yield_pct"
    drops = [
        '2025-03-01,2025-03-15,2025-03-18,Season 2,ETHFI,"~5–15","~0.2–0.6%"',
        "2025-02-02,2025-02-08,2025-02-18,Top-Up,ETHFI,0.25,~1%",
    ]
    write_text(folder / "seasonal_drops.csv", [header, *drops], "\n")
    header = (
        "period_start,period_end,payout_date,period_days,reward_type,event_name,eigen_per_eeth_weekly,eigen_price_usd,"
        "daily_yield_pct,data_quality,ethfi_per_eeth"
    )
    periods = [f"{start},{end},{end},6,EIGEN_via_KING,Weekly,{rate},3.5,3e-05,exact," for start, end, rate in weeks]
    periods.append("2025-01-01,2025-01-15,2025-01-18,14,ETHFI_Seasonal_Airdrop,Season 1,,,5e-4,estimated,10.0")
    write_text(folder / "etherfi_seasonal_rewards.csv", [header, *periods], "\n")
    days = [f"{micros(day) // 1_000_000},{day},3.49,{'' if n < 4 else 0.5}" for n, day in enumerate(DAYS)]
    write_text(folder / "eeth_supply_apy_defillama.csv", ["Timestamp,Date,Base,Reward", *days], "\n")


def _parameters(raw: Path) -> None:
    days = [f"{micros(day) // 1_000_000},{day},{0.0 if n == 3 else 10.0}," for n, day in enumerate(DAYS)]
    write_text(raw / "benchmarks" / "ethena_susde_defillama_raw.csv", ["Timestamp,Date,Base,Reward", *days], "\n")
    apr = 365.0 * (1.1 ** (1.0 / 365.0) - 1.0)
    derived = [f"{day},ethena,sUSDE,10.0,0.1,{apr!r}" for n, day in enumerate(DAYS) if n != 3]
    header = "date,protocol,symbol,apy_percent,apy_decimal,apr_decimal"
    write_text(raw / "benchmarks" / "ethena_susde_apr_daily.csv", [header, *derived], "\n")
    costs = {"ETH_USDT": {"10k": dict.fromkeys(DAYS, 5), "1m": dict.fromkeys(DAYS, 13)}}
    (raw / "costs").mkdir()
    (raw / "costs" / "execution_costs_lookup.json").write_text(json.dumps(costs))
    (raw / "costs" / "execution_cost_summary.json").write_text(json.dumps({"cost_ranges": {}}))
    risk = raw / "risk_params"
    margin = {
        "initial_margin_requirement": 0.05,
        "maintenance_margin_requirement": 0.1,
        "max_leverage": 20,
        "position_size_limits": {"max_position_usdt": 1e7, "min_position_usdt": 1},
    }
    risk.mkdir()
    for venue in ("binance", "bybit"):
        (risk / f"{venue}_margin_requirements.json").write_text(json.dumps(margin))
    (risk / "okx_margin_requirements.json").write_text(json.dumps({**margin, "max_leverage": 50}))
    _aave_parameters(risk)


def _aave_parameters(risk: Path) -> None:
    def limits(value: float) -> dict[str, float]:
        return {"weETH_WETH": value, "ETH_WETH": value}

    mode = {"ltv_limits": limits(0.8), "liquidation_thresholds": limits(0.85), "liquidation_bonus": limits(0.05)}
    parameters = {"emode": mode, "standard": mode, "reserve_factors": {"weETH": 0.1, "WETH": 0.1, "USDT": 0.1}}
    (risk / "aave_v3_risk_parameters.json").write_text(json.dumps(parameters))
    sheet = [
        ",WETH,weETH,USDT",
        "LTV,80.50%,77.50%,75%",
        "Liquidation Threshold,83%,80%,78%",
        "Liquidation Bonus,5%,7%,4.50%",
        "Reserve Factor,15%,45%,10%",
        "Supply Cap,0.0032B,0.0000B,9.5000B",
        "Borrow Cap,2.9M,N/A,8.8000B",
    ]
    write_text(risk / "aave_v3_ethereum_params_snapshot.csv", sheet, prefix="\ufeff")


def _known_bad(folder: Path) -> None:
    def ramp(first: float, step: float) -> list[str]:
        hours = grid("2025-06-01T00:00", "2025-06-01T23:00").tolist()
        return ["timestamp,price", *(f"{iso(hour)},{first + n * step:.4f}" for n, hour in enumerate(hours))]

    write_text(folder / "curve_weETHWETH_1h.csv", ramp(1.0, 1e-4))
    write_text(folder / "uniswapv3_wstETHWETH_1h.csv", ramp(1.0, 1e-4))
    write_text(folder / "binance_EIGENUSDT_1h.csv", ramp(2.5, 0.01))
    write_text(folder / "binance_ETHFIUSDT_1h.csv", ramp(1.2, 0.01))
    header = "timestamp,oracle_price_eth,asset,source,quote_currency"
    write_text(folder / "USDT_ETH_oracle.csv", ["# Asset_pair: USDT_ETH", "# Records: 0", header], "\n")
