"""Every colour of every page and picture, once: the same thing has the same colour wherever it is drawn.

A colour is a pair, for light and for dark surfaces. Text reaches a contrast of 4.5 to 1 on page and card of its theme,
lines and areas one of 3 to 1 (WCAG 2.2, 1.4.3 and 1.4.11). Pages use CSS variables (`stylesheet`), pictures that stand
alone use the light half.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

from basis_pipeline.domain.records import Category


class Colour(NamedTuple):
    """#rrggbb on light and on dark surfaces."""

    light: str
    dark: str


SURFACES = {
    "page": Colour("#f6f6f3", "#121518"),
    "card": Colour("#ffffff", "#1a1e22"),
    "line": Colour("#e6e5e0", "#2c3238"),
}
TEXTS = {
    "text": Colour("#1d2125", "#e6e8ea"),
    "muted": Colour("#62676e", "#9aa0a8"),
    "accent": Colour("#1f5f8b", "#74b3dd"),
    "gain": Colour("#1a7757", "#57c39a"),
    "loss": Colour("#b33c46", "#ef7d85"),
    "warn": Colour("#8f5a08", "#e0a94a"),
}
SERIES = (
    Colour("#1f5f8b", "#74b3dd"),
    Colour("#b5730f", "#e5ab4e"),
    Colour("#2a8375", "#5cc0ae"),
    Colour("#8a63a9", "#b794d6"),
    Colour("#c2555f", "#ef8089"),
    Colour("#628337", "#9cc266"),
    Colour("#8c6a54", "#c39d85"),
    Colour("#5d7290", "#93a9c9"),
    Colour("#b8478a", "#f08fc5"),
    Colour("#4a57b8", "#9aa6f5"),
)
"""For lines that have no colour of their own."""

CATEGORIES = {
    Category.SUPPLY_YIELD: Colour("#2a8375", "#5cc0ae"),
    Category.BORROW_COSTS: Colour("#b0642f", "#e0955f"),
    Category.STAKING_YIELD: Colour("#3f78b5", "#78aee6"),
    Category.STAKING_REWARDS: Colour("#4390ad", "#98d3ec"),
    Category.FUNDING: Colour("#ab7a0c", "#ecbb4c"),
    Category.DELTA: Colour("#8a63a9", "#b794d6"),
    Category.BASIS: Colour("#628337", "#9cc266"),
    Category.DUST: Colour("#8f7059", "#c5a68f"),
    Category.TRANSACTION_COSTS: Colour("#c2454f", "#f07d86"),
    Category.FX: Colour("#5d7290", "#93a9c9"),
    Category.LIQUIDATION: Colour("#7d1128", "#d64a6c"),
    Category.RESIDUAL: Colour("#7d7d7d", "#a5a5a5"),
    Category.UNEXPLAINED: Colour("#a3257c", "#f08fc5"),
}
VENUES = {
    "binance": Colour("#ab7a0c", "#ecbb4c"),
    "bybit": Colour("#1f5f8b", "#74b3dd"),
    "okx": Colour("#5d7290", "#93a9c9"),
    "aave_v3": Colour("#8a63a9", "#b794d6"),
    "etherfi": Colour("#2a8375", "#5cc0ae"),
    "lido": Colour("#4390ad", "#98d3ec"),
    "uniswap": Colour("#b8478a", "#f08fc5"),
    "curve": Colour("#c2555f", "#ef8089"),
    "instadapp": Colour("#628337", "#9cc266"),
    "wallet": Colour("#8c6a54", "#c39d85"),
}


def series_variable(index: int) -> str:
    """CSS variable of the line with this number; they repeat after ten."""
    return f"--s{index % len(SERIES)}"


def venue_variable(venue: str) -> str:
    """CSS variable of a venue; one that is not known here keeps one of the line colours, whatever else is drawn."""
    return f"--venue-{venue}" if venue in VENUES else series_variable(crc32(venue.encode()))


def variables() -> dict[str, Colour]:
    """Every colour by the name of its CSS variable, without the two dashes."""
    return {
        **SURFACES,
        **TEXTS,
        **{f"s{index}": colour for index, colour in enumerate(SERIES)},
        **{str(category): colour for category, colour in CATEGORIES.items()},
        **{f"venue-{venue}": colour for venue, colour in VENUES.items()},
    }


def stylesheet() -> str:
    """The variables as CSS: light, and dark where the reader's system is dark; paper is always light."""
    light, dark = (_block(variables(), index) for index in range(len(Colour._fields)))
    return f":root {{ {light} }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"


def _block(colours: Mapping[str, Colour], index: int) -> str:
    return " ".join(f"--{name}: {colour[index]};" for name, colour in colours.items())
