"""One palette: every category and venue has its colour, readable on both surfaces, and nothing else defines one."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from basis_pipeline.domain.records import Category
from basis_pipeline.results.reports.palette import (
    CATEGORIES,
    SERIES,
    SURFACES,
    TEXTS,
    VENUES,
    Colour,
    stylesheet,
    variables,
    venue_variable,
)
from basis_pipeline.results.reports.report import style

LINES = {name: colour for name, colour in variables().items() if name not in {*SURFACES, *TEXTS}}


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def weakest(colour: Colour) -> float:
    surfaces = (SURFACES["page"], SURFACES["card"])
    return min(contrast(colour[theme], surface[theme]) for surface in surfaces for theme in (0, 1))


def test_the_measure_is_the_one_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_readable_on_page_and_card_in_both_themes(name: str) -> None:
    assert weakest(TEXTS[name]) >= 4.5


@pytest.mark.parametrize("name", LINES)
def test_lines_and_areas_stand_out_from_page_and_card_in_both_themes(name: str) -> None:
    assert weakest(LINES[name]) >= 3.0


def test_every_category_has_a_colour_and_lines_without_one_are_told_apart() -> None:
    assert tuple(CATEGORIES) == tuple(Category)
    assert len(set(SERIES)) == len(SERIES)


def test_a_venue_keeps_its_colour_whatever_is_drawn_beside_it() -> None:
    assert {venue_variable(venue) for venue in VENUES} == {f"--venue-{venue}" for venue in VENUES}
    assert venue_variable("elsewhere") == venue_variable("elsewhere")
    assert venue_variable("elsewhere")[2:] in variables()


def test_pages_use_only_colours_of_the_palette() -> None:
    used = set(re.findall(r"var\(--([a-z0-9_-]+)\)", style())) - {"font", "mono"}
    assert used
    assert used <= variables().keys()
    assets = files("basis_pipeline.results.reports") / "assets"
    own = (assets / "report.css").read_text() + (assets / "report.js").read_text()
    assert set(re.findall(r"#[0-9a-f]{3,6}\b", own.replace("#rrggbb", ""))) <= {"#fff"}
    assert stylesheet().count("--funding_pnl:") == 2
