"""Answers of the cookbook about what a book held: cash, risk, gates, data, reconciliation, an experiment."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from basis_pipeline.results.sql.catalog import query
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.results.tables import SCHEMAS
from basis_pipeline_tests.docs.answers import Answers

BP, PERCENT = 1e4, 1e2


def test_cash_is_the_value_of_plain_usdt_by_venue(answers: Answers) -> None:
    steps = answers.read("timesteps").set_index("timestamp")["equity_usd"]
    positions = answers.read("positions")
    rows = answers.to("How much cash")
    assert {row["venue"] for row in rows} == {"binance", "bybit", "wallet"}
    for row in rows:
        own = positions[positions["position_key"] == f"{row['venue']}:BaseToken:USDT"].set_index("timestamp")[
            "value_usd"
        ]
        assert row["mean_value_usd"] == pytest.approx(own.mean(), abs=0.6)
        assert row["share_of_equity"] == pytest.approx((own / steps).mean(), abs=6e-5)


def test_risk_acted_where_orders_reduce_the_position(answers: Answers) -> None:
    orders = answers.read("orders")
    exits = orders[orders["action"].isin(["exit_partial", "exit_full"])]
    rows = answers.to("When did risk act")
    assert [row["timestamp"] for row in rows] == sorted(exits["timestamp"].unique())
    for row in rows:
        own = exits[exits["timestamp"] == row["timestamp"]]
        assert (row["orders"], {row["reason"]}) == (len(own), set(own["reason"]))
        assert row["traded"] == pytest.approx(float((own["filled"] * own["price"]).sum()), abs=0.6)


def test_the_worst_bar_has_the_lowest_margin_ratio_and_its_rise_leads_to_maintenance(answers: Answers) -> None:
    risk = answers.read("risk").query("dimension == 'margin_ratio' and trigger == 'position_refresh'")
    for row in answers.to("How much room"):
        own = risk[risk["venue"] == row["venue"]]
        worst = own.loc[own["value"].idxmin()]
        assert row["timestamp"] == worst["timestamp"]
        ratio, maintenance = worst["value"], 0.05
        assert (row["margin_ratio"], row["maintenance"]) == (pytest.approx(ratio, abs=6e-5), maintenance)
        rise = row["adverse_move"]
        left = (ratio - rise) / (1.0 + rise)
        assert left == pytest.approx(maintenance, abs=1e-4), "after that rise the balance is at maintenance"


def test_the_loan_falls_to_a_health_factor_of_one(answers: Answers) -> None:
    risk = answers.read("risk", "eth_leveraged").query("dimension == 'health_factor' and trigger == 'position_refresh'")
    worst = risk.loc[risk["value"].idxmin()]
    [row] = answers.to("How far was the loan")
    assert (row["venue"], row["lowest_at"]) == (worst["venue"], worst["timestamp"])
    assert row["health_factor"] == pytest.approx(worst["value"], abs=6e-5)
    assert worst["value"] * (1.0 - row["fall_to_liquidation_percent"] / PERCENT) == pytest.approx(1.0, abs=1e-4)


def test_gates_are_counted_as_the_manifests_have_them(answers: Answers) -> None:
    verdicts = []
    for file in (answers.results / "_manifests").glob("mode=*/*.json"):
        body = msgspec.json.decode(file.read_bytes())["body"]
        verdicts += [(gate["gate"], gate["status"]) for gate in body["gates"]]
    for row in answers.to("Which gates warned"):
        own = [status for gate, status in verdicts if gate == row["gate"]]
        assert (row["months"], row["not_passed"]) == (len(own), sum(status != "passed" for status in own))


def test_filled_data_are_those_of_the_manifests(answers: Answers) -> None:
    counts: dict[tuple[str, str, str], list[int]] = {}
    for file in (answers.results / "_manifests" / "mode=btc_basis").glob("*.json"):
        for series in msgspec.json.decode(file.read_bytes())["body"]["data_usage"]["series"]:
            key = (series["dataset"], series["venue"], series["symbol"])
            seen = counts.setdefault(key, [0, 0, 0])
            for at, name in enumerate(("rows", "filled", "proxied")):
                seen[at] += series[name]
    altered = {key: seen for key, seen in counts.items() if seen[1] + seen[2]}
    rows = answers.to("Which data were not")
    assert {(row["dataset"], row["venue"], row["symbol"]) for row in rows} == set(altered)
    for row in rows:
        rows_used, filled, proxied = altered[row["dataset"], row["venue"], row["symbol"]]
        assert (row["rows"], row["filled"], row["proxied"]) == (rows_used, filled, proxied)
        assert row["percent"] == pytest.approx((filled + proxied) / rows_used * PERCENT, abs=0.006)


def test_equity_follows_from_positions_and_profit(answers: Answers) -> None:
    steps, positions = answers.read("timesteps"), answers.read("positions")
    [row] = answers.to("Does equity follow")
    assert (row["months"], row["steps"]) == (12, 366 * 24)
    held = positions.groupby("timestamp")["value_usd"].sum().to_numpy()
    assert np.abs(held - steps["equity_usd"]).max() < 1e-6
    assert row["positions_agree"] and row["profit_agrees"] and row["attribution_closes"]


def test_a_book_that_does_not_reconcile_would_be_seen(answers: Answers, tmp_path: Path) -> None:
    """The gaps are computed, not assumed: one equity off by a cent shows in the month it is in."""
    copy = tmp_path / "results"
    shutil.copytree(answers.results, copy)
    results = ResultsStore(copy)
    month = results.get("btc_basis", "2024-05")
    tables = {table: results.read(month, table) for table in SCHEMAS}
    steps = tables["timesteps"]
    equity = steps["equity_usd"].to_numpy().copy()
    equity[100] += 0.01
    at = steps.schema.get_field_index("equity_usd")
    tables["timesteps"] = steps.set_column(at, steps.schema.field(at), pa.array(equity))
    results.publish_month(month.manifest, tables, results.checkpoint("btc_basis", "2024-05"))
    rows = query(results, "select month, positions_gap_usd > 0.009 as off from reconciliation('btc_basis')")
    assert [row["month"] for row in rows.to_pylist() if row["off"]] == ["2024-05"]


def test_the_experiment_differs_by_its_override_and_by_what_came_of_it(answers: Answers) -> None:
    [change] = answers.to("What does the experiment")
    assert (change["key"], float(change["standing"]), float(change["experiment"])) == (
        "strategy.spot_fraction",
        2 / 3,
        0.5,
    )
    months = ["2024-01", "2024-02", "2024-03"]
    rows = {row["metric"]: row for row in answers.to("What does the experiment", 1)}
    categories: dict[str, Callable[[pd.DataFrame], float]] = {
        "pnl_funding": lambda found: found[found["category"] == "funding_pnl"]["pnl"].sum(),
        "pnl_transaction_costs": lambda found: found[found["category"] == "transaction_costs"]["pnl"].sum(),
        "profit": lambda found: found["pnl"].sum(),
    }
    assert set(rows) == set(categories)
    for record in ("standing", "experiment"):
        found = answers.read("pnl_attribution", experiment="half" if record == "experiment" else "")
        found = found[found["month"].isin(months)]
        for metric, total in categories.items():
            assert rows[metric][record] == pytest.approx(total(found), abs=0.006)
