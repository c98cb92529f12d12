"""The page of a sweep: what is best and how far that is luck, a heat map on any two keys, every point in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
import pyarrow as pa

from basis_pipeline.results.metrics import stamps_of
from basis_pipeline.results.reports.chart import Panel, palette, view_of
from basis_pipeline.results.reports.page import Figure, Page, Section, cards, render
from basis_pipeline.results.reports.report import card, drawn
from basis_pipeline.results.reports.text import DASH, Html, joined, percent, plain, table, tag
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.results.sweeps.axes import axes_of, short, value_on
from basis_pipeline.results.sweeps.overfitting import Overfitting
from basis_pipeline.results.sweeps.parts import Outcome, PointStatus, SweepPlan, SweepPoint
from basis_pipeline.results.sweeps.ranking import (
    SMALLER_IS_BETTER,
    luck,
    present,
    ranked,
    ranking,
    setting,
    shown_as,
    titled,
)
from basis_pipeline.storage.files import put_bytes
from basis_pipeline.storage.locations import Location, relative_link

MOST_ROWS, MOST_CURVES = 1_000, 8


class _MapPoint(msgspec.Struct, frozen=True):
    """A cell of the map: its place on every axis, and its figures or why it has none."""

    number: int
    at: list[int]
    values: list[float | None]
    reason: str


class _Map(msgspec.Struct, frozen=True):
    keys: list[str]
    values: list[list[str]]
    metrics: list[str]
    titles: list[str]
    forms: list[str]
    smaller: list[bool]
    points: list[_MapPoint]
    metric: int
    best: int


def sweep_page_path(results: ResultsStore, sweep: str) -> Location:
    """Where the page of a sweep is written."""
    return results.base / "reports" / "sweeps" / f"{sweep}.html"


def write_sweep_page(
    results: ResultsStore, plan: SweepPlan, outcomes: Sequence[Outcome], equity: Mapping[int, pa.Table]
) -> Location:
    """Write the page and return its path; `equity` is `daily_equity` by number of the points that are done.

    Raises:
        StorageError: the page cannot be written.
    """
    path = sweep_page_path(results, plan.name)
    best_first, judged = ranked(outcomes, plan.rank_by), luck(outcomes, equity)
    page = Page(
        heading=f"Sweep {plan.name}",
        overview=relative_link(results.overview_path, path.parent),
        facts=list(_facts(plan, outcomes)),
        sections=list(_sections(plan, outcomes, best_first, judged, equity)),
        panels=_panels(best_first, equity),
        footer=_FOOTER,
        extra_style="sweep.css",
        extra_script="sweep.js",
    )
    put_bytes(path, render(page).encode())
    return path


_FOOTER = (
    "A point is simulated once and judged by every gate but determinism_digest; its figures are those of the same "
    "experiment run in full. Returns are time-weighted, in the share class; Sharpe and Sortino come from daily "
    "returns, 365 days a year, risk-free rate 0. Deflated Sharpe: Bailey and López de Prado (2014). Overfitting: "
    "Bailey, Borwein, López de Prado and Zhu (2017), 12 blocks. Neighbouring points are alike and are fewer "
    "independent trials than their number."
)


def _facts(plan: SweepPlan, outcomes: Sequence[Outcome]) -> Iterator[str]:
    if plan.description:
        yield plan.description
    counts = Counter(result.status for _, result in outcomes)
    told = ", ".join(f"{counts[status]} {status}" for status in PointStatus if counts[status])
    yield f"{len(plan.points)} points: {told or 'none finished'}"
    if missing := len(plan.points) - len(outcomes):
        yield f"{missing} not finished"
    for mode in dict.fromkeys(point.mode for point in plan.points):
        months = {(point.first, point.last) for point in plan.points if point.mode == mode}
        yield f"{mode} " + ", ".join(f"{first} to {last}" for first, last in sorted(months))


def _sections(
    plan: SweepPlan,
    outcomes: Sequence[Outcome],
    best_first: Sequence[Outcome],
    judged: Overfitting | None,
    equity: Mapping[int, pa.Table],
) -> Iterator[Section]:
    if best_first:
        yield Section("best", "Best", cards(list(_figures(plan, best_first, judged))) + _caution(judged))
        yield Section("map", "Map", card("", _map(plan, outcomes, best_first[0][0])))
        yield Section("points", "Points", card("", _table(plan, best_first)))
        yield Section("growth", "Growth", joined(drawn(panel) for panel in _panels(best_first, equity)))
    if lost := [outcome for outcome in outcomes if outcome[1].status is not PointStatus.DONE]:
        rows = [[point.number, setting(plan, point), result.status, result.reason] for point, result in lost]
        yield Section("lost", "Not done", card("", table(["#", "Point", "Status", "Why"], rows, "nkkt")))


def _figures(plan: SweepPlan, best_first: Sequence[Outcome], judged: Overfitting | None) -> Iterator[Figure]:
    point, result = best_first[0]
    by = shown_as(plan.rank_by)
    value = by.written(result.metrics.get(by.metric), result.share_class)
    yield Figure(f"Best {by.title}", value, f"point {point.number}: {setting(plan, point)}")
    found = result.metrics
    yield Figure("Its return", percent(found["time_weighted_return"]), f"CAGR {percent(found['cagr'])}")
    yield Figure("Its max drawdown", percent(found["max_drawdown"]), f"{plain(found['orders'], 0)} orders")
    if judged:
        found_best = f"found: {plain(judged.best_sharpe)}"
        yield Figure("Different points", plain(judged.trials, 0), "the more, the better the best one looks")
        yield Figure("Expected by luck", plain(judged.expected_maximum), f"best Sharpe without skill; {found_best}")
        yield Figure("Deflated Sharpe", percent(judged.deflated, 1), "probability of more than luck")
        worse = DASH if judged.probability is None else percent(judged.probability, 1)
        yield Figure("Overfitting", worse, "best in one half of the days, below median in the other")


def _caution(judged: Overfitting | None) -> Html:
    if judged is None:
        return Html("")
    text = (
        f"The best of {judged.trials} different points flatters: it was chosen for these days. Prefer a plateau of the "
        "map to a peak, and confirm the choice on months that the sweep did not see."
    )
    return tag("p", text, class_="note")


def _map(plan: SweepPlan, outcomes: Sequence[Outcome], best: SweepPoint) -> Html:
    axes, shown = axes_of(plan.points), present(outcomes, plan.rank_by)
    found = [
        _MapPoint(
            point.number,
            [axis.values.index(value_on(point, axis.key)) for axis in axes],
            [result.metrics.get(one.metric) for one in shown],
            result.reason,
        )
        for point, result in outcomes
    ]
    data = _Map(
        keys=[short(axis.key) for axis in axes],
        values=[list(axis.values) for axis in axes],
        metrics=[one.metric for one in shown],
        titles=[titled(one, outcomes) for one in shown],
        forms=[one.form for one in shown],
        smaller=[one.metric in SMALLER_IS_BETTER for one in shown],
        points=found,
        metric=[one.metric for one in shown].index(plan.rank_by),
        best=best.number,
    )
    frame = tag("div", "", id="map-controls", class_="controls") + tag("div", "", id="map-cells", class_="scroll")
    return frame + tag(
        "script",
        Html(msgspec.json.encode(data).decode().replace("<", "\\u003c")),
        id="map-data",
        type="application/json",
    )


def _table(plan: SweepPlan, best_first: Sequence[Outcome]) -> Html:
    found = ranking(plan, best_first[:MOST_ROWS])
    note = f"Best {shown_as(plan.rank_by).title} first."
    if len(best_first) > MOST_ROWS:
        note += f" The first {MOST_ROWS:,} of {len(best_first):,}; all are in sweep_points of the catalogue."
    kinds = "".join("n" if column.numeric else "k" for column in found.columns)
    rows = table([column.title for column in found.columns], found.rows, kinds)
    return tag("p", note, class_="note") + tag("div", rows, class_="long")


def _panels(best_first: Sequence[Outcome], equity: Mapping[int, pa.Table]) -> list[Panel]:
    """Growth of the best points; one panel per range of days, since lines of a panel share their times."""
    curves: dict[bytes, dict[str, pa.Table]] = {}
    for point, _ in best_first[:MOST_CURVES]:
        found = equity[point.number]
        curves.setdefault(stamps_of(found).tobytes(), {})[f"point {point.number}"] = found
    panels = []
    for index, lines in enumerate(curves.values()):
        stamps = stamps_of(next(iter(lines.values())))
        growth = {name: np.asarray(found["growth"].to_numpy()) - 1.0 for name, found in lines.items()}
        view = view_of("", "since the start", "percent", stamps, growth, palette(len(growth)), zero=True)
        note = f"Time-weighted, share class, at 00:00 UTC; the best {len(best_first[:MOST_CURVES])} points."
        panels.append(Panel(f"growth{index}", "Growth", note, [view], 320, wide=True))
    return panels
