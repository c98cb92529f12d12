"""Series of the raw vendor files by DuckDB alone, so that nothing of the code under test stands behind a reference."""

from __future__ import annotations

from pathlib import Path

import duckdb

FIRST_DAY, LAST_DAY = "2024-06-01", "2025-06-30"
"""The 00:00 stamps between which the staking modes are compared."""


def quotient(raw: Path, series: str, token: str) -> float:
    """Value at LAST_DAY 00:00 over the one at FIRST_DAY 00:00.

    Args:
        raw: folder of the vendor files.
        series: `ratio` (ETH per token), `supplied` (liquidity index) or `borrowed` (variable borrow index).
        token: of the series, e.g. weETH.
    """
    values = _at_midnight(raw, series, token)
    return values[LAST_DAY] / values[FIRST_DAY]


def _at_midnight(raw: Path, series: str, token: str) -> dict[str, float]:
    if series == "ratio":
        return ratios(raw, token)
    column = {"supplied": "liquidityIndex", "borrowed": "variableBorrowIndex"}[series]
    file = raw / f"aave_v3/rates/aave_v3_ethereum_{token}_rates_1d.csv"
    return _pairs(f"select targetDate[:10], {column}::double from read_csv('{file}', all_varchar=true)")


def ratios(raw: Path, token: str) -> dict[str, float]:
    """ETH per token by day, the 00:00 values only: those between are interpolated by the vendor."""
    file = raw / f"aave_v3/oracle/{token}_ETH_oracle.csv"
    return _pairs(
        "select strftime(stamp, '%Y-%m-%d'), price from (select replace(timestamp, 'Z', '')[:19]::timestamp as stamp, "
        f"oracle_price_eth::double as price from read_csv('{file}', comment='#', all_varchar=true)) "
        "where hour(stamp) = 0 and minute(stamp) = 0"
    )


def gas_price(raw: Path, stamp: str) -> float:
    """Gwei that were known at `stamp`: those of the last block before it."""
    file = raw / "gas/ethereum_gas_prices_1h.csv"
    rows = duckdb.sql(
        f"select arg_max(gas_price_gwei, block_timestamp) from read_csv('{file}') "
        f"where block_timestamp <= epoch('{stamp}'::timestamp)"
    ).fetchall()
    return float(rows[0][0])


def _pairs(sql: str) -> dict[str, float]:
    return dict(duckdb.sql(sql).fetchall())
