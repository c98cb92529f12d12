"""Text of the reports: escaping, numbers as people read them, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from basis_pipeline.domain.timeline import SECOND, iso

DASH = "–"
MINUS = "−"
FIAT_LIKE = frozenset({"USD", "USDT", "USDC", "EUR"})


REGION = {"role": "region", "tabindex": "0"}
"""Attributes of a box that scrolls, so that a keyboard reaches it; it needs an `aria_label` as well."""


class Html(str):
    """Markup that is already escaped; everything else is escaped when it enters a table or a tag."""

    __slots__ = ()

    def __add__(self, other: str) -> Html:
        return Html(f"{self}{html(other)}")


def html(value: object) -> str:
    return value if isinstance(value, Html) else escape(str(value), quote=True)


def tag(name: str, content: object, **attributes: str) -> Html:
    """One element; `class_` becomes class."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value, quote=True)}"' for key, value in attributes.items()
    )
    return Html(f"<{name}{written}>{html(content)}</{name}>")


def joined(parts: Iterable[object], separator: str = "") -> Html:
    return Html(separator.join(html(part) for part in parts))


def signed(text: str) -> str:
    """A true minus sign, and none before a figure that is written as zero."""
    if not text.startswith("-"):
        return text
    return MINUS + text[1:] if any(digit in text for digit in "123456789") else text[1:]


def percent(value: float | None, digits: int = 2) -> str:
    return DASH if value is None else signed(f"{value:.{digits}%}")


def money(value: float | None, currency: str) -> str:
    """Two digits for dollars, four for coins; without the currency."""
    return DASH if value is None else signed(f"{value:,.{2 if currency in FIAT_LIKE else 4}f}")


def plain(value: float | None, digits: int = 2) -> str:
    return DASH if value is None else signed(f"{value:,.{digits}f}")


def quantity(value: float | None) -> str:
    """Eight significant digits without trailing zeros."""
    return DASH if value is None else signed(f"{value:,.8g}")


def moment(micros: int | None) -> str:
    return DASH if micros is None else iso(micros)[:16].replace("T", " ")


def day(seconds: float | None) -> str:
    return DASH if seconds is None else iso(int(seconds) * SECOND)[:10]


def tiny(value: float) -> str:
    """Two digits in scientific notation, for what should be zero."""
    return signed(f"{value:.0e}") if value else "0"


def tone(value: float | None) -> str:
    """CSS class of a signed figure."""
    return "" if not value else ("gain" if value > 0 else "loss")


def toned(value: float | None, text: str) -> Html:
    """Coloured by its sign, unless it is written as zero."""
    shown = tone(value) if any(digit in text for digit in "123456789") else ""
    return tag("span", text, class_=shown) if shown else Html(html(text))


def table(
    head: Sequence[object],
    rows: Iterable[Sequence[object]],
    kinds: str,
    *,
    foot: Sequence[object] = (),
    body_id: str = "",
    class_: str = "data",
    label: str = "",
    sortable: bool = False,
) -> Html:
    """A table in a box that scrolls sideways; `label` names it, and lets a keyboard scroll it.

    `kinds` has one letter per column, the CSS class of its cells: n number, k key (not wrapped), c centred, t text.
    The reader sorts a `sortable` table by any column that has a title.
    """
    body = Html(f'<tbody id="{body_id}">') if body_id else Html("<tbody>")
    lines = joined(tag("tr", _cells("td", row, kinds)) for row in rows)
    footer = tag("tfoot", tag("tr", _cells("td", foot, kinds))) if foot else Html("")
    titles = [tag("button", title, type="button") if sortable and title else title for title in head]
    header = tag("thead", tag("tr", _heads(titles, kinds)))
    classes = f"{class_} sortable" if sortable else class_
    whole = tag("table", joined([header, body, lines, Html("</tbody>"), footer]), class_=classes)
    return tag("div", whole, class_="scroll", **(REGION | {"aria_label": label} if label else {}))


def _heads(row: Sequence[object], kinds: str) -> Html:
    return joined(tag("th", cell, class_=kind, scope="col") for cell, kind in zip(row, kinds, strict=True))


def _cells(name: str, row: Sequence[object], kinds: str) -> Html:
    return joined(
        cell if isinstance(cell, Cell) else tag(name, cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)
    )


class Cell(Html):
    """A complete <td>, for a cell with a style of its own."""

    __slots__ = ()


def category_label(category: str) -> str:
    """`funding_pnl` -> funding, `transaction_costs` -> transaction costs."""
    return category.removesuffix("_pnl").replace("_", " ")


def pairs(entries: Iterable[tuple[str, object]]) -> Html:
    return tag("dl", joined(tag("dt", name) + tag("dd", value) for name, value in entries), class_="pairs")
