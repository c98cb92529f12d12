"""The report of a record: one self-contained page that needs no network, no server and no other file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from string import Template

import msgspec
import numpy as np

from basis_pipeline.domain.evidence import GateStatus
from basis_pipeline.domain.records import CATEGORIES
from basis_pipeline.results import report_evidence as evidence
from basis_pipeline.results import report_headline as headline
from basis_pipeline.results.report_bars import profit_bars
from basis_pipeline.results.report_chart import BUCKETS, Panel
from basis_pipeline.results.report_panels import panels_of
from basis_pipeline.results.report_record import Record, load_record
from basis_pipeline.results.report_text import Html, category_label, html, joined, tag
from basis_pipeline.results.store import ResultsStore, broken_months
from basis_pipeline.storage.files import put_bytes
from basis_pipeline.storage.locations import Location, relative_link

_ASSETS = files("basis_pipeline.results") / "assets"
_RISK_PANELS = ("delta", "margin_ratio", "health_factor", "loan_to_value", "funding_apr")


def write_report(
    results: ResultsStore, mode: str, months: Sequence[str] | None = None, experiment: str | None = None
) -> Location:
    """Write the page of one record and return its path (`ResultsStore.report_path`).

    Months that a gate rejected get the same page from `write_report(results.rejected, ...)`.

    Raises:
        StateError: nothing is published, or one of `months` is not.
        StorageError: the page cannot be written.
    """
    path = results.report_path(mode, experiment)
    record = load_record(results, mode, months, experiment)
    put_bytes(path, render(record, relative_link(results.overview_path, path.parent)).encode())
    return path


def asset(*name: str) -> str:
    """Text of a file shipped with the package."""
    return _ASSETS.joinpath(*name).read_text(encoding="utf-8")


def render(record: Record, overview: str) -> str:
    """The page of a record as HTML; `overview` is where its link to all modes leads."""
    panels = panels_of(record)
    blocks = list(_blocks(record, {panel.id: panel for panel in panels}))
    return Template(asset("report.html")).substitute(
        title=html(f"{record.title} · {record.span}"),
        heading=html(record.title),
        crumbs=tag("a", "All modes", href=overview),
        facts=joined(tag("span", fact) for fact in _facts(record)),
        banner=_banner(record),
        links=joined(tag("a", title, href=f"#{name}") for name, title, _ in blocks),
        sections=joined(_block(name, title, content) for name, title, content in blocks),
        footer=html(_FOOTER),
        panels=_json(panels),
        style=asset("report.css"),
        script=asset("report.js"),
        vendor_style=asset("vendor", "uPlot.min.css"),
        vendor_script=asset("vendor", "uPlot.iife.min.js"),
        vendor_licence=asset("vendor", "uPlot.LICENSE.txt"),
    )


_FOOTER = (
    f"Times are UTC. Series longer than {2 * BUCKETS:,} points are drawn as {BUCKETS} stretches of time that keep the "
    "lowest and the highest value of each; every figure and table is computed from all steps. Returns are "
    "time-weighted; volatility, Sharpe and Sortino come from daily returns, 365 days a year, risk-free rate 0."
)


def _facts(record: Record) -> Iterator[str]:
    yield f"{record.span} ({len(record.months)} month{'s' if len(record.months) > 1 else ''})"
    yield f"share class {record.currency}"
    if record.experiment:
        yield f"experiment {record.experiment}"
    counts = record.gate_counts()
    yield "gates: " + (", ".join(f"{counts[status]} {status}" for status in GateStatus if counts[status]) or "none")
    if not record.latest.complete:
        yield f"{record.latest.month} is still open"


def _banner(record: Record) -> Html:
    failed = sorted(
        {
            f"{gate.gate} ({month.manifest.month})"
            for month in record.months
            for gate in month.manifest.gates
            if gate.status is GateStatus.FAILED
        }
    )
    warnings = [f"Failed gates: {', '.join(failed)}. See the gates below for what was found."] if failed else []
    if broken := broken_months(record.months):
        warnings.append(f"Not one record: {broken[0]} and later do not continue the months before. Run them again.")
    return joined(tag("p", warning, class_="banner") for warning in warnings)


def _blocks(record: Record, panels: dict[str, Panel]) -> Iterator[tuple[str, str, Html]]:
    """Anchor, title and content of every part of the page, in order."""
    yield "summary", "Summary", headline.cards(record) + _grid(panels, "equity", "drawdown")
    yield "returns", "Returns", _card("", headline.returns_table(record)) + _card("", headline.months_table(record))
    attribution = _grid_of(
        [
            _card("Profit by source and month", tag("div", _bars(record), class_="scroll"), wide=True),
            *_drawn(panels, "attribution"),
            _card("Profit by source", headline.attribution_table(record)),
            *_drawn(panels, "funding"),
        ]
    )
    yield "profit", "Profit and loss", attribution
    held = _card("Held at the end", headline.closing_positions(record))
    yield "positions", "Positions", _grid_of([*_drawn(panels, "positions"), held])
    yield "risk", "Risk", _grid(panels, *_RISK_PANELS)
    yield "gates", "Gates", _card("", evidence.gates_table(record)) + _card("", evidence.gate_findings(record))
    yield "orders", "Orders", _grid_of([_orders(record), *_drawn(panels, "costs")])
    yield "events", "Events", _card("Above severity info", evidence.events_table(record))
    yield "data", "Data", _card("Series used", evidence.data_table(record) + evidence.stand_ins(record))
    yield "configuration", "Configuration", _card("", evidence.configuration(record))


def _bars(record: Record) -> Html:
    sums = {
        str(category): [headline.category_sum(found, category) for found in record.by_month] for category in CATEGORIES
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
    return _card("", tag("p", note, class_="note") + box + evidence.orders_table(record), wide=True)


def _block(name: str, title: str, content: Html) -> Html:
    heading = Html("") if name == "summary" else tag("h2", title)
    return tag("section", heading + content, class_="block", id=name)


def _card(title: str, content: Html, *, wide: bool = False) -> Html:
    heading = tag("header", tag("h3", title)) if title else Html("")
    return tag("div", heading + content, class_="panel wide" if wide else "panel")


def _grid(panels: dict[str, Panel], *names: str) -> Html:
    return _grid_of([drawn for name in names for drawn in _drawn(panels, name)])


def _grid_of(cards: Sequence[Html]) -> Html:
    return tag("div", joined(cards), class_="grid")


def _drawn(panels: dict[str, Panel], name: str) -> Iterator[Html]:
    """The frame that the script draws a panel into, or nothing where there is nothing to show."""
    if panel := panels.get(name):
        tabs = tag("span", "", class_="tabs", role="group", aria_label=f"Views of {panel.title}")
        header = tag("header", joined([tag("h3", panel.title), tag("span", "", class_="unit"), tabs]))
        frame = tag("div", "", class_="chart", data_panel=panel.id, style=f"min-height:{panel.height}px")
        note = tag("p", panel.note, class_="note")
        yield tag("div", joined([header, note, frame]), class_="panel wide" if panel.wide else "panel")


def _json(panels: Sequence[Panel]) -> str:
    """JSON that cannot end the script element it stands in."""
    return msgspec.json.encode(panels).decode().replace("<", "\\u003c")
