"""Aave, staking tokens, gas and rewards of the sample are consistent with each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from basis_pipeline_tests.market_data.sample_reading import (
    HOURS_2024,
    candles,
)


@pytest.mark.parametrize("token", ["USDT", "WETH"])
def test_indices_are_the_accrual_of_the_hourly_rates(sample_raw: Path, token: str) -> None:
    hourly = pd.read_parquet(sample_raw / f"aave_v3/rates/aave_v3_{token.lower()}_eth_hourly.parquet")
    daily = pd.read_csv(sample_raw / f"aave_v3/rates/aave_v3_ethereum_{token}_rates_1d.csv")
    before_last_snapshot = hourly.loc[:"2024-12-30"]
    hour = 1 / (365 * 24)
    supply = (1 + before_last_snapshot["lender_variable_apr"] / 100 * hour).prod()
    debt = np.exp((before_last_snapshot["borrower_variable_apr"] / 100 * hour).sum())
    quotients = daily[["liquidityIndex", "variableBorrowIndex"]].iloc[-1] / daily.iloc[0][
        ["liquidityIndex", "variableBorrowIndex"]
    ].astype(float)
    assert quotients["liquidityIndex"] == pytest.approx(supply, rel=1e-9)
    assert quotients["variableBorrowIndex"] == pytest.approx(debt, rel=1e-9)
    at_midnight = hourly[hourly.index.hour == 0]
    assert (at_midnight["lender_variable_apr"] / 100).to_numpy() == pytest.approx(
        daily["currentLiquidityRate"].to_numpy(), abs=1e-12
    )


@pytest.mark.parametrize("token", ["USDT", "WETH", "weETH", "wstETH"])
def test_reserves_accrue_daily_at_the_rate_they_state(sample_raw: Path, token: str) -> None:
    daily = pd.read_csv(sample_raw / f"aave_v3/rates/aave_v3_ethereum_{token}_rates_1d.csv")
    growth = daily[["liquidityIndex", "variableBorrowIndex"]].pct_change().dropna()
    assert (growth > 0).all().all()
    assert (daily["totalVariableDebt"] < daily["totalAToken"]).all()
    assert (daily["currentLiquidityRate"] < daily["currentVariableBorrowRate"]).all()
    if token in ("weETH", "wstETH"):  # whose rates move at midnight only
        stated = (1 + daily["currentLiquidityRate"] / (365 * 24)) ** 24 - 1
        assert growth["liquidityIndex"].to_numpy() == pytest.approx(stated.to_numpy()[:-1], abs=1e-13)


def test_usdt_rates_revert_and_spike(sample_raw: Path) -> None:
    borrow = pd.read_parquet(sample_raw / "aave_v3/rates/aave_v3_usdt_eth_hourly.parquet")["borrower_variable_apr"]
    assert 5 < borrow.mean() < 10
    assert borrow.max() > 20
    assert (borrow > 20).mean() < 0.02


@pytest.mark.parametrize(("token", "low", "high"), [("weETH", 0.027, 0.029), ("wstETH", 0.029, 0.031)])
def test_staking_ratios_grow_steadily_and_trade_at_a_small_discount(
    sample_raw: Path, token: str, low: float, high: float
) -> None:
    ratio = pd.read_csv(sample_raw / f"aave_v3/oracle/{token}_ETH_oracle.csv", comment="#")["oracle_price_eth"][::24]
    assert (ratio.diff().dropna() > 0).all()
    assert low < np.log(ratio.iloc[-1] / ratio.iloc[0]) * 365 / (len(ratio) - 1) < high
    peg = pd.read_csv(sample_raw / f"lst/{token}_peg_analysis_1h.csv")
    premium = 100 * (peg["market_rate"] / peg["protocol_rate"] - 1)
    assert premium.to_numpy() == pytest.approx(peg["peg_premium_percent"].to_numpy(), abs=1e-9)
    assert -0.1 < premium.median() < 0
    assert -1.0 < premium.min() < -0.4
    assert premium.idxmin() // 24 in (65, 66)
    assert (peg["market_rate"] == peg["market_rate_median_24h"]).all()


def test_oracle_is_straight_between_midnights_that_equal_the_snapshots(sample_raw: Path) -> None:
    price = pd.read_csv(sample_raw / "aave_v3/oracle/WETH_USD_oracle.csv", comment="#")["oracle_price_usd"].to_numpy()
    days = price.reshape(-1, 24)
    assert np.abs(np.diff(days, 2, axis=1)).max() < 1e-9 * price.max()
    snapshots = pd.read_csv(sample_raw / "aave_v3/rates/aave_v3_ethereum_WETH_rates_1d.csv")["price"]
    assert (days[:, 0] == snapshots.to_numpy()).all()
    spot = candles(sample_raw / "cex/spot/binance_ETHUSDT_spot_1h.feather")["open"].to_numpy()
    assert np.abs(np.log(days[:, 0] / spot[::24])).max() < 1e-3


def test_gas_is_lognormal_with_every_second_sample_an_hour_early(sample_raw: Path) -> None:
    gas = pd.read_csv(sample_raw / "gas/ethereum_gas_prices_1h.csv")
    stamp = pd.to_datetime(gas["timestamp"]).map(lambda moment: int(moment.timestamp()))
    age = stamp - gas["block_timestamp"]
    early = age > 600
    assert early.sum() == HOURS_2024 // 2 - 1
    assert age[early].between(2929, 3600).all()
    assert gas["block_timestamp"].is_monotonic_increasing
    assert gas["block_number"].is_monotonic_increasing
    assert age.iloc[0] == 61
    total = gas["base_fee_gwei"] + gas["priority_fee_p50_gwei"]
    assert gas["gas_price_gwei"].to_numpy() == pytest.approx(total.to_numpy(), abs=1e-9)
    assert 3 < gas["gas_price_gwei"].median() < 12
    assert gas["gas_price_gwei"].max() > 5 * gas["gas_price_gwei"].mean()


def test_reward_tables_agree_with_each_other(sample_raw: Path) -> None:
    weeks = pd.read_csv(sample_raw / "rewards/eigen_distributions_raw.csv")
    assert len(weeks) == 51
    rate = weeks["eigen_earned"] / (weeks["eth_restaked"] + weeks["eth_not_restaked"])
    assert weeks["eigen_per_eeth_weekly"].to_numpy() == pytest.approx(rate.to_numpy(), abs=5.1e-4)
    top_ups = pd.read_csv(sample_raw / "rewards/ethfi_topups_raw.csv")
    periods = pd.read_csv(sample_raw / "rewards/etherfi_seasonal_rewards.csv")
    by_type = periods.groupby("reward_type")
    assert list(by_type.get_group("EIGEN_via_KING")["eigen_per_eeth_weekly"]) == list(weeks["eigen_per_eeth_weekly"])
    assert list(by_type.get_group("ETHFI_via_KING")["ethfi_per_eeth"]) == list(top_ups["ethfi_per_eeth_distributed"])
    weekly = periods["eigen_per_eeth_weekly"] * 3.5 / periods["eth_price_usd"]
    added = periods["ethfi_per_eeth"] * 2.8 / periods["eth_price_usd"]
    assert periods["weekly_reward_eth"].to_numpy() == pytest.approx(weekly.to_numpy(), rel=1e-12, nan_ok=True)
    assert periods["distribution_eth"].to_numpy() == pytest.approx(added.to_numpy(), rel=1e-12, nan_ok=True)
    assert periods["daily_yield_final"].to_numpy() == pytest.approx((weekly / 7).fillna(added / 6).to_numpy())
    assert set(periods["period_days"]) == {6}  # D-27: a week counted as end - start
    assert (periods["payout_date"] < "2025-01-01").all()
