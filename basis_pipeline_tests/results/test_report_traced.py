"""Figures of a page, found again by DuckDB in the Parquet files: nothing of the page's own code is asked.

These are: headline, ends and extremes of lines, carry, monthly returns, verdict counts, settlements, correlations.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from basis_pipeline.results.reports.overview import write_overview
from basis_pipeline.results.reports.report import write_report
from basis_pipeline.results.sql.catalog import connect
from basis_pipeline.results.store import ResultsStore
from basis_pipeline_tests.results.conftest import manifest
from basis_pipeline_tests.results.test_report import Page, panel

MODE = "btc_basis"
INDEX = f"""
    select timestamp, product(1 + r) over (order by timestamp) as growth from (
        select timestamp,
            step_pnl / coalesce(lag(equity_share_class) over (order by timestamp), equity_share_class - step_pnl) as r
        from timesteps where mode = '{MODE}')
"""
CARRY = "category in ('funding_pnl', 'supply_yield', 'borrow_costs', 'staking_yield', 'staking_rewards')"


@pytest.fixture(scope="module")
def reported(published: Path, tmp_path_factory: pytest.TempPathFactory) -> ResultsStore:
    return ResultsStore(shutil.copytree(published, tmp_path_factory.mktemp("reported") / "results"))


@pytest.fixture(scope="module")
def sql(reported: ResultsStore) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(reported) as connection:
        yield connection


@pytest.fixture(scope="module")
def page(reported: ResultsStore) -> Page:
    return Page(write_report(reported, MODE))


def one(sql: duckdb.DuckDBPyConnection, query: str) -> float:
    [[value]] = sql.sql(query).fetchall()
    return float(value)


def cards(path: Path) -> dict[str, str]:
    """Headline figures by name, as written."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(r'<dt>([^<]*)</dt><dd class="value[^"]*">([^<]*)', text)
    return {name: value.strip().replace("−", "-") for name, value in found}


def written(value: float, form: str) -> str:
    return format(value, form)


def test_every_headline_figure(store: ResultsStore, sql: duckdb.DuckDBPyConnection) -> None:
    found = cards(write_report(store, MODE))
    last = "(select max(timestamp) from timesteps)"
    daily = f"select growth / lag(growth) over (order by timestamp) - 1 as r from ({INDEX}) where hour(timestamp) = 0"
    sums = {
        "Profit": "select sum(step_pnl) from timesteps",
        "Carry": f"select sum(pnl) from pnl_attribution where {CARRY}",
        "Costs": "select sum(pnl) from pnl_attribution where category in ('transaction_costs', 'liquidation_pnl')",
        "Equity at the end": f"select equity_share_class from timesteps where timestamp = {last}",
    }
    growth = one(sql, f"select growth from ({INDEX}) where timestamp = {last}")
    years = one(sql, "select (epoch(max(timestamp)) - epoch(min(timestamp))) / 86400 / 365 from timesteps")
    deviation = one(sql, f"select stddev_samp(r) from ({daily})")
    falls = f"select 1 - growth / greatest(max(growth) over (order by timestamp), 1) as d from ({INDEX})"
    lowest = "select min(value) from risk where dimension = 'margin_ratio' and trigger = 'position_refresh'"
    held = "select count(distinct timestamp) from positions where quantity <> 0 and position_key like '%:Perp:%'"
    assert found == {
        **{name: written(one(sql, query), ",.2f") for name, query in sums.items()},
        "Return": written(growth - 1, ".2%"),
        "CAGR": written(growth ** (1 / years) - 1, ".2%"),
        "Max drawdown": written(one(sql, f"select max(d) from ({falls})"), ".2%"),
        "Volatility": written(deviation * 365**0.5, ".2%"),
        "Sharpe": written(one(sql, f"select avg(r) from ({daily})") / deviation * 365**0.5, ",.2f"),
        "Orders": written(one(sql, "select count(*) from orders"), ",.0f"),
        "Lowest margin ratio": written(one(sql, lowest), ".1%"),
        "Time in market": written(one(sql, held) / one(sql, "select count(*) from timesteps"), ".1%"),
    }


def test_the_first_and_last_value_and_the_extremes_of_every_line(page: Page, sql: duckdb.DuckDBPyConnection) -> None:
    """The query gives each line in full; the page may leave out what lies between its extremes."""
    lines = {
        ("equity", "equity"): "select timestamp, equity_share_class as v from timesteps",
        (
            "drawdown",
            "drawdown",
        ): f"select timestamp, growth / greatest(max(growth) over (order by timestamp), 1) - 1 as v from ({INDEX})",
        ("positions", "bybit"): "select timestamp, sum(value_usd) as v from positions where position_key like 'bybit:%'"
        " group by timestamp",
        ("attribution", "funding"): "select timestamp, sum(pnl) over (order by timestamp) as v from pnl_attribution"
        " where category = 'funding_pnl'",
        ("margin_ratio", "binance"): "select timestamp, min(value) as v from ("
        " select *, row_number() over (partition by timestamp order by sequence desc) as place from risk"
        " where dimension = 'margin_ratio' and venue = 'binance')"
        " where place = 1 or trigger = 'position_refresh' group by timestamp",
    }
    for (name, label), query in lines.items():
        view = panel(page, name)["views"][0]
        [series] = [series for series in view["series"] if series["label"] == label]
        drawn = [value for value in series["values"] if value is not None]
        [[low, high, first, last]] = sql.sql(
            f"select min(v), max(v), arg_min(v, timestamp), arg_max(v, timestamp) from ({query}) where v is not null"
        ).fetchall()
        shown = (min(drawn), max(drawn), drawn[0], drawn[-1])
        assert shown == pytest.approx((low, high, first, last), rel=1e-6, abs=1e-9), (name, label)


def test_rolling_carry_at_the_end(page: Page, sql: duckdb.DuckDBPyConnection) -> None:
    end = one(sql, "select epoch(max(timestamp)) from timesteps")
    since = f"epoch(timestamp) > {end - 30 * 86400}"
    equity = one(sql, f"select avg(equity_share_class) from timesteps where {since}")
    carry = one(sql, f"select sum(pnl) from pnl_attribution where {CARRY} and {since}")
    profit = one(sql, f"select sum(step_pnl) from timesteps where {since}")
    ends = {series["label"]: series["values"][-1] for series in panel(page, "carry")["views"][0]["series"]}
    assert ends == pytest.approx({"carry": carry / equity * 365 / 30, "profit": profit / equity * 365 / 30}, rel=1e-6)
    first = panel(page, "carry")["views"][0]["series"][0]["values"]
    assert first[0] is None, "there is no 30-day figure on the first day"


def test_monthly_returns_and_months(store: ResultsStore, page: Page, sql: duckdb.DuckDBPyConnection) -> None:
    rows = sql.sql(
        "select month, sum(step_pnl), arg_max(equity_share_class, timestamp) from timesteps group by 1 order by 1"
    ).fetchall()
    before = 100_000.0
    for month, profit, equity in rows:
        assert f"{profit / before:.2%}".replace("-", "−") in page.text, month
        assert f"{equity:,.2f}" in page.text, month
        before = equity


def test_the_verdict_counts_what_the_manifests_say(page: Page, sql: duckdb.DuckDBPyConnection) -> None:
    used, filled, proxied = sql.sql("select sum(rows), sum(filled), sum(proxied) from data_usage").fetchall()[0]
    assert f"{used:,} values used: {filled} filled, {proxied} proxied" in page.text
    warned = [month for (month,) in sql.sql("select month from gates where status = 'warned' order by 1").fetchall()]
    assert all(f"fills_budget warned in {month}" in page.text for month in warned)
    assert "2024-02 and later do not continue the months before" in page.text, "the manifests name no predecessor"
    assert "Do not rely on this record" in page.text


def test_settlements_by_source_and_position(page: Page, sql: duckdb.DuckDBPyConnection) -> None:
    rows = sql.sql(
        "select source, position_key, count(*), sum(delta_amount) from deltas where operation_id = 0 group by all"
    ).fetchall()
    assert rows
    for source, key, times, amount in rows:
        summed = f"{amount:,.8g}".replace("-", "−")
        assert f"{source} {key} {times:,} {summed} " in page.text


def test_the_overview_says_the_same_as_the_report(store: ResultsStore, sql: duckdb.DuckDBPyConnection) -> None:
    text = Page(write_overview(store)).text
    capital = 100_000.0
    carry = one(sql, f"select sum(pnl) from pnl_attribution where {CARRY}") / capital
    costs = one(sql, "select sum(pnl) from pnl_attribution where category = 'transaction_costs'") / capital
    growth = one(sql, f"select arg_max(growth, timestamp) from ({INDEX})")
    for figure in (growth - 1, carry, costs):
        assert f"{figure:.2%}".replace("-", "−") in text


def test_correlations_are_those_of_daily_returns(
    store: ResultsStore, sql: duckdb.DuckDBPyConnection, basis_months: list
) -> None:
    """A second mode with other equity: its index is scaled noise of the first."""
    for month, tables, state in basis_months:
        steps = tables["timesteps"]
        pnl = [value if stamp.day % 3 else -value for stamp, value in _pairs(steps)]
        column = steps.schema.get_field_index("step_pnl")
        other = steps.set_column(column, steps.schema.field(column), [pnl])
        store.publish_month(manifest(month, "eth_basis"), tables | {"timesteps": other}, state)
    with connect(store) as both:
        daily = """
            select mode, timestamp, growth / lag(growth) over (partition by mode order by timestamp) - 1 as r from (
                select mode, timestamp, product(1 + r) over (partition by mode order by timestamp) as growth from (
                    select mode, timestamp, step_pnl / coalesce(
                        lag(equity_share_class) over (partition by mode order by timestamp),
                        equity_share_class - step_pnl) as r
                    from timesteps))
            where hour(timestamp) = 0"""
        expected = one(
            both,
            f"with d as ({daily}) select corr(a.r, b.r) from d a join d b using (timestamp)"
            " where a.mode = 'btc_basis' and b.mode = 'eth_basis'",
        )
    assert -0.99 < expected < 0.99
    text = write_overview(store).read_text(encoding="utf-8")
    matrix = text[text.index('aria-label="Correlation') :].split("</table>")[0]
    cells = [cell.replace("−", "-") for cell in re.findall(r"<td[^>]*>([^<]*)</td>", matrix)]
    assert cells == ["1 btc_basis", "1.00", f"{expected:.2f}", "2 eth_basis", f"{expected:.2f}", "1.00"]


def _pairs(steps: object) -> Iterator[tuple[datetime, float]]:
    for row in steps.select(["timestamp", "step_pnl"]).to_pylist():  # type: ignore[attr-defined]
        yield row["timestamp"].replace(tzinfo=UTC), row["step_pnl"]
