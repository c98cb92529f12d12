"""On-chain files of the replica: Aave, oracle, peg, gas."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from basis_pipeline.domain.timeline import DAY
from basis_pipeline_tests.market_data.vendor_files import grid, iso, micros, walk, write_oracle, write_text

FIRST, LAST = "2025-05-10T00:00", "2025-06-20T23:00"


def write_aave(folder: Path) -> None:
    days = grid(FIRST, "2025-06-20T00:00", DAY)
    header = (
        "targetDate,timestamp,blockNumber,reserve,symbol,liquidityIndex,currentLiquidityRate,variableBorrowIndex,"
        "currentVariableBorrowRate,totalAToken,totalVariableDebt,price,date"
    )
    lines = [
        f"{iso(day)},{day // 1_000_000},1,0x0,USDT,{1.04 + n * 1e-4:.10f},{0.05 + n * 1e-4:.10f},"
        f"{1.05 + n * 2e-4:.10f},{0.07 + n * 1e-4:.10f},1000000,800000,1.0,{iso(day)[:10]}"
        for n, day in enumerate(days.tolist())
    ]
    write_text(folder / "rates" / "aave_v3_ethereum_USDT_rates_1d.csv", [header, *lines], "\n")
    _aave_hourly(folder / "rates" / "aave_v3_usdt_eth_hourly.parquet")
    midnights = np.append(days, days[-1] + DAY)
    prices = walk(midnights, 2_500.0, seed=9, sigma=0.02)["close"].to_numpy()
    hours = grid("2025-05-10T01:00", "2025-06-20T23:00")
    usd = np.interp(hours, midnights, prices)
    write_oracle(folder / "oracle", "WETH", "USD", hours, usd)
    write_oracle(folder / "oracle", "weETH", "ETH", hours, 1.04 + (hours - hours[0]) / DAY * 8e-5)
    write_oracle(
        folder / "oracle", "USDT", "USD", days, np.full(len(days), 1.0002) + np.arange(len(days)) * 1e-6, epoch=True
    )


def _aave_hourly(path: Path) -> None:
    hours = grid(FIRST, LAST)
    day = (hours - micros(FIRST)) // DAY
    updated = hours / 1e6 - 600.0
    updated[[100, 101, 102]] = updated[99]
    supply, borrow = 5.0 + day * 1e-2, 7.0 + day * 1e-2
    supply[0] = borrow[0] = np.nan
    table = pa.table(
        {
            "timestamp": pa.array(updated),
            "supplied_USD": pa.array(np.full(len(hours), 1e6)),
            "borrowed_USD": pa.array(np.full(len(hours), 8e5)),
            "lender_variable_apr": pa.array(supply, from_pandas=True),
            "borrower_variable_apr": pa.array(borrow, from_pandas=True),
            "lender_stable_apr": pa.nulls(len(hours)),
            "__index_level_0__": pa.array(hours * 1000, pa.int64()).cast(pa.timestamp("ns")),
        }
    )
    pq.write_table(table, path)


def write_lst_and_gas(raw: Path) -> None:
    hours = grid("2025-05-10T04:00", LAST)
    protocol = 1.04 + (hours - hours[0]) / DAY * 8e-5
    market = np.repeat(np.round(protocol[::4] * 0.9995, 8), 4)[: len(hours)]
    header = "timestamp,protocol_rate,asset,source,market_rate,dex,market_rate_median_24h,direct_gas_cost_usd"
    lines = [
        f"{iso(hour, '%Y-%m-%d %H:%M:%S+00:00')},{rate!r},weETH,aave,{seen!r},curve,{seen!r},20.0"
        for hour, rate, seen in zip(hours.tolist(), protocol.tolist(), market.tolist(), strict=True)
    ]
    write_text(raw / "lst" / "weETH_peg_analysis_1h.csv", [header, *lines], "\n")
    samples = grid(FIRST, LAST)
    early = np.arange(len(samples)) % 2 == 1
    blocks = samples // 1_000_000 - np.where(early, 3_500, 12)
    base = np.where(np.arange(len(samples)) == 400, 300.0, 5.0)
    tip = np.where(np.arange(len(samples)) == 200, 800.0, 0.5)
    prices = "gas_price_gwei,gas_price_avg_gwei,base_fee_gwei,priority_fee_p50_gwei"
    header = f"timestamp,chain,block_number,block_timestamp,{prices},note"
    lines = [
        f"{iso(s)},ethereum,1,{b},{f + t:.2f},{f + t:.2f},{f},{t},fast"
        for s, b, f, t in zip(samples.tolist(), blocks.tolist(), base.tolist(), tip.tolist(), strict=True)
    ]
    write_text(raw / "gas" / "ethereum_gas_prices_1h.csv", [header, *lines])
    operations = {"SWAP": {"gas_units": 180000, "usd_cost": {"max": 400.0}}, "SUPPLY": {"gas_units": 250000}}
    summary = {"date_range": "2025-05-10 to 2025-09-26", "operation_costs": operations}
    (raw / "gas" / "operation_gas_costs_summary.json").write_text(json.dumps(summary))
