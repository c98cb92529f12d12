"""Every answer in the cookbook is what its query gives, and what plain arithmetic over the Parquet files gives."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from basis_pipeline_tests.docs.answers import Answers, grown
from basis_pipeline_tests.docs.cookbook import answered
from basis_pipeline_tests.docs.pages import COOKBOOK, fences

BP, PERCENT = 1e4, 1e2


def test_the_page_shows_what_its_queries_answer(answers: Answers) -> None:
    text = COOKBOOK.read_text(encoding="utf-8")
    assert answered(text, answers.ask) == text, "`make cookbook` writes them anew"
    assert len(re.findall(r"^### ", text, re.MULTILINE)) >= 15
    assert text.count("```sql") == text.count("<!-- answer -->")
    assert all(fence.language for fence in fences(COOKBOOK))


def test_the_best_month_is_the_one_with_the_largest_sum_of_step_pnl(answers: Answers) -> None:
    profit = answers.read("timesteps").groupby("month")["step_pnl"].sum()
    rows = answers.to("Which month earned most")
    assert {row["month"] for row in rows} == {profit.idxmax()}
    assert sum(row["pnl"] for row in rows) == pytest.approx(profit.max(), abs=0.02)
    parts = answers.read("pnl_attribution").query("month == @profit.idxmax()").groupby("category")["pnl"].sum()
    assert {row["category"]: row["pnl"] for row in rows} == pytest.approx(
        {name: pnl for name, pnl in parts.items() if abs(pnl) >= 0.005}, abs=0.006
    )


def test_funding_by_venue_is_quantity_times_mark_times_rate_of_every_settlement(answers: Answers) -> None:
    settled = answers.read("deltas").query("source == 'funding'")
    settled = settled.assign(venue=settled["position_key"].str.split(":").str[0])
    for row in answers.to("How much funding"):
        own = settled[settled["venue"] == row["venue"]]
        assert row["settlements"] == len(own)
        assert row["received"] == pytest.approx(
            -(own["reference_quantity"] * own["price"] * own["rate"]).sum(), abs=0.006
        )
        assert set(own["timestamp"].dt.hour) == {0, 8, 16}, "every 8 hours"
        assert row["rate_8h_bp"] == pytest.approx(own["rate"].mean() * BP, abs=6e-4)
        assert row["rate_apr"] == pytest.approx(own["rate"].mean() * 3 * 365, abs=6e-5)


def test_the_worst_drawdowns_are_the_deepest_falls_of_the_index(answers: Answers) -> None:
    path = grown(answers.read("timesteps"))
    peak, peak_at, falls = 1.0, None, []
    for at, index in zip(path["timestamp"], path["index"], strict=True):
        if index >= peak:
            peak, peak_at = index, at
        elif falls and falls[-1][0] == peak_at:
            falls[-1][1].append((1.0 - index / peak, at))
        else:
            falls.append((peak_at, [(1.0 - index / peak, at)]))
    deepest = sorted(((max(points), start) for start, points in falls), key=lambda fall: -fall[0][0])[:3]
    rows = answers.to("Which were the worst drawdowns")
    attribution = answers.read("pnl_attribution")
    for row, ((depth, trough), start) in zip(rows, deepest, strict=True):
        first = path["timestamp"][0]
        assert row["depth_bp"] == pytest.approx(depth * BP, abs=0.006)
        assert (row["peak"], row["trough"]) == (start or first, trough)
        inside = (attribution["timestamp"] <= trough) & (True if start is None else attribution["timestamp"] > start)
        lost = attribution[inside].groupby("category")["pnl"].sum()
        assert row["lost"] == pytest.approx(lost.sum(), abs=0.006)
        assert row["cause"] == lost.idxmin()
        after = path[path["timestamp"] > trough]
        level = 1.0 if start is None else path.loc[path["timestamp"] == start, "index"].item()
        assert row["recovered"] == after.loc[after["index"] >= level, "timestamp"].iloc[0]


def test_returns_in_eth_and_usd_are_profit_over_the_equity_before(answers: Answers) -> None:
    steps = answers.read("timesteps", "eth_leveraged")
    before = {"eth": float(steps["flow"][0]), "usd": float(steps["flow_usd"][0])}
    for row in answers.to("What did it return"):
        own = steps[steps["month"] == row["month"]]
        assert row["percent_eth"] == pytest.approx(own["step_pnl"].sum() / before["eth"] * PERCENT, abs=6e-4)
        assert row["percent_usd"] == pytest.approx(own["step_pnl_usd"].sum() / before["usd"] * PERCENT, abs=6e-4)
        before = {"eth": own["equity_share_class"].iloc[-1], "usd": own["equity_usd"].iloc[-1]}


def test_the_worst_days_are_the_smallest_quotients_between_midnights(answers: Answers) -> None:
    path = grown(answers.read("timesteps"))
    midnight = path[path["timestamp"].dt.hour == 0].set_index("timestamp")["index"]
    worst = (midnight / midnight.shift() - 1.0).dropna().nsmallest(3)
    rows = answers.to("Which were the worst days")
    assert [row["day"] for row in rows] == list(worst.index)
    assert [row["return_bp"] for row in rows] == pytest.approx(list(worst * BP), abs=0.006)


def test_returns_of_modes_are_the_growth_of_their_index(answers: Answers) -> None:
    rows = answers.to("Which mode earned most")
    assert len(rows) == len(list((answers.results / "timesteps").glob("mode=*")))
    for row in rows:
        path = grown(answers.read("timesteps", str(row["mode"])))
        assert row["months"] == path["month"].nunique()
        assert row["percent"] == pytest.approx((path["index"].iloc[-1] - 1.0) * PERCENT, abs=0.006)
        worst = 0.0
        for _, month in path.groupby("month"):
            before = path["index"][month.index[0] - 1] if month.index[0] else 1.0
            peaks = np.maximum.accumulate(np.concatenate([[before], month["index"]]))[1:]
            worst = max(worst, float((1.0 - month["index"] / peaks).max()))
        assert row["worst_month_drawdown_bp"] == pytest.approx(worst * BP, abs=0.06)


def test_costs_are_what_the_orders_state(answers: Answers) -> None:
    orders, equity = answers.read("orders"), answers.read("timesteps")["equity_usd"].mean()
    traded = (orders["filled"] * orders["price"]).sum()
    paid = {kind: orders[kind].sum() for kind in ("fee", "slippage", "gas")}
    paid["total"] = sum(paid.values())
    years = 366 / 365
    for row in answers.to("What does it cost"):
        assert row["paid"] == pytest.approx(paid[row["kind"]], abs=0.006)
        assert row["bp_of_traded"] == pytest.approx(paid[row["kind"]] / traded * BP, abs=0.006)
        assert row["bp_a_year"] == pytest.approx(paid[row["kind"]] / equity / years * BP, abs=0.006)


def test_turnover_is_traded_notional_over_mean_equity(answers: Answers) -> None:
    orders, steps = answers.read("orders"), answers.read("timesteps")
    trades = orders[orders["price"].notna()]
    rows = answers.to("How much was traded")
    assert [row["month"] for row in rows] == sorted(trades["month"].unique())
    for row in rows:
        own = trades[trades["month"] == row["month"]]
        traded = float((own["filled"] * own["price"]).sum())
        assert (row["trades"], row["traded"]) == (len(own), pytest.approx(traded, abs=0.6))
        mean = steps[steps["month"] == row["month"]]["equity_usd"].mean()
        assert row["turnover"] == pytest.approx(traded / mean, abs=6e-4)


def test_rebalances_are_the_times_of_orders_after_the_entry(answers: Answers) -> None:
    times = sorted(answers.read("orders")["timestamp"].unique())
    days = [(later - earlier) / pd.Timedelta(days=1) for earlier, later in pairwise(times)]
    [row] = answers.to("How long does it hold still")
    assert row["rebalances"] == len(days)
    assert row["median_days"] == pytest.approx(np.median(days), abs=0.06)
    assert row["shortest_days"] == pytest.approx(min(days), abs=0.06)
