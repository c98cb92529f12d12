"""The panels of a report: what is drawn, from which table, in which unit and colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.position_keys import PositionKey
from basis_pipeline.domain.records import CATEGORIES
from basis_pipeline.results.columns import FloatArray, IntArray
from basis_pipeline.results.metrics import drawdowns, index_of_steps, stamps_of
from basis_pipeline.results.report_chart import Format, Panel, View, column_of, palette, pivot, running, view_of
from basis_pipeline.results.report_record import Record
from basis_pipeline.results.report_text import category_label

SMALL_DELTA = 1e-3
"""Fraction of equity below which a delta is drawn as a flat line."""

NO_DELTA = 1e-9
"""Fraction of equity up to which a delta is rounding and not drawn at all."""


def panels_of(record: Record) -> list[Panel]:
    """All panels that have something to show, in the order of the page."""
    made = [
        _equity(record), _drawdown(record), _attribution(record), _positions(record), _delta(record),
        *_risk(record), _funding(record), _costs(record),
    ]  # fmt: skip
    return [panel for panel in made if panel.views]


def _equity(record: Record) -> Panel:
    steps, currency = record.tables["timesteps"], record.currency
    stamps = stamps_of(steps)
    views = [
        view_of(
            currency,
            currency,
            "money",
            stamps,
            {"equity": column_of(steps, "equity_share_class")},
            ["--s0"],
            filled="bottom",
        ),
        view_of("USD", "USD", "money", stamps, {"equity": column_of(steps, "equity_usd")}, ["--s0"], filled="bottom"),
    ]
    return Panel("equity", "Equity", "Net asset value at the close of every step.", views, 320, wide=True)


def _drawdown(record: Record) -> Panel:
    steps = record.tables["timesteps"]
    stamps = stamps_of(steps)
    views = []
    for label, suffix in ((record.currency, ""), ("USD", "_usd")):
        lines = {"drawdown": 0.0 - drawdowns(index_of_steps(steps, suffix, opening=record.opens))}
        views.append(
            view_of(label, "below the peak", "percent", stamps, lines, ["--s4"], filled="zero", zero=True, span=1e-4)
        )
    note = "Fall of the index below its running peak, external flows excluded."
    return Panel("drawdown", "Drawdown", note, views, 190, wide=True)


def _attribution(record: Record) -> Panel:
    views = []
    for label, column in ((record.currency, "pnl"), ("USD", "pnl_usd")):
        stamps, sums = cumulative_attribution(record.tables["pnl_attribution"], column)
        if sums:
            named = {category_label(name): values for name, values in sums.items()}
            lines = {"total": np.sum(list(sums.values()), axis=0)} | named
            colours = ["--text", *(f"--{name}" for name in sums)]
            views.append(view_of(label, label, "money", stamps, lines, colours, zero=True))
    note = "Running sum of profit by source since the first month shown; sources without any are left out."
    return Panel("attribution", "Cumulative profit by source", note, views, 300, wide=True)


def cumulative_attribution(table: pa.Table, column: str) -> tuple[IntArray, dict[str, FloatArray]]:
    """Stamps, and the running sum of each category that is not zero throughout (residual: not just rounding)."""
    width = len(CATEGORIES)
    stamps = stamps_of(table)[::width]
    matrix = column_of(table, column).reshape(-1, width)
    floor = 1e-9 * max(float(np.abs(matrix.sum(axis=0)).max(initial=0.0)), 1e-9)
    totals = {str(name): np.cumsum(matrix[:, index]) for index, name in enumerate(CATEGORIES)}
    return stamps, {name: values for name, values in totals.items() if np.abs(values).max(initial=0.0) > floor}


def _positions(record: Record) -> Panel:
    table = record.tables["positions"]
    stamps, by_key = pivot(table, "position_key", "value_usd")
    by_key = {key: values for key, values in by_key.items() if np.any(values)}
    by_venue: dict[str, FloatArray] = {}
    for key, values in by_key.items():
        venue = PositionKey.parse(key).venue
        by_venue[venue] = by_venue.get(venue, np.zeros(len(stamps))) + values
    views = [
        view_of(label, "USD", "money", stamps, lines, palette(len(lines)), zero=True)
        for label, lines in (("by venue", by_venue), ("by position", by_key))
        if lines
    ]
    note = "Signed value: debt is negative, a perp counts its unrealised P&L. The lines sum to equity."
    return Panel("positions", "Positions", note, views, 260)


def _delta(record: Record) -> Panel:
    steps = record.tables["timesteps"]
    stamps, equity = stamps_of(steps), column_of(steps, "equity_usd")
    net, excess, gross = (column_of(steps, f"{name}_usd") for name in ("net_delta", "excess_delta", "gross_exposure"))
    delta, name = (net, "net delta") if np.array_equal(net, excess) else (excess, "excess delta")
    relative = np.divide(delta, equity, out=np.full_like(equity, np.nan), where=equity > 0.0)

    def signed(label: str, unit: str, form: Format, values: FloatArray, span: float) -> View:
        return view_of(label, unit, form, stamps, {name: values}, ["--s0"], filled="zero", zero=True, span=span)

    note = "Signed exposure to price moves; for coin share classes measured against holding all equity in the coin."
    exposed = view_of("gross", "USD", "money", stamps, {"gross exposure": gross}, ["--s2"], zero=True)
    if np.nanmax(np.abs(relative), initial=0.0) < NO_DELTA:
        return Panel("delta", "Exposure", f"The {name} is nothing but rounding at every step's close.", [exposed], 260)
    views = [
        signed("USD", "USD", "money", delta, SMALL_DELTA * float(equity[-1])),
        signed("of equity", "of equity", "percent", relative, SMALL_DELTA),
        exposed,
    ]
    return Panel("delta", "Delta and exposure", note, views, 260)


_RISKS: tuple[tuple[str, str, Format, str], ...] = (
    ("margin_ratio", "Margin ratio", "percent", "Margin balance / notional by venue."),
    ("health_factor", "Health factor", "money", "Liquidation threshold x collateral / debt; liquidation below 1."),
    ("loan_to_value", "Loan to value", "percent", "Debt / collateral."),
    ("funding_apr", "Trailing funding", "percent", "Funding of the last seven days per year, on the mean notional."),
    ("predicted_sd", "Predicted standard deviation", "percent", "Of the return over the model's horizon."),
    (
        "model_drift",
        "Model drift",
        "money",
        "Stability index of four weeks of predictions; above 0.25 others than in training.",
    ),
)


def _risk(record: Record) -> Iterator[Panel]:
    risk = record.tables["risk"]
    for dimension, title, form, note in _RISKS:
        rows = risk.filter(pc.and_(pc.equal(risk["dimension"], dimension), pc.is_valid(risk["value"])))
        if rows.num_rows:
            stamps, by_venue = pivot(rows, "venue", "value")
            lines = {venue or "book": values for venue, values in by_venue.items()}
            yield Panel(dimension, title, note, [view_of("", "", form, stamps, lines, palette(len(lines)))])


def _funding(record: Record) -> Panel:
    deltas = record.tables["deltas"]
    rows = deltas.filter(pc.equal(deltas["source"], DeltaSource.FUNDING))
    venues = np.array([PositionKey.parse(key).venue for key in rows["position_key"].to_pylist()], dtype=np.str_)
    paid = {str(venue): np.where(venues == venue, column_of(rows, "delta_amount"), 0.0) for venue in np.unique(venues)}
    note = "Running sum of settled funding by venue; negative = paid."
    return Panel("funding", "Funding received", note, _running_views(record, rows, paid))


def _costs(record: Record) -> Panel:
    orders = record.tables["orders"]
    costs = {name: column_of(orders, name) for name in ("fee", "slippage", "gas")}
    note = "Running sum of fees, slippage and gas; positive = paid."
    return Panel("costs", "Costs of orders", note, _running_views(record, orders, costs))


def _running_views(record: Record, rows: pa.Table, amounts: Mapping[str, FloatArray]) -> list[View]:
    end = int(stamps_of(record.tables["timesteps"])[-1])
    stamps, lines = running(stamps_of(rows), amounts, end)
    if not lines:
        return []
    return [view_of("", "USDT", "money", stamps, lines, palette(len(lines)), zero=True, stepped=True)]
