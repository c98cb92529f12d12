"""Every answer in the cookbook is what its query gives, and what plain arithmetic over the Parquet files gives."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from basis_pipeline.results.catalog import query
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.results.tables import SCHEMAS
from basis_pipeline_tests.docs.checkout import make_checkout
from basis_pipeline_tests.docs.cookbook import answered
from basis_pipeline_tests.docs.pages import COOKBOOK, fences

Rows = list[dict[str, object]]
BP, PERCENT = 1e4, 1e2


class Answers:
    """The cookbook's queries answered, and the published files by themselves."""

    def __init__(self, results: Path) -> None:
        self.results = results

    @cache  # noqa: B019 - one object per test run
    def ask(self, sql: str) -> pa.Table:
        return query(ResultsStore(self.results), sql)

    def to(self, question: str, number: int = 0) -> Rows:
        """Rows of the answer to the `number`th query below the heading that begins so."""
        text = COOKBOOK.read_text(encoding="utf-8")
        [section] = [part for part in re.split(r"^### ", text, flags=re.MULTILINE) if part.startswith(question)]
        return self.ask(re.findall(r"```sql\n(.*?)```", section, re.DOTALL)[number]).to_pylist()

    def read(self, table: str, mode: str = "btc_basis", experiment: str = "") -> pd.DataFrame:
        """All months of a table as pandas reads them, `month` from the folder's name."""
        folder = self.results / table / (f"experiment={experiment}" if experiment else "") / f"mode={mode}"
        parts = []
        for month in sorted(folder.iterdir()):
            [file] = month.glob("*.parquet")
            found = pq.read_table(file, partitioning=None).to_pandas()
            parts.append(found.assign(month=month.name.removeprefix("month=")))
        frame = pd.concat(parts, ignore_index=True)
        for name in frame.columns:
            if isinstance(frame[name].dtype, pd.CategoricalDtype):
                frame[name] = frame[name].astype(str)
        return frame


@pytest.fixture(scope="module")
def answers(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    checkout = make_checkout(tmp_path_factory.mktemp("cookbook") / "checkout", sample_root)
    for fence in fences(COOKBOOK):
        if fence.language == "sh":
            checkout.execute(fence)
    yield Answers(checkout.folder / "data" / "sample" / "results")
    shutil.rmtree(checkout.folder)


def test_the_page_shows_what_its_queries_answer(answers: Answers) -> None:
    text = COOKBOOK.read_text(encoding="utf-8")
    assert answered(text, answers.ask) == text, "`make cookbook` writes them anew"
    assert len(re.findall(r"^### ", text, re.MULTILINE)) >= 15
    assert text.count("```sql") == text.count("<!-- answer -->")
    assert all(fence.language for fence in fences(COOKBOOK))


def grown(steps: pd.DataFrame) -> pd.DataFrame:
    """Index of a record from its opening, whose first flow is the capital, step by step in a plain loop."""
    index, before, path = 1.0, float(steps["flow"][0]), []
    for pnl, equity in zip(steps["step_pnl"], steps["equity_share_class"], strict=True):
        index *= 1.0 + pnl / before
        path.append(index)
        before = equity
    return steps.assign(index=path)


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
