"""Figures of a month or a record as the UI shows them: pictures, numbers it plots over months, tables, links."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import dagster as dg

from basis_pipeline.domain.evidence import GateResult, GateStatus
from basis_pipeline.domain.timeline import SECOND
from basis_pipeline.domain.timings import Timing
from basis_pipeline.results.metrics import EPOCH, Metric, stamps_of
from basis_pipeline.results.reports.pictures import equity_svg, spark_svg
from basis_pipeline.results.reports.text import moment, quantity
from basis_pipeline.results.store import PublishedMonth, month_digest
from basis_pipeline.runs.backtest import MonthOutcome
from basis_pipeline.runs.records import RecordSummary
from basis_pipeline.runs.reports import address
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.locations import Location

Metadata = dict[str, dg.MetadataValue]


class _Figure(NamedTuple):
    label: str
    metric: str
    scale: float = 1.0
    amount: bool = False


_FIGURES = (
    _Figure("return (%)", "time_weighted_return", 100.0),
    _Figure("money-weighted return (%)", "money_weighted_return", 100.0),
    _Figure("max drawdown (%)", "max_drawdown", 100.0),
    _Figure("end equity", "end_equity", amount=True),
    _Figure("profit", "profit", amount=True),
    _Figure("funding", "pnl_funding", amount=True),
    _Figure("supply yield", "pnl_supply_yield", amount=True),
    _Figure("staking yield", "pnl_staking_yield", amount=True),
    _Figure("staking rewards", "pnl_staking_rewards", amount=True),
    _Figure("borrow costs", "pnl_borrow_costs", amount=True),
    _Figure("basis P&L", "pnl_basis", amount=True),
    _Figure("transaction costs", "pnl_transaction_costs", amount=True),
    _Figure("lowest margin ratio at a refresh", "min_margin_ratio"),
    _Figure("lowest health factor at a refresh", "min_health_factor"),
    _Figure("orders", "orders"),
)


def page_link(workspace: Workspace, page: Location) -> dg.MetadataValue:
    """A link that opens the page where a server shows it, else its path."""
    url = address(workspace, page)
    return dg.MetadataValue.url(url) if url else dg.MetadataValue.path(str(page))


def month_metadata(outcome: MonthOutcome) -> Metadata:
    """What a person wants to know of one month; amounts are in its share class."""
    published = outcome.published
    manifest = published.manifest
    metrics = {metric.metric: metric.value for metric in outcome.metrics}
    steps = outcome.tables["timesteps"]
    equity = steps["equity_share_class"].to_numpy()
    return {
        "equity": picture(spark_svg(equity)),
        "equity and drawdowns": picture(equity_svg(stamps_of(steps).astype(float), equity)),
        **_figures(metrics, manifest.share_class),
        "share class": dg.MetadataValue.text(manifest.share_class),
        "month complete": dg.MetadataValue.bool(manifest.complete),
        "gates": dg.MetadataValue.table([_gate(gate) for gate in _telling(manifest.gates)]),
        "market data": dg.MetadataValue.table(_usage(published)),
        "all figures": dg.MetadataValue.table([_metric(metric, manifest.share_class) for metric in outcome.metrics]),
        "timings": timing_table(manifest.timings.items()),
        "content digest": dg.MetadataValue.text(month_digest(published)),
        "dagster/row_count": dg.MetadataValue.int(sum(file.rows for file in published.publication.files)),
    }


def record_metadata(record: RecordSummary) -> Metadata:
    """What a person wants to know of a whole record."""
    return {
        "months": dg.MetadataValue.text(f"{record.first} to {record.last} ({record.months})"),
        **_figures(record.metrics, record.share_class),
        "CAGR (%)": _rounded(100.0 * (record.metrics["cagr"] or 0.0)),
        "share class": dg.MetadataValue.text(record.share_class),
        "gates": dg.MetadataValue.text(
            f"{record.gates.passed} passed, {record.gates.warned} warned, {record.gates.failed} failed"
        ),
        "stale months": dg.MetadataValue.text(", ".join(record.stale) or "none"),
    }


def _figures(metrics: Mapping[str, float | None], share_class: str) -> Metadata:
    """Numbers that the UI plots over months; sources of profit that a mode does not have are left out."""
    found: Metadata = {}
    for figure in _FIGURES:
        value = metrics.get(figure.metric)
        if value is not None and (value or not figure.metric.startswith("pnl_")):
            label = f"{figure.label} ({share_class})" if figure.amount else figure.label
            found[label] = _rounded(value * figure.scale)
    return found


def _metric(metric: Metric, share_class: str) -> dg.TableRecord:
    """Eight digits; a moment as a person reads it, an amount in the currency that it is in."""
    unit, value = share_class if metric.unit == "share class" else metric.unit, quantity(metric.value)
    if metric.unit == EPOCH:
        unit, value = "UTC", moment(None if metric.value is None else int(metric.value * SECOND))
    return dg.TableRecord({"figure": metric.metric, "value": value, "unit": unit, "is": metric.description})


def _rounded(value: float) -> dg.MetadataValue:
    """Eight digits; the exact value is in the tables."""
    return dg.MetadataValue.float(float(f"{value:.8g}"))


def picture(svg: str, of: str = "equity") -> dg.MetadataValue:
    """The UI shows up to 1,000 characters of markdown in place and the rest in a dialog."""
    return dg.MetadataValue.md(f"![{of}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})")


def _telling(gates: Iterable[GateResult]) -> list[GateResult]:
    """Those that apply to the mode, violated ones first; without a number a gate that passed did not apply."""
    applied = [gate for gate in gates if gate.value is not None or gate.status is not GateStatus.PASSED]
    return sorted(applied, key=lambda gate: gate.status is GateStatus.PASSED)


def _gate(gate: GateResult) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "gate": gate.gate,
            "status": gate.status.value,
            "found": gate.message,
            "threshold": gate.threshold,
        }
    )


def timing_table(timings: Iterable[tuple[str, Timing]]) -> dg.MetadataValue:
    """How long the parts of timesteps and orders took, by name, against what they may take."""
    rows: list[dict[str, str | int]] = [
        {
            "phase": str(name),
            "times": timing.count,
            "mean (ms)": _milliseconds(timing.mean),
            "median (ms)": _milliseconds(timing.median),
            "95% (ms)": _milliseconds(timing.p95),
            "longest (ms)": _milliseconds(timing.worst),
            "budget (ms)": _milliseconds(timing.budget),
            "over budget": "" if timing.over is None else f"{timing.over:,}",
        }
        for name, timing in timings
    ]
    columns = [dg.TableColumn(name) for name in rows[0]] if rows else []
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], dg.TableSchema(columns))


def _usage(published: PublishedMonth) -> list[dg.TableRecord]:
    return [
        dg.TableRecord(
            {
                "series": series.name,
                "values": series.rows,
                "filled": series.filled,
                "proxied": series.proxied,
                "corrected": series.corrected,
                "complete": series.complete,
            }
        )
        for series in published.manifest.data_usage.series
    ]


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{1e3 * seconds:.4g}"
