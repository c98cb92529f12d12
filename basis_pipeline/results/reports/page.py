"""Pages about several records at once: sections, cards and charts in one file that opens offline.

They share style and charts with the report of a single record (see report.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from string import Template

import msgspec

from basis_pipeline.results.reports.chart import Panel
from basis_pipeline.results.reports.report import asset, panels_json, script, style
from basis_pipeline.results.reports.text import Html, html, joined, tag


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
        panels: the charts that `report.drawn` has made frames for.
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
    extra = f"\n<script>{asset(page.extra_script)}</script>" if page.extra_script else ""
    return Template(asset("report.html")).substitute(
        title=html(page.heading),
        heading=html(page.heading),
        crumbs=tag("a", "All modes", href=page.overview),
        facts=joined(tag("span", fact) for fact in page.facts),
        verdict="",
        links=joined(tag("a", section.title, href=f"#{section.name}") for section in page.sections),
        sections=joined(
            tag("section", tag("h2", section.title) + section.content, class_="block", id=section.name)
            for section in page.sections
        ),
        footer=html(page.footer),
        style=style() + (asset(page.extra_style) if page.extra_style else ""),
        script=script(panels_json(page.panels)) + Html(extra),
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
