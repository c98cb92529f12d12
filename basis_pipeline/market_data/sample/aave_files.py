"""Files of Aave v3: daily reserve snapshots, hourly rates, oracle prices."""

from __future__ import annotations

import numpy as np

from basis_pipeline.domain.timeline import DAY, HOUR, SECOND, iso
from basis_pipeline.market_data.sample.chain import ReservePath, block_number
from basis_pipeline.market_data.sample.factors import Factors
from basis_pipeline.market_data.sample.formats import Column, csv_bytes, parquet_bytes
from basis_pipeline.market_data.sample.period import (
    HOURS_PER_DAY,
    Floats,
    Period,
    dates,
    epoch_seconds,
    iso_blank,
    iso_seconds,
)

_STABLE_SPREAD = 0.05


def snapshots_csv(path: ReservePath, price: Floats, period: Period) -> bytes:
    """Reserve snapshots at 00:00; `price` is USD per token at every midnight."""
    stamps = period.stamps(DAY)
    at_midnight = slice(None, None, HOURS_PER_DAY)
    borrow = path.borrow_rate[at_midnight]
    columns: dict[str, Column] = {
        "targetDate": iso_seconds(stamps),
        "timestamp": epoch_seconds(stamps),
        "blockNumber": block_number(stamps),
        "reserve": path.reserve.address,
        "symbol": path.reserve.symbol,
        "liquidityIndex": path.liquidity_index[at_midnight],
        "currentLiquidityRate": path.supply_rate[at_midnight],
        "variableBorrowIndex": path.borrow_index[at_midnight],
        "currentVariableBorrowRate": borrow,
        "currentStableBorrowRate": borrow + _STABLE_SPREAD,
        "totalAToken": path.supplied[at_midnight],
        "totalStableDebt": np.zeros(len(stamps)),
        "totalVariableDebt": path.borrowed[at_midnight],
        "price": price[: len(stamps)].round(8),
        "date": dates(stamps),
    }
    return csv_bytes(columns)


def hourly_parquet(path: ReservePath, price: Floats, factors: Factors) -> bytes:
    """Hourly rates in percent and totals in USD; `price` is USD per token at every hour."""
    stamps = factors.period.stamps(HOUR)
    lag = factors.stream(f"{path.reserve.symbol}/update").integers(1, 600, len(stamps)) * SECOND
    updated = stamps - lag
    supplied, borrowed = path.supplied * price[: len(stamps)], path.borrowed * price[: len(stamps)]
    columns: dict[str, Floats | None] = {
        "timestamp": epoch_seconds(updated).astype(np.float64),
        "block": block_number(updated).astype(np.float64),
        "TVL_USD": supplied,
        "supplied_USD": supplied,
        "borrowed_USD": borrowed,
        "liquidations": np.zeros(len(stamps)),
        "token_balance": path.supplied * 10.0**path.reserve.decimals,
        "lender_variable_apr": (100 * path.supply_rate).round(6),
        "lender_stable_apr": None,
        "borrower_variable_apr": (100 * path.borrow_rate).round(6),
        "borrower_stable_apr": 100 * (path.borrow_rate + _STABLE_SPREAD),
    }
    return parquet_bytes(stamps, columns)


def daily_oracle_csv(token: str, price: Floats, period: Period) -> bytes:
    """USD prices at midnight, epoch-second stamps."""
    stamps = period.stamps(DAY)
    columns: dict[str, Column] = {"timestamp": epoch_seconds(stamps), "oracle_price_usd": price[: len(stamps)].round(8)}
    return csv_bytes(columns | _source(token, "USD"), preamble=_header(f"Asset: {token}", "USD", len(stamps), period))


def hourly_oracle_csv(token: str, price: Floats, period: Period) -> bytes:
    """USD prices: straight lines between the midnight values in `price` (days + 1 values)."""
    values = straight_lines(price.round(8))
    columns: dict[str, Column] = {"timestamp": iso_blank(period.stamps(HOUR)), "oracle_price_usd": values}
    return csv_bytes(columns | _source(token, "USD"), preamble=_header(f"Asset: {token}", "USD", len(values), period))


def ratio_oracle_csv(token: str, price: Floats, eth_price: Floats, period: Period) -> bytes:
    """ETH per token: quotient of two hourly USD oracles."""
    values = straight_lines(price.round(8)) / straight_lines(eth_price.round(8))
    columns: dict[str, Column] = {"timestamp": iso_blank(period.stamps(HOUR)), "oracle_price_eth": values}
    preamble = _header(f"Asset_pair: {token}_ETH", "ETH", len(values), period)
    return csv_bytes(columns | _source(token, "ETH"), preamble=preamble)


def straight_lines(midnights: Floats) -> Floats:
    """Hourly values between midnight values, the last midnight excluded."""
    hours = np.arange((len(midnights) - 1) * HOURS_PER_DAY)
    return np.interp(hours, np.arange(len(midnights)) * HOURS_PER_DAY, midnights)


def _source(token: str, currency: str) -> dict[str, Column]:
    source = "aave_oracle_extracted" if currency == "USD" else "aave_oracle_derived"
    return {"asset": token, "source": source, "quote_currency": currency}


def _header(subject: str, currency: str, records: int, period: Period) -> list[str]:
    source = "aave_oracle_extracted" if currency == "USD" else "aave_oracle_derived"
    method = [] if currency == "USD" else ["Methodology: asset_usd / eth_usd"]
    processed = iso(period.end).removesuffix("Z") + ".000000"
    return [
        f"Source: {source}", subject, f"Quote_currency: {currency}", *method,
        f"Processed: {processed}", f"Records: {records}",
    ]  # fmt: skip
