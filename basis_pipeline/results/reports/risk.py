"""The risk panels of a report: delta, margin, health factor, loan to value, funding, each against its limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from basis_pipeline.domain.records import Trigger
from basis_pipeline.results.columns import FloatArray, IntArray
from basis_pipeline.results.metrics import stamps_of
from basis_pipeline.results.reports.chart import Format, Level, Panel, View, column_of, pivot, view_of
from basis_pipeline.results.reports.limits import limits_of
from basis_pipeline.results.reports.palette import series_variable, venue_variable
from basis_pipeline.results.reports.record import Record

SMALL_DELTA = 1e-3
"""Fraction of equity below which a delta is drawn as a flat line."""

NO_DELTA = 1e-9
"""Fraction of equity up to which a delta is rounding and not drawn at all."""

Worse = Callable[[FloatArray, FloatArray], FloatArray]
"""The worse of two values of a ratio, element by element; NaN is no value."""


class _Ratio(NamedTuple):
    """A risk dimension that has a panel; `worse` picks between what a step found and what it left."""

    dimension: str
    title: str
    unit: str
    format: Format
    note: str
    worse: Worse


_BOTH = "The worse of before and after a step's orders."
_RATIOS = (
    _Ratio(
        "margin_ratio",
        "Margin ratio",
        "of notional",
        "percent",
        f"Margin balance / perp notional by venue; liquidation near the maintenance margin. {_BOTH}",
        np.fmin,
    ),
    _Ratio(
        "health_factor",
        "Health factor",
        "ratio",
        "money",
        f"Liquidation threshold x collateral / debt; liquidation below 1. {_BOTH}",
        np.fmin,
    ),
    _Ratio("loan_to_value", "Loan to value", "of collateral", "percent", f"Debt / collateral. {_BOTH}", np.fmax),
    _Ratio(
        "funding_apr",
        "Trailing funding",
        "per year",
        "percent",
        "Funding of the last seven days per year, on the mean notional; negative = the book pays.",
        np.fmin,
    ),
    _Ratio(
        "predicted_sd",
        "Predicted standard deviation",
        "of price",
        "percent",
        "What the model expects the return over its horizon to vary by; stops and sizes follow it up to the cap.",
        np.fmax,
    ),
    _Ratio(
        "model_drift",
        "Model drift",
        "stability index",
        "money",
        "How far four weeks of predictions are from those of training: below 0.1 as then, above 0.25 others.",
        np.fmax,
    ),
)


def risk_panels(record: Record) -> Iterator[Panel]:
    """Delta first, then every ratio the mode has."""
    limits = limits_of(record.latest.config)
    yield _delta(record, limits["delta"] if _neutral(record) else [])
    risk = record.tables["risk"]
    for ratio in _RATIOS:
        rows = risk.filter(pc.equal(risk["dimension"], ratio.dimension))
        if rows["value"].null_count < rows.num_rows:
            stamps, lines = worst_of_step(rows, ratio.worse)
            colours = [venue_variable(venue) if venue else series_variable(0) for venue in lines]
            named = {venue or "book": values for venue, values in lines.items()}
            levels = limits[ratio.dimension]
            view = view_of("", ratio.unit, ratio.format, stamps, named, colours, levels=levels)
            yield Panel(ratio.dimension, ratio.title, ratio.note, [view])


def worst_of_step(rows: pa.Table, worse: Worse) -> tuple[IntArray, dict[str, FloatArray]]:
    """Values by venue: the worse of what the step found (its refresh) and of what it left (its last commit).

    What a plan passes through in between is in the table `risk` and not drawn.
    """
    stamps, closing = pivot(rows, "venue", "value")
    refreshed = rows.filter(pc.equal(rows["trigger"], Trigger.POSITION_REFRESH))
    if not refreshed.num_rows:
        return stamps, closing
    at, found = pivot(refreshed, "venue", "value")
    places = np.searchsorted(stamps, at)
    for venue, values in found.items():
        closing[venue][places] = worse(closing[venue][places], values)
    return stamps, closing


def _neutral(record: Record) -> bool:
    """Some month's delta was judged: a directional mode has a delta on purpose."""
    gates = (gate for month in record.months for gate in month.manifest.gates)
    return any(gate.gate == "delta_band" and gate.value is not None for gate in gates)


def _delta(record: Record, levels: list[Level]) -> Panel:
    steps = record.tables["timesteps"]
    stamps, equity = stamps_of(steps), column_of(steps, "equity_usd")
    net, excess, gross = (column_of(steps, f"{name}_usd") for name in ("net_delta", "excess_delta", "gross_exposure"))
    delta, name = (net, "net delta") if np.array_equal(net, excess) else (excess, "excess delta")
    relative = np.divide(delta, equity, out=np.full_like(equity, np.nan), where=equity > 0.0)

    def signed(unit: str, form: Format, values: FloatArray, span: float, at: list[Level]) -> View:
        lines, colours = {name: values}, ["--s0"]
        return view_of(unit, unit, form, stamps, lines, colours, filled="zero", zero=True, span=span, levels=at)

    note = "Signed exposure to price moves; for coin share classes measured against holding all equity in the coin."
    exposed = view_of("gross", "USD", "money", stamps, {"gross exposure": gross}, ["--s2"], zero=True)
    if np.nanmax(np.abs(relative), initial=0.0) < NO_DELTA:
        return Panel("delta", "Exposure", f"The {name} is nothing but rounding at every step's close.", [exposed], 260)
    views = [
        signed("of equity", "percent", relative, SMALL_DELTA, levels),
        signed("USD", "money", delta, SMALL_DELTA * float(equity[-1]), []),
        exposed,
    ]
    return Panel("delta", "Delta and exposure", note, views, 260)
