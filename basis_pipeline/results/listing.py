"""What can be looked at and taken away: every record with its page, archive and tables, as addresses of the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import Template

import msgspec

from basis_pipeline.results.reports.report import asset, card, style
from basis_pipeline.results.reports.text import Html, html, joined, table, tag
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.results.tables import SCHEMAS
from basis_pipeline.storage.locations import Location

PAGES, EXPORTS = "/pages/", "/export/"
PAGE_FOLDERS = ("reports", "rejected/reports")
"""Folders below the results whose HTML files are pages."""

STANDING, REJECTED, EXPERIMENT = "standing", "rejected", "experiment"


class Offer(msgspec.Struct, frozen=True):
    """One record and where its files are.

    Attributes:
        kind: standing, experiment or rejected.
        page: address of its HTML page, None where none has been written.
        archive: address of a zip of all its tables.
        tables: addresses of its tables as CSV, by name.
    """

    kind: str
    mode: str
    experiment: str | None
    months: tuple[str, ...]
    page: str | None
    archive: str
    tables: dict[str, str]


def offers(results: ResultsStore) -> list[Offer]:
    """Every record that is published or rejected, standing records first."""
    return [*_offers(results, results, STANDING), *_offers(results, results.rejected, REJECTED)]


def _offers(results: ResultsStore, store: ResultsStore, kind: str) -> Iterator[Offer]:
    for experiment in (None, *store.experiments()):
        for mode in store.modes(experiment):
            folder = f"{EXPORTS}{kind}/{mode}"
            query = f"?experiment={experiment}" if experiment else ""
            page = store.report_path(mode, experiment)
            yield Offer(
                kind=EXPERIMENT if experiment and kind == STANDING else kind,
                mode=mode,
                experiment=experiment,
                months=tuple(store.months(mode, experiment)),
                page=page_address(results, page) if page.is_file() else None,
                archive=f"{folder}.zip{query}",
                tables={name: f"{folder}/{name}.csv{query}" for name in SCHEMAS},
            )


def page_address(results: ResultsStore, page: Location) -> str:
    """Where the server shows a page that lies below the results."""
    return PAGES + str(page).removeprefix(f"{results.base}/")


def pages(results: ResultsStore) -> list[str]:
    """Addresses of all HTML files in the folders of pages."""
    found = (page for folder in PAGE_FOLDERS for page in (results.base / folder).rglob("*.html"))
    return sorted(page_address(results, page) for page in found)


def listing(results: ResultsStore, root: Location) -> str:
    """The front page of the server."""
    rows = [_row(offer) for offer in offers(results)]
    head, kinds = ("Record", "Kind", "Months", "Page", "Archive", "Tables as CSV"), "kkkkkt"
    records = table(head, rows, kinds, label="Records") if rows else tag("p", "Nothing is published.", class_="note")
    links = tag("ul", joined(tag("li", _link(page, page.removeprefix(PAGES))) for page in pages(results)))
    sections = [("Records", card("", records)), ("All pages", card("", links))]
    return Template(asset("overview.html")).substitute(
        title="Results",
        heading="Results",
        facts=tag("span", f"data root {root}") + tag("a", "the same as JSON", href="/index.json"),
        attention="",
        sections=joined(tag("section", tag("h2", title) + content, class_="block") for title, content in sections),
        footer=html("Read only, on this machine only. Archives and tables are made when they are asked for."),
        style=style(),
        script="",
    )


def _row(offer: Offer) -> list[object]:
    return [
        offer.mode if offer.experiment is None else f"{offer.mode} · {offer.experiment}",
        offer.kind,
        _span(offer.months),
        _link(offer.page, "report") if offer.page else "",
        _link(offer.archive, "zip"),
        joined((_link(address, name) for name, address in offer.tables.items()), " "),
    ]


def _span(months: Sequence[str]) -> str:
    return months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"


def _link(address: str, text: str) -> Html:
    return tag("a", text, href=address)
