"""The figures of a report as text and tables: headline, returns by month, profit by source, positions held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pyarrow.compute as pc

from basis_pipeline.domain.records import Category
from basis_pipeline.results.reports.carry import CARRY
from basis_pipeline.results.reports.evidence import verdicts
from basis_pipeline.results.reports.record import Record
from basis_pipeline.results.reports.text import (
    DASH,
    Cell,
    Html,
    category_label,
    day,
    html,
    joined,
    money,
    percent,
    plain,
    quantity,
    table,
    tag,
    tiny,
    tone,
    toned,
)

_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_MONTHS_A_YEAR = len(_MONTH_NAMES)

NOTHING = 1e-9
"""Fraction of equity below which a sum is rounding, as the gate on the residual has it."""


class _Ratio(NamedTuple):
    """A column of the months table that only some modes have."""

    metric: str
    title: str
    written: Callable[[float | None], str]


_RATIOS = (
    _Ratio("min_margin_ratio", "Min margin ratio, at refresh", lambda value: percent(value, 1)),
    _Ratio("min_health_factor", "Min health factor, at refresh", lambda value: plain(value, 3)),
)


class Figure(NamedTuple):
    """A headline figure: its name, the figure, its unit, what stands beside it, and its tone."""

    name: str
    value: str
    unit: str
    beside: str
    tone: str = ""


def category_sum(figures: Mapping[str, float | None], *categories: Category, suffix: str = "") -> float:
    """Sum of the `pnl_*` figures of some categories."""
    return sum(figures.get(f"pnl_{category.removesuffix('_pnl')}{suffix}") or 0.0 for category in categories)


def cards(record: Record) -> Html:
    shown = [
        tag(
            "div",
            joined([tag("dt", figure.name), _value(figure), tag("dd", figure.beside, class_="beside")]),
            class_="card",
        )
        for figure in _figures(record)
    ]
    return tag("dl", joined(shown), class_="cards")


def _value(figure: Figure) -> Html:
    unit = joined([" ", tag("small", figure.unit)]) if figure.unit else Html("")
    return tag("dd", joined([figure.value, unit]), class_=f"value {figure.tone}".strip())


def _figures(record: Record) -> Iterator[Figure]:
    found, currency = record.metrics, record.currency
    total, carry = found["time_weighted_return"], category_sum(found, *CARRY)
    costs = category_sum(found, Category.TRANSACTION_COSTS, Category.LIQUIDATION)
    fell = " to ".join(dict.fromkeys(day(found[f"max_drawdown_{end}"]) for end in ("peak", "trough")))
    yield Figure("Return", percent(total), "", f"{percent(found['time_weighted_return_usd'])} in USD", tone(total))
    if found["flows_since_start"]:
        money_weighted = found["money_weighted_return"]
        beside = f"{percent(found['money_weighted_return_usd'])} in USD"
        yield Figure("Money-weighted return", percent(money_weighted), "", beside, tone(money_weighted))
    months = len(record.months)
    short = f"extrapolated from {months} month{'s' * (months > 1)}; " if months < _MONTHS_A_YEAR else ""
    if found["cagr"] is None:
        short = "less than a week; "
    yield Figure("CAGR", percent(found["cagr"]), "", f"{short}{percent(found['cagr_usd'])} in USD", tone(found["cagr"]))
    yield Figure("Max drawdown", percent(found["max_drawdown"]), "", fell)
    yield Figure("Sharpe", plain(found["sharpe"]), "", f"Sortino {plain(found['sortino'])}")
    yield Figure("Volatility", percent(found["volatility"]), "a year", "of daily returns")
    end_usd = f"{money(found['end_equity_usd'], 'USD')} USD"
    yield Figure("Equity at the end", money(found["end_equity"], currency), currency, end_usd)
    yield Figure(
        "Profit",
        money(found["profit"], currency),
        currency,
        f"{money(found['profit_usd'], 'USD')} USD",
        tone(found["profit"]),
    )
    yield Figure("Carry", money(carry, currency), currency, "funding, net yield", tone(carry))
    yield Figure("Costs", money(costs, currency), currency, f"turnover {plain(found['turnover'])} x", tone(costs))
    yield Figure("Orders", plain(found["orders"], 0), "", f"{plain(found['orders_failed'], 0)} did not succeed")
    yield _closest_call(found)
    yield Figure("Time in market", percent(found["time_in_market"], 1), "", "share of steps")


def _closest_call(figures: Mapping[str, float | None]) -> Figure:
    if figures["min_health_factor"] is not None:
        return Figure("Lowest health factor", plain(figures["min_health_factor"], 3), "", "at a refresh")
    if figures["min_margin_ratio"] is not None:
        return Figure("Lowest margin ratio", percent(figures["min_margin_ratio"], 1), "", "at a refresh, any venue")
    return Figure("Margin and debt", "none", "", "neither perps nor debt")


# Months


def returns_table(record: Record) -> Html:
    """Returns by year and month; the last column compounds the months shown."""
    returns = {
        month.manifest.month: figures["time_weighted_return"] or 0.0
        for month, figures in zip(record.months, record.by_month, strict=True)
    }
    largest = max(map(abs, returns.values())) or 1.0
    rows = []
    for year in sorted({month[:4] for month in returns}):
        growth = 1.0
        cells: list[object] = [year]
        for number in range(1, 13):
            value = returns.get(f"{year}-{number:02d}")
            growth *= 1.0 + (value or 0.0)
            cells.append(heat(value, largest))
        rows.append([*cells, toned(growth - 1.0, percent(growth - 1.0))])
    return table(["", *_MONTH_NAMES, "Year"], rows, "k" + "n" * 13, class_="data heat")


def heat(value: float | None, largest: float) -> Html:
    """A cell with a return on a shade between nothing and `largest`."""
    if value is None:
        return Cell('<td class="n quiet"></td>')
    shade = 0.06 + 0.34 * min(abs(value) / largest, 1.0)
    colour = "gain" if value >= 0.0 else "loss"
    background = f"background:color-mix(in srgb, var(--{colour}) {shade:.0%}, transparent)"
    return Cell(f'<td class="n" style="{background}">{html(percent(value))}</td>')


def months_table(record: Record) -> Html:
    """One row per month; ratios that no month has are left out."""
    currency = record.currency
    ratios = [ratio for ratio in _RATIOS if any(found[ratio.metric] is not None for found in record.by_month)]
    rows = []
    for month, found in zip(record.months, record.by_month, strict=True):
        rows.append(
            [
                month.manifest.month + ("" if month.manifest.complete else " (open)"),
                toned(found["time_weighted_return"], percent(found["time_weighted_return"])),
                money(found["end_equity"], currency),
                percent(found["max_drawdown"]),
                money(category_sum(found, *CARRY), currency),
                money(category_sum(found, Category.TRANSACTION_COSTS), currency),
                plain(found["orders"], 0),
                *(ratio.written(found[ratio.metric]) for ratio in ratios),
                joined(verdicts(month.manifest.gates), " "),
                tag("code", month.generation),
            ]
        )
    sums = (f"Carry, {currency}", f"Costs, {currency}", "Orders", *(ratio.title for ratio in ratios))
    head = ("Month", "Return", f"Equity, {currency}", "Max drawdown", *sums, "Gates", "Generation")
    return table(head, rows, "knnnnnn" + "n" * len(ratios) + "kk")


def attribution_table(record: Record) -> Html:
    """What made the profit; a source that is nothing in both currencies is left out, so each column adds up."""
    profit, currency = record.metrics["profit"] or 0.0, record.currency
    ends = [abs(record.metrics[f"end_equity{suffix}"] or 0.0) for suffix in ("", "_usd")]
    rows = []
    for category in Category:
        amount, usd = (category_sum(record.metrics, category, suffix=suffix) for suffix in ("", "_usd"))
        swatch = Html(f'<span class="swatch" style="background:var(--{category})"></span>')
        name = swatch + category_label(category)
        if any(abs(part) > NOTHING * end for part, end in zip((amount, usd), ends, strict=True)):
            share = percent(amount / profit, 1) if profit else DASH
            rows.append([name, toned(amount, money(amount, currency)), money(usd, "USD"), share])
        elif category is Category.RESIDUAL:
            rows.append([name, tiny(amount), tiny(usd), ""])
    foot = ["sum", money(profit, currency), money(record.metrics["profit_usd"], "USD"), percent(1.0, 1)]
    return table(["Source", currency, "USD", "of profit"], rows, "knnn", foot=foot)


def closing_positions(record: Record) -> Html:
    """What is held at the end."""
    positions = record.tables["positions"]
    last = pc.max(positions["timestamp"])
    rows = [
        [
            row["position_key"],
            quantity(row["quantity"]),
            quantity(row["underlying_quantity"]) if row["underlying_quantity"] != row["quantity"] else "",
            money(row["entry_price"], "USDT") if row["entry_price"] is not None else "",
            toned(min(row["value_usd"], 0.0), money(row["value_usd"], "USD")),
        ]
        for row in positions.filter(pc.equal(positions["timestamp"], last)).to_pylist()
        if row["quantity"]
    ]
    value = record.metrics["end_equity_usd"]
    foot = ["equity", "", "", "", money(value, "USD")]
    return table(["Position", "Quantity", "Token units", "Entry, USDT", "Value, USD"], rows, "knnnn", foot=foot)
