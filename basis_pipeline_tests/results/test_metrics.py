"""Metrics against closed forms and worked examples that others published."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from basis_pipeline.domain.timeline import DAY, HOUR, month_start
from basis_pipeline.results.metrics import (
    annualised,
    compute_metrics,
    daily_returns,
    funding_by_venue,
    index_of_steps,
    max_drawdown,
    metrics_table,
    money_weighted_of_steps,
    sharpe_ratio,
    sortino_ratio,
    stamps_of,
    volatility,
)
from basis_pipeline.results.money_weighted import money_weighted_return
from basis_pipeline.results.tables import METRICS
from basis_pipeline_tests.results.synthetic import CAPITAL, USD

START = month_start("2024-01")


def steps(equity: list[float], flows: list[float] | None = None, step: int = HOUR) -> pa.Table:
    """Timesteps whose first flow is the capital and whose profit is what flows do not explain."""
    flow = flows or [equity[0], *([0.0] * (len(equity) - 1))]
    profit = np.diff([0.0, *equity]) - flow
    stamps = pa.array(START + step * np.arange(len(equity)), pa.timestamp("us"))
    columns = {"timestamp": stamps}
    for suffix, name in (("", "equity_share_class"), ("_usd", "equity_usd")):
        columns |= {name: equity, f"step_pnl{suffix}": profit, f"flow{suffix}": flow}
    return pa.table(columns)


def test_sharpe_of_sharpes_own_definition() -> None:
    # Sharpe (1994), The Sharpe Ratio, eq. 3-6: mean of D over its sample deviation. Returns 1, 2, 3 per cent: 2 / 1.
    assert sharpe_ratio(np.array([0.01, 0.02, 0.03])) == pytest.approx(2.0 * math.sqrt(365))
    assert volatility(np.array([0.01, 0.02, 0.03])) == pytest.approx(0.01 * math.sqrt(365))


def test_sortino_of_the_example_of_rollinger_and_hoffman() -> None:
    # Rollinger and Hoffman, "Sortino: a 'sharper' ratio" (Red Rock Capital): annual returns 17, 15, 23, -5, 12, 9, 13,
    # -4 per cent, target 0: mean 10, target downside deviation 2.264, ratio 4.417 (not annualised).
    returns = np.array([0.17, 0.15, 0.23, -0.05, 0.12, 0.09, 0.13, -0.04])
    assert sortino_ratio(returns) == pytest.approx(4.417 * math.sqrt(365), rel=1e-3)


def test_money_weighted_return_of_the_documented_example_of_xirr() -> None:
    # Microsoft, XIRR function: -10,000 on 2008-01-01, then 2,750 on 2008-03-01, 4,250 on 2008-10-30, 3,250 on
    # 2009-02-15
    # and 2,750 on 2009-04-01 are 37.3362535% a year of 365 days.
    days = np.array([0, 60, 303, 411])
    growth = money_weighted_return(np.array([10_000.0, -2_750.0, -4_250.0, -3_250.0]), (456 - days) / 456, 2_750.0)
    assert growth is not None
    assert (1.0 + growth) ** (365 / 456) - 1.0 == pytest.approx(0.373362535, abs=5e-9)


def test_without_flows_money_weighted_is_time_weighted_and_with_them_it_sees_when_money_was_there() -> None:
    """10% on 100, then 100 more come in and the second half loses 10%: 0.99 time-weighted, worse by money."""
    quiet = steps([100.0, 110.0, 99.0])
    assert money_weighted_of_steps(quiet, opening=True) == pytest.approx(-0.01, rel=1e-10)
    fed = steps([100.0, 210.0, 189.0], [100.0, 100.0, 0.0])
    assert index_of_steps(fed, opening=True)[-1] == pytest.approx(0.99, rel=1e-12)
    growth = ((math.sqrt(100.0**2 + 4 * 100.0 * 189.0) - 100.0) / 200.0) ** 2  # of 100 g + 100 sqrt(g) = 189
    assert money_weighted_of_steps(fed, opening=True) == pytest.approx(growth - 1.0, rel=1e-10)


def test_a_book_that_lost_everything_has_no_money_weighted_return() -> None:
    assert money_weighted_return(np.array([100.0, -200.0]), np.array([1.0, 0.5]), -5.0) is None


def test_ratios_without_dispersion_or_losses_are_undefined_not_infinite() -> None:
    assert sharpe_ratio(np.array([0.5, 0.5])) is None
    assert sharpe_ratio(np.array([])) is None
    assert sortino_ratio(np.array([0.01, 0.02])) is None
    assert volatility(np.array([0.01])) is None


def test_drawdown_of_a_path_with_two_falls() -> None:
    index = np.array([1.0, 1.2, 0.9, 1.3, 1.04, 1.1])
    stamps = START + HOUR * np.arange(6)
    found = max_drawdown(index, stamps)
    assert found.depth == pytest.approx(0.25)  # 1.2 -> 0.9, deeper than 1.3 -> 1.04
    assert (found.peak, found.trough) == (START + HOUR, START + 2 * HOUR)


def test_drawdown_counts_the_start_as_a_peak_and_is_zero_for_a_rising_path() -> None:
    stamps = START + HOUR * np.arange(3)
    assert max_drawdown(np.array([0.98, 0.99, 1.1]), stamps).depth == pytest.approx(0.02)
    assert max_drawdown(np.array([1.0, 1.1, 1.2]), stamps) == (0.0, None, None)


def test_growth_of_a_tenth_in_half_a_year_is_21_per_cent_a_year() -> None:
    assert annualised(1.1, 182.5 * DAY) == pytest.approx(0.21)
    assert annualised(0.0, 365 * DAY) is None
    assert annualised(1.0001, 7 * DAY - 1) is None


def test_flows_are_not_profit_and_break_the_chain() -> None:
    # 100 grows to 110; 110 comes in and 220 grows to 242: profit 32, twice +10 per cent.
    table = steps([100.0, 110.0, 220.0, 242.0], [100.0, 0.0, 110.0, 0.0])
    index = index_of_steps(table, opening=True)
    np.testing.assert_allclose(index, [1.0, 1.1, 1.1, 1.21])


def test_a_constant_growth_rate_gives_its_own_cagr_and_no_volatility() -> None:
    days = 60
    equity = [100.0 * 1.0001 ** (hour / 24) for hour in range(24 * days + 1)]
    index = index_of_steps(steps(equity), opening=True)
    table = steps(equity)
    daily = daily_returns(index, stamps_of(table))
    np.testing.assert_allclose(daily, 0.0001, rtol=1e-9)
    assert annualised(index[-1], days * DAY) == pytest.approx(1.0001**365 - 1)


def test_metrics_of_an_opening_month_are_measured_on_the_capital(basis_months: list) -> None:
    _, tables, _ = basis_months[0]
    found = {metric.metric: metric.value for metric in compute_metrics(tables, opening=True)}
    last = tables["timesteps"].slice(743, 1).to_pylist()[0]
    assert found["start_equity"] == pytest.approx(CAPITAL)
    assert found["total_return"] == pytest.approx(last["equity_share_class"] / CAPITAL - 1)
    assert found["time_weighted_return"] == pytest.approx(found["total_return"])
    assert found["start_equity_usd"] == pytest.approx(CAPITAL * USD)
    assert found["net_flow"] == CAPITAL
    assert found["orders"] == 7
    assert found["time_in_market"] == 1.0


def test_a_later_month_is_measured_on_the_last_step_of_the_month_before(basis_months: list) -> None:
    before = basis_months[0][1]["timesteps"]["equity_share_class"][-1].as_py()
    tables = basis_months[1][1]
    after = tables["timesteps"]["equity_share_class"][-1].as_py()
    found = {metric.metric: metric.value for metric in compute_metrics(tables, opening=False)}
    assert found["total_return"] == pytest.approx(after / before - 1, rel=1e-9)


def test_the_lowest_margin_ratio_is_that_before_a_step_reacts_to_it(basis_months: list) -> None:
    _, tables, _ = basis_months[0]
    rows = tables["risk"].to_pylist()
    later = max(row["timestamp"] for row in rows)
    for row in rows:
        if row["dimension"] == "margin_ratio" and row["timestamp"] == later:
            row["value"] = 0.0123
        elif row["dimension"] == "margin_ratio" and row["trigger"] == "execution_manager":
            row["value"] = 0.0099  # a state that a plan only passes through
    risk = pa.Table.from_pylist(rows, tables["risk"].schema)
    found = {metric.metric: metric for metric in compute_metrics(tables | {"risk": risk}, opening=True)}
    assert found["min_margin_ratio"].value == 0.0123
    assert "refresh" in found["min_margin_ratio"].description
    assert tables["timesteps"]["min_margin_ratio"].to_numpy().min() > 0.1, "closing records do not know of it"


def test_costs_and_turnover_are_those_of_the_orders(basis_months: list) -> None:
    _, tables, _ = basis_months[0]
    found = {metric.metric: metric.value for metric in compute_metrics(tables, opening=True)}
    orders = tables["orders"].to_pylist()
    notional = sum(order["filled"] * order["price"] for order in orders if order["operation"] != "transfer")
    assert found["traded_notional"] == pytest.approx(notional)
    assert found["cost_fee"] + found["cost_slippage"] == pytest.approx(-found["pnl_transaction_costs"])
    by_venue = funding_by_venue(tables["deltas"])
    assert list(by_venue) == ["binance", "bybit"]
    assert sum(by_venue.values()) == pytest.approx(found["pnl_funding"])


def test_the_table_of_metrics_has_its_schema_and_names_once(basis_months: list) -> None:
    table = metrics_table(compute_metrics(basis_months[0][1], opening=True))
    assert table.schema.equals(METRICS)
    names = table["metric"].to_pylist()
    assert len(names) == len(set(names))
