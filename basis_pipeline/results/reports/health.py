"""What to look at first: can the record be relied on, how close did it come to its limits, what made the profit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from basis_pipeline.domain.evidence import GateResult, GateStatus
from basis_pipeline.domain.records import Category
from basis_pipeline.results.reports.carry import CARRY
from basis_pipeline.results.reports.chart import column_of
from basis_pipeline.results.reports.evidence import mark
from basis_pipeline.results.reports.headline import category_sum
from basis_pipeline.results.reports.record import Record
from basis_pipeline.results.reports.text import Html, joined, money, percent, plain, tag, tiny
from basis_pipeline.results.store import broken_months

_VERDICTS = {
    GateStatus.PASSED: "Healthy: nothing to look at first",
    GateStatus.WARNED: "Usable, with something to look at",
    GateStatus.FAILED: "Do not rely on this record",
}
_WORST = tuple(GateStatus)
_SHOWN_GATES = 4


class Check(NamedTuple):
    """One line of the verdict: how it stands, what about, and what was found; `anchor` is where more is said."""

    status: GateStatus
    about: str
    said: str
    anchor: str


def verdict(record: Record) -> Html:
    """The box at the top of a page."""
    found = list(checks(record))
    worst = max((check.status for check in found), key=_WORST.index)
    lines = joined(
        tag("li", joined([mark(check.status), tag("a", check.about, href=f"#{check.anchor}"), tag("span", check.said)]))
        for check in found
    )
    heading = tag("p", _VERDICTS[worst], class_="verdict-title")
    content = joined([heading, tag("p", reading(record)), tag("ul", lines)])
    return tag("section", content, class_=f"verdict {worst}", aria_label="What to look at first")


def checks(record: Record) -> Iterator[Check]:
    """Every line of the verdict. Thresholds are those of the gates: a line is as bad as the gates on its subject."""
    yield _gates(record)
    yield _continuity(record)
    yield _freshness(record)
    yield _data(record)
    for risk in _RISKS:
        if (value := risk.figure(record)) is not None:
            yield Check(_worst(record, risk.gates), risk.about, risk.said(value), "risk")
    yield _books(record)


def reading(record: Record) -> str:
    """The return and where it came from, in one sentence; honest about the currency and about extrapolation."""
    found, currency = record.metrics, record.currency
    parts = {
        "carry": category_sum(found, *CARRY),
        "costs": category_sum(found, Category.TRANSACTION_COSTS, Category.LIQUIDATION),
    }
    parts["prices and the rest"] = (found["profit"] or 0.0) - sum(parts.values())
    sources = ", ".join(f"{money(value, currency)} from {name}" for name, value in parts.items())
    text = f"Profit {money(found['profit'], currency)} {currency}: {sources}."
    if currency not in ("USDT", "USD"):
        usd = percent(found["time_weighted_return_usd"])
        text += f" The return of {percent(found['time_weighted_return'])} is in {currency}; in USD it is {usd}."
    if record.origin.synthetic and not record.live:
        text += " The market data are synthetic: figures show that the software works, not what a market pays."
    return text


def _gates(record: Record) -> Check:
    found = [(gate, month.manifest.month) for month in record.months for gate in month.manifest.gates]
    loud = [(gate, month) for gate, month in found if gate.status is not GateStatus.PASSED]
    status = _worst_of([gate for gate, _ in found])
    if not found:
        return Check(GateStatus.WARNED, "Gates", "no gate has judged this record", "gates")
    if not loud:
        return Check(status, "Gates", f"all {len(found):,} verdicts passed", "gates")
    loud.sort(key=lambda pair: -_WORST.index(pair[0].status))
    named = [f"{gate.gate} {gate.status} in {month}" for gate, month in loud[:_SHOWN_GATES]]
    more = f" and {len(loud) - _SHOWN_GATES} more" if len(loud) > _SHOWN_GATES else ""
    return Check(status, "Gates", f"{', '.join(named)}{more}", "gates")


def _continuity(record: Record) -> Check:
    if broken := broken_months(record.months):
        said = f"not one record: {broken[0]} and later do not continue the months before; run them again"
        return Check(GateStatus.FAILED, "Record", said, "returns")
    whole = "every month starts from the state the month before ended in"
    return Check(GateStatus.PASSED, "Record", whole, "returns")


def _freshness(record: Record) -> Check:
    stale, shown = record.origin.stale, {month.manifest.month for month in record.months}
    if found := sorted(shown.intersection(stale or ())):
        said = f"{found[0]} and later would come out differently today: data, configuration or engine changed"
        return Check(GateStatus.FAILED, "Up to date", said, "configuration")
    if not record.latest.complete:
        said = f"{record.latest.month} is still open"
        said += "" if record.live else ": its data do not reach its last step"
        return Check(GateStatus.WARNED, "Up to date", said, "data")
    if record.live:
        return Check(GateStatus.PASSED, "Up to date", "every month shown is over", "configuration")
    known = "a run today would give the same" if stale is not None else "every month shown is complete"
    return Check(GateStatus.PASSED, "Up to date", known, "configuration")


def _data(record: Record) -> Check:
    if record.live:
        return Check(GateStatus.PASSED, "Market data", "prices as the session saw them, in its journal", "data")
    status = _worst(record, ("data_completeness", "fills_budget", "proxied_funding"))
    usages = [usage for month in record.months for usage in month.manifest.data_usage.series]
    used = sum(usage.rows for usage in usages)
    touched = {kind: sum(getattr(usage, kind) for usage in usages) for kind in ("filled", "proxied", "corrected")}
    named = ", ".join(f"{count:,} {kind}" for kind, count in touched.items() if count)
    kinds = f"{used:,} values used" + (f": {named}" if named else ", all as the vendors have them")
    stand_ins = len({text for month in record.months for text in month.manifest.data_usage.stand_ins})
    note = f"; {stand_ins} stand-in{'s' if stand_ins > 1 else ''}" if stand_ins else ""
    return Check(status, "Market data", kinds + note, "data")


def _books(record: Record) -> Check:
    residual = category_sum(record.metrics, Category.RESIDUAL) / abs(record.metrics["end_equity"] or 1.0)
    status = _worst(record, ("attribution_closes", "positions_fold", "chain_integrity"))
    failed = record.metrics["orders_failed"] or 0.0
    orders = "every order succeeded" if not failed else f"{plain(failed, 0)} orders did not succeed"
    return Check(status, "Books", f"unexplained profit {tiny(residual)} of equity; {orders}", "profit")


class _Risk(NamedTuple):
    """A figure of risk: where it comes from, the gates that judge it, and how it is said."""

    about: str
    gates: tuple[str, ...]
    figure: Callable[[Record], float | None]
    said: Callable[[float], str]


def _largest_delta(record: Record) -> float | None:
    steps = record.tables["timesteps"]
    equity, delta = column_of(steps, "equity_usd"), column_of(steps, "excess_delta_usd")
    return float(np.abs(np.divide(delta, equity, out=np.zeros_like(delta), where=equity > 0.0)).max())


_RISKS = (
    _Risk(
        "Margin",
        ("liquidation", "margin_floor", "margin_derisk"),
        lambda record: record.metrics["min_margin_ratio"],
        lambda value: f"lowest margin ratio {percent(value, 1)} of notional, before the step's orders",
    ),
    _Risk(
        "Debt",
        ("liquidation", "health_factor_floor", "health_factor_derisk"),
        lambda record: record.metrics["min_health_factor"],
        lambda value: f"lowest health factor {plain(value, 3)}, liquidation below 1",
    ),
    _Risk(
        "Delta",
        ("delta_band", "delta_drift"),
        _largest_delta,
        lambda value: f"at most {percent(value)} of equity exposed to prices at a step's close",
    ),
)


def _worst(record: Record, names: Sequence[str]) -> GateStatus:
    return _worst_of([gate for month in record.months for gate in month.manifest.gates if gate.gate in names])


def _worst_of(gates: Sequence[GateResult]) -> GateStatus:
    return max((gate.status for gate in gates), key=_WORST.index, default=GateStatus.PASSED)
