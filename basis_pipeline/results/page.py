"""Pages about several records at once: sections, cards and charts in one file that opens offline.

They share style and charts with the report of a single record (see report.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from string import Template

import msgspec

from basis_pipeline.results.report import asset
from basis_pipeline.results.report_chart import Panel
from basis_pipeline.results.report_text import Html, html, joined, tag


class Section(msgspec.Struct, frozen=True):
    """A part of a page; `name` is its anchor."""

    name: str
    title: str
    content: Html


class Figure(msgspec.Struct, frozen=True):
    """A headline figure and what stands beside it."""

    name: str
    value: str
    beside: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A whole page.

    Attributes:
        heading: its title.
        overview: relative address of the page of all modes.
        facts: short statements below the heading.
        sections: in order.
        panels: the charts that `chart` frames stand for.
        footer: what a reader must know to trust the figures.
        extra_style, extra_script: names of further assets.
    """

    heading: str
    overview: str
    facts: Sequence[str]
    sections: Sequence[Section]
    panels: Sequence[Panel]
    footer: str
    extra_style: str = ""
    extra_script: str = ""


def render(page: Page) -> str:
    """The page as HTML; nothing in it refers to another file but the link to the overview."""
    return Template(asset("page.html")).substitute(
        title=html(page.heading),
        heading=html(page.heading),
        crumbs=tag("a", "All modes", href=page.overview),
        facts=joined(tag("span", fact) for fact in page.facts),
        links=joined(tag("a", section.title, href=f"#{section.name}") for section in page.sections),
        sections=joined(
            tag("section", tag("h2", section.title) + section.content, class_="block", id=section.name)
            for section in page.sections
        ),
        footer=html(page.footer),
        panels=as_json(page.panels),
        style=asset("report.css") + (asset(page.extra_style) if page.extra_style else ""),
        script=asset("report.js") + (asset(page.extra_script) if page.extra_script else ""),
        vendor_style=asset("vendor", "uPlot.min.css"),
        vendor_script=asset("vendor", "uPlot.iife.min.js"),
        vendor_licence=asset("vendor", "uPlot.LICENSE.txt"),
    )


def cards(figures: Sequence[Figure]) -> Html:
    """Headline figures side by side."""
    shown = [
        tag(
            "div",
            tag("dt", figure.name)
            + tag("dd", figure.value, class_="value")
            + tag("dd", figure.beside, class_="beside"),
            class_="card",
        )
        for figure in figures
    ]
    return tag("dl", joined(shown), class_="cards")


def card(content: Html, title: str = "") -> Html:
    """A box with a title."""
    heading = tag("header", tag("h3", title)) if title else Html("")
    return tag("div", heading + content, class_="panel wide")


def chart(panel: Panel) -> Html:
    """The frame that the script draws a panel into."""
    tabs = tag("span", "", class_="tabs", role="group", aria_label=f"Views of {panel.title}")
    header = tag("header", joined([tag("h3", panel.title), tag("span", "", class_="unit"), tabs]))
    frame = tag("div", "", class_="chart", data_panel=panel.id, style=f"min-height:{panel.height}px")
    note = tag("p", panel.note, class_="note")
    return tag("div", joined([header, note, frame]), class_="panel wide" if panel.wide else "panel")


def as_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return msgspec.json.encode(value).decode().replace("<", "\\u003c")
