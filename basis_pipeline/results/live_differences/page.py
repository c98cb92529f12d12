"""The page about a live record and its replay: two equity paths, what they differ by, order by order."""

from __future__ import annotations

from collections.abc import Iterator

from basis_pipeline.domain.timeline import iso
from basis_pipeline.results.live_differences.differences import BP, LiveDifferences, Pair
from basis_pipeline.results.reports.chart import Panel, palette, view_of
from basis_pipeline.results.reports.page import Figure, Page, Section, cards, render
from basis_pipeline.results.reports.report import card, drawn
from basis_pipeline.results.reports.text import DASH, Html, joined, money, plain, quantity, signed, table, tag, toned
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.storage.files import put_bytes
from basis_pipeline.storage.locations import Location, relative_link

_SHOWN = 500
_FOOTER = (
    "Times are UTC. The replay starts where the session did, ticks when it ticked and sees the market that it saw; its "
    "venues are simulated. Equity is net asset value in the share class; all tables are in `live_differences`, "
    "`live_order_differences` and `live_equity_differences`."
)


def live_differences_path(results: ResultsStore, mode: str, record: str) -> Location:
    return results.base / "reports" / "live" / f"{mode}_{record}.html"


def write_live_differences(results: ResultsStore, found: LiveDifferences) -> Location:
    """Write the page and return its path; StorageError if it cannot be written."""
    path = live_differences_path(results, found.mode, found.record)
    panels = [_equity(found), _gap(found)]
    page = Page(
        heading=f"{found.mode}: {found.record} against its replay",
        overview=relative_link(results.overview_path, path.parent),
        facts=list(_facts(found)),
        sections=[
            Section("figures", "Figures", cards(list(_figures(found)))),
            Section("curves", "Curves", tag("div", joined(drawn(panel) for panel in panels), class_="grid")),
            Section("sources", "Where the difference comes from", card("", _items(found))),
            Section("days", "Days", card("", _days(found))),
            Section("orders", "Orders", card("", _orders(found))),
        ],
        panels=panels,
        footer=_FOOTER,
    )
    put_bytes(path, render(page).encode())
    return path


def _facts(found: LiveDifferences) -> Iterator[str]:
    yield f"{iso(int(found.stamps[0]))} to {iso(int(found.stamps[-1]))}"
    yield f"{len(found.stamps):,} common timesteps"
    yield f"share class {found.currency}"


def _figures(found: LiveDifferences) -> Iterator[Figure]:
    orders, again = found.counts()
    yield Figure("Equity, live", money(float(found.live[-1]), found.currency), found.currency)
    yield Figure("Equity, replay", money(float(found.backtest[-1]), found.currency), found.currency)
    yield Figure(
        "Difference at the end", signed(f"{found.gaps_bp[-1]:+.2f} bp"), money(found.difference, found.currency)
    )
    yield Figure("Widest gap", f"{found.widest_bp:.2f} bp", "of the replay's equity")
    yield Figure("Orders", f"{orders:,}", f"{again:,} in the replay")
    yield Figure("Not named", money(found.unnamed, found.currency), "float noise")


def _equity(found: LiveDifferences) -> Panel:
    lines = {"live": found.live, "replay": found.backtest}
    view = view_of("", found.currency, "money", found.stamps, lines, palette(2))
    return Panel("equity", "Equity", "Net asset value of both lives.", [view], 340, wide=True)


def _gap(found: LiveDifferences) -> Panel:
    lines = {"live less replay": found.gaps_bp / BP}
    view = view_of("", "of the replay's equity", "percent", found.stamps, lines, palette(1), zero=True, span=1e-5)
    note = "Live against replay; a step is an order that went another way, a slope is income that is not the same."
    return Panel("gap", "Difference", note, [view], 220, wide=True)


def _items(found: LiveDifferences) -> Html:
    currency, scale = found.currency, BP / float(found.backtest[-1])
    rows = [
        [
            item.name.replace("_", " "),
            money(item.live, currency),
            money(item.backtest, currency),
            toned(item.difference, money(item.difference, currency)),
            signed(f"{item.difference * scale:+.3f}"),
        ]
        for item in found.items
        if item.live or item.backtest
    ]
    foot = [
        "equity at the end",
        money(float(found.live[-1]), currency),
        money(float(found.backtest[-1]), currency),
        money(found.difference, currency),
        signed(f"{found.difference * scale:+.3f}"),
    ]
    return table([f"Source, {currency}", "Live", "Replay", "Difference", "bp"], rows, "knnnn", foot=foot)


def _days(found: LiveDifferences) -> Html:
    rows = [
        [
            iso(day.start)[:10],
            money(day.live, found.currency),
            money(day.backtest, found.currency),
            signed(f"{day.difference_bp:+.2f}"),
            f"{day.widest_bp:.2f}",
        ]
        for day in found.days()
    ]
    return table(["Day", "Live", "Replay", "Difference, bp", "Widest, bp"], rows, "knnnn")


def _orders(found: LiveDifferences) -> Html:
    rows = [_order(pair, found.currency) for pair in found.pairs[:_SHOWN]]
    if not rows:
        return tag("p", "Neither of them ordered anything.", class_="note")
    head = ["Decided", "Order", "Filled", "Replay", "Price", "Replay", "bp", "Fee", "Replay", "Delay, s", "Outcome"]
    shown = table(head, rows, "kknnnnnnnnk")
    more = len(found.pairs) - _SHOWN
    return shown + (tag("p", f"and {more:,} more in `live_order_differences`", class_="note") if more > 0 else Html(""))


def _order(pair: Pair, currency: str) -> list[object]:
    live, again = pair
    shown = live or again
    said = [side.outcome if side else DASH for side in pair]
    return [
        iso(shown.decided) if shown else "",
        " ".join(filter(None, (shown.operation, shown.side, shown.position_key))) if shown else "",
        *(quantity(side.filled) if side else DASH for side in pair),
        *(plain(side.price) if side else DASH for side in pair),
        plain(pair.price_difference_bp),
        *(money(side.fee, currency) if side else DASH for side in pair),
        plain(live.delay if live else None, 3),
        said[0] if said[0] == said[1] else " / ".join(said),
    ]
