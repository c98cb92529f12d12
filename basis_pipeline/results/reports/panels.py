"""The panels of a report: what is drawn, from which table, in which unit and colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.position_keys import PositionKey
from basis_pipeline.results.columns import FloatArray, IntArray
from basis_pipeline.results.funding import settled_funding
from basis_pipeline.results.metrics import drawdowns, index_of_steps, stamps_of
from basis_pipeline.results.reports.carry import carry_panel
from basis_pipeline.results.reports.chart import Panel, View, categories_of, column_of, palette, pivot, running, view_of
from basis_pipeline.results.reports.limits import limits_of
from basis_pipeline.results.reports.palette import venue_variable
from basis_pipeline.results.reports.record import Record
from basis_pipeline.results.reports.risk import risk_panels
from basis_pipeline.results.reports.text import category_label
from basis_pipeline.results.stops import bracket_closes

_COST_COLOURS = {"fee": "--s4", "slippage": "--s1", "gas": "--s7", "fee of liquidation": "--s3"}


def panels_of(record: Record) -> list[Panel]:
    """All panels that have something to show, in the order of the page."""
    made = [
        _equity(record), _drawdown(record), carry_panel(record), _attribution(record), _positions(record),
        *risk_panels(record), _funding(record), _costs(record),
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
        view = view_of(label, "below the peak", "percent", stamps, lines, ["--s4"], filled="zero", zero=True, span=1e-4)
        views.append(view)
    views[0] = msgspec.structs.replace(views[0], levels=limits_of(record.latest.config)["drawdown"])
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
    categories = categories_of(table)
    width = len(categories)
    stamps = stamps_of(table)[::width]
    matrix = column_of(table, column).reshape(-1, width)
    floor = 1e-9 * max(float(np.abs(matrix.sum(axis=0)).max(initial=0.0)), 1e-9)
    totals = {str(name): np.cumsum(matrix[:, index]) for index, name in enumerate(categories)}
    return stamps, {name: values for name, values in totals.items() if np.abs(values).max(initial=0.0) > floor}


def _positions(record: Record) -> Panel:
    table = record.tables["positions"]
    stamps, by_key = pivot(table, "position_key", "value_usd")
    by_key = {key: values for key, values in by_key.items() if np.any(values)}
    by_venue: dict[str, FloatArray] = {}
    for key, values in by_key.items():
        venue = PositionKey.parse(key).venue
        by_venue[venue] = by_venue.get(venue, np.zeros(len(stamps))) + values
    views = (
        [
            view_of("by venue", "USD", "money", stamps, by_venue, list(map(venue_variable, by_venue)), zero=True),
            view_of("by position", "USD", "money", stamps, by_key, palette(len(by_key)), zero=True),
        ]
        if by_key
        else []
    )
    note = "Signed value: debt is negative, a perp counts its unrealised P&L. The lines sum to equity."
    return Panel("positions", "Positions", note, views, 260)


def _funding(record: Record) -> Panel:
    settled = settled_funding(record.tables["deltas"])
    venues, usdt = np.array(settled["venue"].to_pylist(), np.str_), column_of(settled, "usdt")
    paid = {str(venue): np.where(venues == venue, usdt, 0.0) for venue in np.unique(venues)}
    note = "Running sum of settled funding by venue; negative = paid. Coin-margined contracts at the mark."
    return Panel("funding", "Funding received", note, _running_views(record, stamps_of(settled), paid, venue_variable))


def _costs(record: Record) -> Panel:
    orders, deltas = record.tables["orders"], record.tables["deltas"]
    stops, liquidated = bracket_closes(deltas), deltas.filter(pc.equal(deltas["source"], DeltaSource.LIQUIDATION))
    stamps = np.concatenate(list(map(stamps_of, (orders, stops, liquidated))))
    none, order = np.zeros(liquidated.num_rows), np.argsort(stamps, kind="stable")
    paid = {name: (column_of(orders, name), column_of(stops, name), none) for name in ("fee", "slippage")}
    paid["gas"] = (column_of(orders, "gas"), np.zeros(stops.num_rows), none)
    paid["fee of liquidation"] = (np.zeros(orders.num_rows), np.zeros(stops.num_rows), column_of(liquidated, "fee"))
    costs = {name: np.concatenate(parts)[order] for name, parts in paid.items()}
    note = (
        "Running sum of fees, slippage and gas of orders, and of the stops and takes of profit that a venue carries "
        "out. The fee of a liquidation is part of its loss. Positive = paid."
    )
    views = _running_views(record, stamps[order], costs, _COST_COLOURS.__getitem__)
    return Panel("costs", "Costs of orders and exits", note, views, wide=True)


def _running_views(
    record: Record, stamps: IntArray, amounts: Mapping[str, FloatArray], colour: Callable[[str], str]
) -> list[View]:
    end = int(stamps_of(record.tables["timesteps"])[-1])
    stamps, lines = running(stamps, amounts, end)
    if not lines:
        return []
    return [view_of("", "USDT", "money", stamps, lines, list(map(colour, lines)), zero=True, stepped=True)]
