"""The report of a record: one self-contained page that needs no network, no server and no other file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from string import Template

import msgspec
import numpy as np

from basis_pipeline.domain.evidence import GateStatus
from basis_pipeline.domain.records import Category
from basis_pipeline.results.reports import evidence, headline
from basis_pipeline.results.reports.bars import profit_bars
from basis_pipeline.results.reports.chart import BUCKETS, Panel, in_words
from basis_pipeline.results.reports.health import verdict
from basis_pipeline.results.reports.palette import stylesheet
from basis_pipeline.results.reports.panels import panels_of
from basis_pipeline.results.reports.record import Origin, Record, load_record
from basis_pipeline.results.reports.text import Html, category_label, html, joined, tag
from basis_pipeline.results.reports.timings import timings_table
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.storage.files import put_bytes
from basis_pipeline.storage.locations import Location, relative_link

_ASSETS = files("basis_pipeline.results.reports") / "assets"
_RISK_PANELS = ("delta", "margin_ratio", "health_factor", "loan_to_value", "funding_apr", "predicted_sd", "model_drift")


def write_report(
    results: ResultsStore,
    mode: str,
    months: Sequence[str] | None = None,
    experiment: str | None = None,
    origin: Origin = Origin(),  # noqa: B008 - frozen
) -> Location:
    """Write the page of one record, or of some of its months, and return its path (`ResultsStore.report_path`).

    Months that a gate rejected get the same page from `write_report(results.rejected, ...)`.

    Raises:
        StateError: nothing is published, or one of `months` is not.
        StorageError: the page cannot be written.
    """
    record = load_record(results, mode, months, experiment, origin)
    whole = months is None or len(record.months) == len(results.months(mode, experiment))
    path = results.report_path(mode, experiment, None if whole else (record.first, record.latest.month))
    put_bytes(path, render(record, relative_link(results.overview_path, path.parent)).encode())
    return path


def style() -> str:
    """The style of every page: that of the chart library, the palette, and what is built on it."""
    return asset("vendor", "uPlot.min.css") + stylesheet() + asset("report.css")


def script(panels: str) -> Html:
    """The script elements of a page: its panels as JSON, the chart library with its licence, and what draws them."""
    data = f'<script id="panels" type="application/json">{panels}</script>'
    licence, library = asset("vendor", "uPlot.LICENSE.txt"), asset("vendor", "uPlot.iife.min.js")
    return Html(f"{data}\n<script>/*\n{licence}\n*/\n{library}</script>\n<script>{asset('report.js')}</script>")


def asset(*name: str) -> str:
    """Text of a file shipped with the package."""
    return _ASSETS.joinpath(*name).read_text(encoding="utf-8")


def render(record: Record, overview: str) -> str:
    """The page of a record as HTML; `overview` is where its link to all modes leads."""
    panels = panels_of(record)
    blocks = list(_blocks(record, {panel.id: panel for panel in panels}))
    return Template(asset("report.html")).substitute(
        title=html(f"{record.title} · {record.span}"),
        heading=Html(html(record.title).replace("_", "_<wbr>")),
        crumbs=tag("a", "All modes", href=overview),
        facts=joined(tag("span", fact) for fact in _facts(record)),
        verdict=verdict(record),
        links=joined(tag("a", title, href=f"#{name}") for name, title, _ in blocks),
        sections=joined(_block(name, title, content) for name, title, content in blocks),
        footer=html(_FOOTER),
        style=style(),
        script=script(panels_json(panels)),
    )


_FOOTER = (
    f"Times are UTC. Series longer than {2 * BUCKETS:,} points are drawn as {BUCKETS} stretches of time that keep the "
    "lowest and the highest value of each; every figure and table is computed from all steps. Returns are "
    "time-weighted; volatility, Sharpe and Sortino come from daily returns, 365 days a year, risk-free rate 0."
)


_DATA_NOTE = (
    "Files: generations of validated Parquet files the months were computed from. Each names its vendor files. "
    "All tables behind this page: basis export, or basis query for SQL."
)


def _data(record: Record) -> Html:
    return evidence.data_table(record) + evidence.stand_ins(record)


def _facts(record: Record) -> Iterator[str]:
    yield f"{record.span} ({len(record.months)} month{'s' if len(record.months) > 1 else ''})"
    yield f"share class {record.currency}"
    if record.experiment:
        yield f"{'live record' if record.live else 'experiment'} {record.experiment}"
    counts = record.gate_counts()
    yield "gates: " + (", ".join(f"{counts[status]} {status}" for status in GateStatus if counts[status]) or "none")
    if not record.latest.complete:
        yield f"{record.latest.month} is still open"


def _blocks(record: Record, panels: dict[str, Panel]) -> Iterator[tuple[str, str, Html]]:
    """Anchor, title and content of every part of the page, in order."""
    yield "summary", "Summary", headline.cards(record) + _grid(panels, "equity", "drawdown", "carry")
    yield "returns", "Returns", card("", headline.returns_table(record)) + card("", headline.months_table(record))
    scrolled = tag("div", _bars(record), class_="scroll")
    attribution = _grid_of(
        [
            card(f"Profit by source and month, {record.currency}", scrolled, wide=True),
            *_drawn(panels, "attribution"),
            card("Profit by source", headline.attribution_table(record)),
            *_drawn(panels, "funding"),
        ]
    )
    yield "profit", "Profit and loss", attribution
    held = card("Held at the end", headline.closing_positions(record))
    yield "positions", "Positions", _grid_of([*_drawn(panels, "positions"), held])
    yield "risk", "Risk", _grid(panels, *_RISK_PANELS)
    yield "gates", "Gates", card("", evidence.gates_table(record)) + card("", evidence.gate_findings(record))
    settled = card("Settlements and flows, without an order", evidence.settlements_table(record), wide=True)
    yield "orders", "Orders", _grid_of([_orders(record), *_drawn(panels, "costs"), settled])
    yield "events", "Events", card("Above severity info", evidence.events_table(record))
    yield "data", "Data", card("Series used", tag("p", _DATA_NOTE, class_="note") + _data(record))
    yield "timings", "Run time", card("", timings_table(record))
    yield "configuration", "Configuration", card("", evidence.configuration(record))


def _bars(record: Record) -> Html:
    sums = {
        str(category): [headline.category_sum(found, category) for found in record.by_month] for category in Category
    }
    shown = {name: values for name, values in sums.items() if np.abs(values).max() > 1e-6}
    keys = joined(
        tag("span", Html(f'<span class="swatch" style="background:var(--{name})"></span>{category_label(name)}'))
        for name in shown
    )
    return profit_bars([month.manifest.month for month in record.months], shown) + tag("div", keys, class_="keys")


def _orders(record: Record) -> Html:
    total = record.tables["orders"].num_rows
    shown = min(total, evidence.MAX_ORDERS)
    note = f"The latest {shown:,} of {total:,} orders, newest first. Prices, fees, slippage and gas in USDT."
    box = Html(
        '<input type="search" id="order-filter" placeholder="Filter: venue, side, date" aria-label="Filter orders">'
    )
    box += tag("span", f" {shown} of {shown}", class_="quiet", id="order-count")
    return card("", tag("p", note, class_="note") + box + evidence.orders_table(record), wide=True)


def _block(name: str, title: str, content: Html) -> Html:
    heading = Html("") if name == "summary" else tag("h2", title)
    return tag("section", heading + content, class_="block", id=name)


def card(title: str, content: Html, *, wide: bool = False) -> Html:
    """Content on a surface of its own, under a title or under none."""
    heading = tag("header", tag("h3", title)) if title else Html("")
    return tag("div", heading + content, class_="panel wide" if wide else "panel")


def _grid(panels: dict[str, Panel], *names: str) -> Html:
    return _grid_of([drawn for name in names for drawn in _drawn(panels, name)])


def _grid_of(cards: Sequence[Html]) -> Html:
    return tag("div", joined(cards), class_="grid")


def _drawn(panels: dict[str, Panel], name: str) -> Iterator[Html]:
    """The panel of that name, or nothing where there is nothing to show."""
    if panel := panels.get(name):
        yield drawn(panel)


def drawn(panel: Panel) -> Html:
    """The frame that the script draws a panel into."""
    tabs = tag("span", "", class_="tabs", role="group", aria_label=f"Views of {panel.title}")
    header = tag("header", joined([tag("h3", panel.title), tag("span", "", class_="unit"), tabs]))
    said = {"role": "img", "aria_label": f"{panel.title}. {in_words(panel.views[0])}"}
    frame = tag("div", "", class_="chart", data_panel=panel.id, style=f"min-height:{panel.height}px", **said)
    note = tag("p", panel.note, class_="note")
    return tag("div", joined([header, note, frame]), class_="panel wide" if panel.wide else "panel")


def panels_json(panels: Sequence[Panel]) -> str:
    """JSON that cannot end the script element it stands in."""
    return msgspec.json.encode(panels).decode().replace("<", "\\u003c")
