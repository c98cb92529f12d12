"""The report says what the tables say, needs nothing but itself, and lets nothing out of its quotes."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.evidence import GateResult, GateSeverity, GateStatus
from basis_pipeline.results.metrics import compute_metrics, metrics_table
from basis_pipeline.results.reports.chart import running, thin
from basis_pipeline.results.reports.overview import write_overview
from basis_pipeline.results.reports.pictures import equity_svg
from basis_pipeline.results.reports.report import write_report
from basis_pipeline.results.reports.text import html, joined, money, percent, signed, tag
from basis_pipeline.results.store import ResultsStore
from basis_pipeline_tests.results.browser import Browser
from basis_pipeline_tests.results.conftest import book_months, manifest
from basis_pipeline_tests.results.synthetic import CAPITAL, BasisBook, months_from

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'


class Page(HTMLParser):
    """Text, links and script of a page as a browser would find them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)
        elif self._inside != "style":
            self.words.append(data)

    @property
    def panels(self) -> list[dict]:
        return json.loads(self.scripts[0])


def panel(page: Page, name: str) -> dict:
    return next(found for found in page.panels if found["id"] == name)


def test_the_page_states_the_figures_of_the_tables(store: ResultsStore, basis_months: list) -> None:
    path = write_report(store, "btc_basis")
    assert path == store.base / "reports" / "btc_basis.html"
    page = Page(path)
    steps = [tables["timesteps"] for _, tables, _ in basis_months]
    end = steps[-1]["equity_share_class"][-1].as_py()
    assert f"{end:,.2f} USDT" in page.text
    assert f"{end / CAPITAL - 1:.2%}" in page.text
    january = steps[0]["equity_share_class"][-1].as_py()
    assert f"{january / CAPITAL - 1:.2%}" in page.text
    funding = sum(
        np.sum(tables["pnl_attribution"].to_pandas().query("category == 'funding_pnl'").pnl)
        for _, tables, _ in basis_months
    )
    assert f"{funding:,.2f}" in page.text
    lowest = min(
        row["value"]
        for _, tables, _ in basis_months
        for row in tables["risk"].to_pylist()
        if row["dimension"] == "margin_ratio" and row["trigger"] == "position_refresh" and row["value"] is not None
    )
    assert f"{lowest:.1%}" in page.text
    for words in (
        "c0ffee",
        "spot_fraction: 0.667",
        "fills_budget",
        "its last price stands in",
        "margin ratio below derisk",
    ):
        assert words in page.text


def test_charts_end_where_the_tables_end_and_their_lines_have_one_value_per_time(
    store: ResultsStore, basis_months: list
) -> None:
    page = Page(write_report(store, "btc_basis"))
    for found in page.panels:
        for view in found["views"]:
            assert all(len(series["values"]) == len(view["times"]) for series in view["series"])
            assert view["times"] == sorted(set(view["times"]))
    steps = basis_months[-1][1]["timesteps"]
    [equity] = panel(page, "equity")["views"][0]["series"]
    assert equity["values"][-1] == pytest.approx(steps["equity_share_class"][-1].as_py(), rel=1e-6)
    sources = panel(page, "attribution")["views"][0]["series"]
    last = {series["label"]: series["values"][-1] for series in sources}
    assert last.pop("total") == pytest.approx(sum(last.values()), rel=1e-5)
    assert last["funding"] == pytest.approx(
        sum(series["values"][-1] for series in panel(page, "funding")["views"][0]["series"]), rel=1e-5
    )


def test_the_page_fetches_nothing(store: ResultsStore) -> None:
    for path in (write_report(store, "btc_basis"), write_overview(store)):
        page = Page(path)
        policy = next(attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes)
        assert policy.startswith("default-src 'none'")
        for _, attributes in page.tags:
            assert "src" not in attributes
            assert not (attributes.get("href") or "").startswith(("http:", "https:", "//"))
        assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "img", "object")]


def test_nothing_typed_by_a_person_becomes_markup(tmp_path: Path, basis_months: list) -> None:
    results = ResultsStore(tmp_path)
    month, tables, state = basis_months[0]
    gate = GateResult("g<b>", GateSeverity.WARN, GateStatus.WARNED, None, HOSTILE, HOSTILE)
    rows = tables["orders"].to_pylist()
    hostile = pa.Table.from_pylist([row | {"reason": HOSTILE, "tag": HOSTILE} for row in rows], tables["orders"].schema)
    changed = manifest(month, gates=(gate,), config={HOSTILE: HOSTILE}, share_class="<USDT>")
    results.publish_month(changed, tables | {"orders": hostile}, state)
    for path in (write_report(results, "btc_basis"), write_overview(results)):
        page = Page(path)
        assert not [tag for tag, _ in page.tags if tag in ("img", "b", "usdt")]
        assert not [script for script in page.scripts if "alert" in script]
    assert HOSTILE in Page(results.report_path("btc_basis")).text


def test_eighteen_hourly_months_stay_below_two_megabytes(tmp_path: Path) -> None:
    results = ResultsStore(tmp_path)
    for month, tables, state in book_months(BasisBook("2024-01"), tuple(months_from("2024-01", 18))):
        results.publish_month(manifest(month), tables, state)
    path = write_report(results, "btc_basis")
    assert path.stat().st_size < 2_000_000
    equity = np.array(panel(Page(path), "equity")["views"][0]["series"][0]["values"])
    everything = np.concatenate(
        [results.read_month("btc_basis", m, "timesteps")["equity_share_class"] for m in results.months("btc_basis")]
    )
    assert (equity.min(), equity.max()) == pytest.approx((everything.min(), everything.max()), rel=1e-6)


def test_a_chosen_range_of_months_is_measured_on_its_own_start(store: ResultsStore, basis_months: list) -> None:
    page = Page(write_report(store, "btc_basis", ["2024-02", "2024-03"]))
    before = basis_months[0][1]["timesteps"]["equity_share_class"][-1].as_py()
    after = basis_months[2][1]["timesteps"]["equity_share_class"][-1].as_py()
    assert f"{after / before - 1:.2%}" in page.text
    assert "2024-02 to 2024-03 (2 months)" in page.text
    with pytest.raises(StateError, match="no published month 2024-04"):
        write_report(store, "btc_basis", ["2024-04"])
    with pytest.raises(StateError, match="eth_basis has no published month"):
        write_report(store, "eth_basis")


def test_rejected_months_and_experiments_have_pages_of_their_own(
    store: ResultsStore, stack_tables: dict, basis_months: list
) -> None:
    failed = GateResult(
        "margin_floor", GateSeverity.ERROR, GateStatus.FAILED, 0.1, ">= 0.12", "0.1 at 2024-01-05T03:00:00Z"
    )
    _, tables, state = basis_months[0]
    changes = {"share_class": "ETH", "initial_capital": 29.1, "gates": (failed,)}
    store.publish_rejected(manifest("2024-01", "eth_leveraged", **changes), stack_tables, state)
    store.publish_month(manifest("2024-01", experiment="wide"), tables, state)
    rejected = write_report(store.rejected, "eth_leveraged")
    assert rejected == store.base / "rejected/reports/eth_leveraged.html"
    text = Page(rejected).text
    assert "Do not rely on this record" in text
    assert "margin_floor failed in 2024-01" in text
    assert "0.1 at 2024-01-05T03:00:00Z" in text
    assert "Lowest health factor" in text
    experiment = write_report(store, "btc_basis", experiment="wide")
    assert experiment == store.base / "reports/experiments/wide/btc_basis.html"
    write_report(store, "btc_basis")
    overview = write_overview(store)
    links = {attributes["href"] for tag, attributes in Page(overview).tags if tag == "a"}
    assert {(overview.parent / link).resolve() for link in links} == {
        rejected,
        experiment,
        store.report_path("btc_basis"),
    }
    for page in (rejected, experiment):
        links_out = [attributes["href"] for tag, attributes in Page(page).tags if tag == "a"]
        [back] = [link for link in links_out if not link.startswith("#")]
        assert (page.parent / back).resolve() == overview


def test_the_overview_links_to_reports_that_exist_only(store: ResultsStore, tmp_path: Path) -> None:
    page = Page(write_overview(store))
    assert "btc_basis" in page.text
    assert not [tag for tag, _ in page.tags if tag == "a"]
    assert "No month is published yet" in Page(write_overview(ResultsStore(tmp_path / "empty"))).text


@given(arrays(np.float64, st.integers(1, 400), elements=st.floats(-1e9, 1e9)), st.integers(1, 20))
def test_a_thinned_series_keeps_its_ends_and_its_extremes(values: np.ndarray, buckets: int) -> None:
    kept = thin([values], buckets)
    assert (kept[0], kept[-1]) == (0, len(values) - 1)
    assert list(kept) == sorted(set(kept))
    assert (values[kept].min(), values[kept].max()) == (values.min(), values.max())
    assert len(kept) <= 2 * buckets + 2


def test_running_sums_take_the_last_value_of_a_stamp_and_hold_to_the_end() -> None:
    stamps, lines = running(np.array([10, 10, 20]), {"fee": np.array([1.0, 2.0, 4.0]), "gas": np.zeros(3)}, 99)
    assert stamps.tolist() == [10, 20, 99]
    assert {name: values.tolist() for name, values in lines.items()} == {"fee": [3.0, 7.0, 7.0]}


def test_the_equity_picture_is_well_formed_and_small() -> None:
    stamps = np.arange(20_000) * 3_600_000_000
    equity = 100.0 + np.sin(np.arange(20_000) / 500)
    picture = ET.fromstring(equity_svg(stamps, equity))  # noqa: S314 - our own text
    [line] = picture.findall("{http://www.w3.org/2000/svg}polyline")
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert len(points) <= 302
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert len(equity_svg(stamps, equity)) < 20_000
    assert "polyline" in equity_svg([0], [5.0])


def test_text_is_escaped_once_and_figures_are_written_as_people_read_them() -> None:
    assert tag("p", "<a>", title='"') == '<p title="&quot;">&lt;a&gt;</p>'
    assert joined([tag("b", "&"), "&"]) == "<b>&amp;</b>&amp;"
    assert tag("p", "x") + "<" == "<p>x</p>&lt;"
    assert html(None) == "None"
    assert money(-1234.5, "USDT") == "−1,234.50"
    assert money(0.12346, "ETH") == "0.1235"
    assert percent(-0.00001) == "0.00%"
    assert percent(None) == "–"
    assert signed("-0.10") == "−0.10"


@pytest.mark.slow
def test_a_browser_draws_every_panel_without_an_error(store: ResultsStore, browser: Browser) -> None:
    path = write_report(store, "btc_basis")
    done = browser.show(path, "--virtual-time-budget=2000")
    assert done.stdout.count("<canvas") == len(Page(path).panels)
    assert not re.findall(r"CONSOLE.*(?:Error|Refused)", done.stderr)


def test_a_month_in_which_nothing_ever_happened_still_has_a_page(tmp_path: Path, basis_months: list) -> None:
    results = ResultsStore(tmp_path)
    month, tables, state = basis_months[0]
    idle = {
        name: table.slice(0, 0) if name in ("orders", "deltas", "events") else table for name, table in tables.items()
    }
    for name in ("timesteps", "positions", "pnl_attribution", "exposures"):
        for index, field in enumerate(idle[name].schema):
            if field.type == pa.float64():
                zeros = pa.array([None if field.nullable else 0.0] * idle[name].num_rows, pa.float64())
                idle[name] = idle[name].set_column(index, field, zeros)
    idle["metrics"] = metrics_table(compute_metrics(idle, opening=True))
    results.publish_rejected(manifest(month), idle, state)
    page = Page(write_report(results.rejected, "btc_basis"))
    assert {"equity", "drawdown", "delta"} <= {found["id"] for found in page.panels}
    assert "0 of 0 orders" in page.text
    assert "Rejected by a gate" in Page(write_overview(results)).text
