"""What a reader sees first: columns that add up, lines and figures that fit where they stand."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from basis_pipeline.results.reports.headline import attribution_table
from basis_pipeline.results.reports.record import load_record
from basis_pipeline.results.reports.report import write_report
from basis_pipeline.results.store import ResultsStore
from basis_pipeline_tests.results.browser import Browser
from basis_pipeline_tests.results.conftest import manifest
from basis_pipeline_tests.results.test_report import Page, panel


def test_both_columns_of_the_profit_by_source_add_up(tmp_path: Path, basis_months: list) -> None:
    """A source may be nothing in the share class and much in USD: delta of a coin share class."""
    results = ResultsStore(tmp_path)
    month, tables, state = basis_months[0]
    attribution = tables["pnl_attribution"]
    flat = pc.if_else(pc.equal(attribution["category"], "funding_pnl"), 0.0, attribution["pnl"])
    coin = attribution.set_column(attribution.schema.get_field_index("pnl"), attribution.schema.field("pnl"), flat)
    results.publish_month(manifest(month), tables | {"pnl_attribution": coin}, state)
    written = ET.fromstring(  # noqa: S314 - our own text
        str(attribution_table(load_record(results, "btc_basis"))).replace("&", "")
    )
    rows = {cells[0]: cells[2] for cells in ([" ".join(c.itertext()) for c in row] for row in written.iter("tr"))}
    usd = {name: float(text.replace("−", "-").replace(",", "")) for name, text in rows.items() if name != "Source"}
    assert usd["funding"] > 400.0
    assert sum(value for name, value in usd.items() if name != "sum") == pytest.approx(usd["sum"], abs=0.03)


def test_a_delta_that_is_only_rounding_is_said_and_not_drawn(tmp_path: Path, basis_months: list) -> None:
    results = ResultsStore(tmp_path)
    month, tables, state = basis_months[0]
    steps = tables["timesteps"]
    for name in ("net_delta_usd", "excess_delta_usd"):
        index = steps.schema.get_field_index(name)
        noise = pa.array(np.full(steps.num_rows, 1e-6))
        steps = steps.set_column(index, steps.schema.field(index), noise)
    results.publish_month(manifest(month), tables | {"timesteps": steps}, state)
    found = panel(Page(write_report(results, "btc_basis")), "delta")
    assert [view["label"] for view in found["views"]] == ["gross"]
    assert "rounding" in found["note"]


def test_orders_take_one_line_each(store: ResultsStore) -> None:
    page = write_report(store, "btc_basis").read_text(encoding="utf-8")
    assert 'class="t"' not in page.split('id="order-rows"')[1].split("</tbody>")[0]


@pytest.mark.slow
@pytest.mark.parametrize("width", [700, 1000, 1300, 1366, 1600])
def test_no_figure_is_wider_than_its_card(store: ResultsStore, tmp_path: Path, browser: Browser, width: int) -> None:
    text = write_report(store, "btc_basis").read_text(encoding="utf-8")
    style = "".join(part.split("</style>")[0] for part in text.split("<style>")[1:])
    cards = text[text.index('<dl class="cards">') : text.index("</dl>") + 5]
    measure = "[...document.querySelectorAll('.value')].filter((e) => e.scrollWidth > e.clientWidth).length"
    bare = tmp_path / "cards.html"
    script = f"<script>document.title = 'wide ' + {measure}</script>"
    bare.write_text(f"<!doctype html><title></title><style>{style}</style><main>{cards}</main>{script}")
    done = browser.show(bare, f"--window-size={width},900")
    assert style
    assert "<title>wide 0</title>" in done.stdout
