"""Parts of a page: limits, gaps, ranges of months, the verdict, 5-minute months, what a browser makes of all of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.evidence import GateResult, GateSeverity, GateStatus
from basis_pipeline.domain.timeline import DAY, SECOND, month_end, month_start
from basis_pipeline.results.funding import funding_by_venue
from basis_pipeline.results.metrics import compute_metrics, metrics_table
from basis_pipeline.results.reports.carry import rolling_rate
from basis_pipeline.results.reports.chart import thin
from basis_pipeline.results.reports.limits import limits_of
from basis_pipeline.results.reports.overview import write_overview
from basis_pipeline.results.reports.record import Origin, load_record, load_summary
from basis_pipeline.results.reports.report import write_report
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.results.tables import DELTAS
from basis_pipeline_tests.results.browser import Browser
from basis_pipeline_tests.results.conftest import manifest
from basis_pipeline_tests.results.test_report import Page, panel

FIVE_MINUTES = 300 * SECOND
CONFIG = {
    "mode": {
        "margin_ratio": {"warn": 0.25, "derisk": 0.2, "emergency": 0.12},
        "delta": {"warn": 0.01, "rebalance": 0.02, "breach": 0.05},
        "max_drawdown": 0.15,
        "strategy": {"target_ltv": 0.65, "ltv_band": 0.02, "health_factor_derisk": 1.12},
    }
}


def chained(store: ResultsStore, months: list, **changes: object) -> ResultsStore:
    """The months published so that each names the one before it."""
    before = None
    for month, tables, state in months:
        published = store.publish_month(manifest(month, predecessor=before, **changes), tables, state)
        before = published.generation
    return store


def test_limits_are_those_of_the_configuration_the_months_were_run_with() -> None:
    found = {name: [(level.label, level.value) for level in levels] for name, levels in limits_of(CONFIG).items()}
    assert found["margin_ratio"] == [("derisk", 0.2), ("emergency", 0.12)]
    assert found["loan_to_value"] == [("target", 0.65), ("reduced above", pytest.approx(0.67))]
    assert found["health_factor"] == [("derisk", 1.12)]
    assert found["drawdown"] == [("exit", -0.15)]
    assert not any(limits_of({}).values())


def test_a_chart_carries_the_limits_of_its_dimension(tmp_path: Path, basis_months: list) -> None:
    store = chained(ResultsStore(tmp_path), basis_months, config=CONFIG)
    page = Page(write_report(store, "btc_basis"))
    levels = {found["id"]: [level["value"] for level in found["views"][0]["levels"]] for found in page.panels}
    assert levels["margin_ratio"] == [0.2, 0.12]
    assert levels["equity"] == []
    assert levels["delta"] == [], "no gate judged the delta, so nothing says that it is limited"


def test_a_gap_is_not_bridged() -> None:
    values = np.full(10_000, np.nan)
    values[3_000:3_007], values[6_001] = np.arange(7.0), 5.0
    kept = thin([values], 10)
    shown = values[kept]
    assert np.nanmin(shown) == 0.0
    assert np.nanmax(shown) == 6.0
    between = (kept > 3_006) & (kept < 6_001)
    assert between.any()
    assert np.isnan(shown[between]).all()


def test_rolling_rate_is_what_thirty_days_earned_on_what_they_held() -> None:
    stamps = np.arange(40) * DAY
    rates = rolling_rate(stamps, np.full(40, 2.0), np.full(40, 1_000.0))
    assert np.isnan(rates[:29]).all()
    assert rates[29:] == pytest.approx(np.full(11, 2.0 / 1_000.0 * 365.0))
    assert np.isnan(rolling_rate(stamps[:10], np.ones(10), np.ones(10))).all()


def test_funding_of_a_coin_margined_contract_counts_at_its_mark() -> None:
    row = dict.fromkeys(DELTAS.names) | {"fee": 0.0, "operation_id": 0, "sequence": 1, "timestamp": 0}
    rows = [
        row | {"position_key": key, "delta_amount": amount, "source": DeltaSource.FUNDING, "price": 50_000.0}
        for key, amount in (("binance:BaseToken:BTC", 0.002), ("bybit:BaseToken:USDT", -3.0))
    ]
    assert funding_by_venue(pa.Table.from_pylist(rows, DELTAS)) == {"binance": 100.0, "bybit": -3.0}


def test_a_page_of_some_months_stands_beside_the_page_of_all(store: ResultsStore) -> None:
    whole, some = write_report(store, "btc_basis"), write_report(store, "btc_basis", ["2024-02", "2024-03"])
    assert some == store.base / "reports/ranges/btc_basis_2024-02_2024-03.html"
    assert "2024-01 to 2024-03" in Page(whole).text
    assert write_report(store, "btc_basis", ["2024-01", "2024-02", "2024-03"]) == whole


def test_a_summary_has_the_figures_of_the_whole_record(store: ResultsStore) -> None:
    whole, summary = load_record(store, "btc_basis"), load_summary(store, "btc_basis")
    assert summary.metrics.keys() < whole.metrics.keys()
    for name, value in summary.metrics.items():
        assert value == (None if whole.metrics[name] is None else pytest.approx(whole.metrics[name], rel=1e-12)), name
    assert {"pnl_funding", "orders", "min_margin_ratio", "sharpe"} <= summary.metrics.keys()


def test_a_month_published_before_a_column_existed_has_a_page_that_does_not_guess(
    tmp_path: Path, basis_months: list
) -> None:
    month, tables, state = basis_months[0]
    older = tables | {"orders": tables["orders"].drop_columns(["notional"])}
    store = ResultsStore(tmp_path)
    store.publish_month(manifest(month), older, state)
    text = Page(write_report(store, "btc_basis")).text
    assert "turnover – x" in text


class TestVerdict:
    """The first thing on a page."""

    def text(self, store: ResultsStore, origin: Origin = Origin()) -> str:  # noqa: B008 - frozen
        return Page(write_report(store, "btc_basis", origin=origin)).text

    def test_a_sound_record_is_healthy(self, tmp_path: Path, basis_months: list) -> None:
        text = self.text(chained(ResultsStore(tmp_path), basis_months, gates=()))
        assert "no gate has judged this record" in text
        passed = GateResult("residual", GateSeverity.ERROR, GateStatus.PASSED, 0.0, "0", "closes")
        text = self.text(chained(ResultsStore(tmp_path), basis_months, gates=(passed,)))
        assert "Healthy: nothing to look at first" in text
        assert "all 3 verdicts passed" in text

    def test_stale_months_are_named(self, tmp_path: Path, basis_months: list) -> None:
        store = chained(ResultsStore(tmp_path), basis_months, gates=())
        assert "2024-02 and later would come out differently today" in self.text(store, Origin(stale=("2024-02",)))
        assert "a run today would give the same" in self.text(store, Origin(stale=()))
        assert "a run today" not in self.text(store)

    def test_synthetic_data_are_called_synthetic(self, tmp_path: Path, basis_months: list) -> None:
        store = chained(ResultsStore(tmp_path), basis_months)
        assert "The market data are synthetic" in self.text(store, Origin(synthetic=True))
        assert "synthetic" not in self.text(store)

    def test_an_open_month_is_a_thing_to_look_at(self, tmp_path: Path, basis_months: list) -> None:
        passed = GateResult("residual", GateSeverity.ERROR, GateStatus.PASSED, 0.0, "0", "closes")
        text = self.text(chained(ResultsStore(tmp_path), basis_months, gates=(passed,), complete=False))
        assert "2024-03 is still open" in text
        assert "Usable, with something to look at" in text


def test_the_overview_puts_stale_broken_and_rejected_records_first(tmp_path: Path, basis_months: list) -> None:
    store = chained(ResultsStore(tmp_path), basis_months, gates=())
    month, tables, state = basis_months[0]
    store.publish_rejected(manifest(month, "eth_basis", gates=()), tables, state)
    store.publish_rejected(manifest(month, experiment="odd", gates=()), tables, state)
    store.publish_month(manifest(month, experiment="wide", gates=()), tables, state)
    text = Page(write_overview(store, {"btc_basis": ["2024-03"]})).text
    assert "3 of 4 records to look at first" in text
    assert "btc_basis stale from 2024-03" in text
    assert "eth_basis rejected" in text
    assert "btc_basis · odd rejected" in text
    january = tables["timesteps"]["equity_share_class"][-1].as_py() / 100_000.0 - 1.0
    assert text.count(f"{january:.2%}") >= 2, "the experiment and the standing record over the same month"


def five_minute_month(month: str, tables: dict[str, pa.Table], start: float) -> dict[str, pa.Table]:
    """A month of 5-minute steps made of one of hourly steps: each row twelve times, equity a random walk."""
    stamps = np.arange(month_start(month), month_end(month), FIVE_MINUTES)
    made = {}
    for name in ("timesteps", "positions", "exposures", "risk", "pnl_attribution"):
        old = tables[name]
        own = old["timestamp"].to_numpy().astype(np.int64)
        hours, first = np.unique(own, return_index=True)
        width = len(old) // len(hours)
        rows = (np.minimum(np.arange(len(stamps)) // 12, len(hours) - 1))[:, None]
        place = np.minimum(first[rows] + np.arange(width)[None, :], len(old) - 1).ravel()
        taken = old.take(pa.array(place))
        column = taken.schema.get_field_index("timestamp")
        made[name] = taken.set_column(
            column, taken.schema.field(column), pa.array(np.repeat(stamps, width).view("datetime64[us]"))
        )
    walk = start + np.cumsum(np.random.default_rng(7).normal(0.0, 20.0, len(stamps)))
    steps = made["timesteps"]
    for name, values in (("equity_share_class", walk), ("step_pnl", np.diff(walk, prepend=start))):
        column = steps.schema.get_field_index(name)
        steps = steps.set_column(column, steps.schema.field(column), pa.array(values))
    made["timesteps"] = steps
    return tables | made


def test_eighteen_months_of_five_minutes_are_small_and_keep_their_extremes(tmp_path: Path, basis_months: list) -> None:
    store, everything, last = ResultsStore(tmp_path), [], 100_000.0
    _, tables, state = basis_months[0]
    for number in range(18):
        month = f"{2024 + number // 12}-{number % 12 + 1:02d}"
        dense = five_minute_month(month, tables, last)
        dense["metrics"] = metrics_table(compute_metrics(dense, opening=number == 0))
        store.publish_month(manifest(month), dense, state)
        everything.append(dense["timesteps"]["equity_share_class"].to_numpy())
        last = float(everything[-1][-1])
    equity = np.concatenate(everything)
    assert len(equity) > 157_000
    path = write_report(store, "btc_basis")
    assert path.stat().st_size < 1_500_000
    drawn = panel(Page(path), "equity")["views"][0]["series"][0]["values"]
    assert (min(drawn), max(drawn), drawn[-1]) == pytest.approx((equity.min(), equity.max(), equity[-1]), rel=1e-6)
    assert len(drawn) <= 1_002


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 900, 1440])
@pytest.mark.parametrize("kind", ["report", "overview"])
def test_a_browser_draws_and_nothing_is_wider_than_the_window(
    tmp_path: Path, basis_months: list, browser: Browser, kind: str, width: int
) -> None:
    """The page stands in a frame of the width: a window of a headless browser cannot be narrower than 500 pixels."""
    store = chained(ResultsStore(tmp_path / "results"), basis_months, config=CONFIG)
    chained(store, basis_months, mode="usdt_eth_staking_hedged_leveraged")
    mode = "usdt_eth_staking_hedged_leveraged"
    path = write_report(store, mode) if kind == "report" else write_overview(store)
    measure = (
        "const d = frame.contentDocument; const canvases = d.querySelectorAll('canvas').length;"
        "const button = d.querySelector('table.sortable th button'); if (button) button.click();"
        "const sorted = d.querySelector('[aria-sort]') !== null;"
        "document.title = JSON.stringify([d.documentElement.scrollWidth, canvases, sorted]);"
    )
    frame = tmp_path / "results" / "frame.html"
    source = path.relative_to(frame.parent)
    frame.write_text(
        f"<!doctype html><title></title><iframe id=frame src='{source}' style='width:{width}px;height:900px;border:0'>"
        f"</iframe><script>onload = () => {{ {measure} }}</script>"
    )
    files, window = "--allow-file-access-from-files", "--window-size=1600,1000"
    done = browser.show(frame, files, window, "--virtual-time-budget=3000")
    found = re.search(r"<title>(\[.*?\])</title>", done.stdout)
    assert found, done.stderr[-2000:]
    wide, canvases, was_sorted = json.loads(found[1])
    assert wide <= width
    assert canvases == len(Page(path).panels)
    assert was_sorted
    assert not re.findall(r"CONSOLE.*(?:Error|Refused)", done.stderr)
