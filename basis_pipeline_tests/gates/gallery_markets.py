"""Exhibits of the gates on risk, data and earnings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import msgspec
import numpy as np

from basis_pipeline.domain.records import Category
from basis_pipeline.gates.evidence import GateThresholds, MonthEvidence
from basis_pipeline_tests.gates.bookkeeping import PERP
from basis_pipeline_tests.gates.books import IdleBook, LateBook, LendingBook, MintedOneToOne, OvervaluedStack
from basis_pipeline_tests.gates.defects import (
    Defect,
    Edit,
    Row,
    add,
    at,
    both,
    in_evidence,
    in_part,
    in_series,
    in_table,
    where,
)
from basis_pipeline_tests.gates.exhibits import (
    Exhibit,
    category_row,
    clean,
    is_,
    moment,
)
from basis_pipeline_tests.gates.months import SERIES, lending_month, staking_month


def _usage(**changes: object) -> Defect:
    return in_evidence(usage=msgspec.structs.replace(clean("opening").usage, **changes))


def _lending(kind: type[LendingBook]) -> Defect:
    return lambda _: lending_month(kind)


def risk_exhibits() -> list[Exhibit]:
    def timestep(gate: str, label: str, **changes: object) -> Exhibit:
        return Exhibit(gate, label, "opening", in_table("timesteps", at(300, **changes)))

    coin = both(in_part("profile", coin_share_class=True), in_table("timesteps", at(300, excess_delta_usd=9_000.0)))
    return [
        Exhibit("liquidation", "liquidated", "opening", in_table("deltas", at(20, source="liquidation"))),
        timestep("delta_band", "long", net_delta_usd=5_100.0),
        timestep("delta_band", "short", net_delta_usd=-5_100.0),
        timestep("delta_band", "unknown", net_delta_usd=float("nan")),
        timestep("delta_band", "bankrupt", net_delta_usd=-1.0, equity_usd=-90_000.0),
        Exhibit("delta_band", "coin share class", "opening", coin),
        timestep("delta_drift", "long", net_delta_usd=2_100.0),
        timestep("margin_floor", "low", min_margin_ratio=0.1199),
        timestep("margin_floor", "unknown", min_margin_ratio=float("nan")),
        timestep("margin_derisk", "low", min_margin_ratio=0.1999),
        timestep("health_factor_floor", "low", min_health_factor=1.0499),
        timestep("health_factor_derisk", "low", min_health_factor=1.1199),
        timestep("risk_recomputed", "another delta", net_delta_usd=1e-3),
        timestep("risk_recomputed", "another equity", equity_usd=100_000.0),
        timestep("risk_recomputed", "another margin ratio", min_margin_ratio=0.5),
        timestep("risk_recomputed", "no margin ratio", min_margin_ratio=None),
        Exhibit("risk_recomputed", "mark of another venue", "opening", _in_market(mark=1.0001)),
        Exhibit("risk_recomputed", "price of another day", "opening", _in_market(price=1.0001), "sum of values"),
        Exhibit(
            "risk_recomputed", "a value moved", "opening", in_table("positions", _moved_value), "value of a position"
        ),
    ]


def data_exhibits() -> list[Exhibit]:
    complete = "data_completeness"
    return [
        Exhibit(complete, "series missing", "opening", _usage(series=clean("opening").usage.series[:1])),
        Exhibit(complete, "series without values", "opening", in_series(1, rows=0)),
        Exhibit(complete, "series not declared", "opening", in_part("profile", required_series=SERIES[:1])),
        Exhibit(complete, "series cut off", "opening", in_series(0, complete=False)),
        Exhibit("fills_budget", "much filled", "opening", in_series(0, filled=38)),
        Exhibit("proxied_funding", "one estimate", "opening", in_series(1, proxied=1)),
        Exhibit("slippage_stated", "an order too large", "opening", in_table("events", _oversized)),
    ]


def _moved_value(rows: list[Row]) -> list[Row]:
    """One USD of the first position of an hour stated at the second: their sum is right."""
    return add(1201, value_usd=-1.0)(add(1200, value_usd=1.0)(rows))


def fill_exhibits() -> list[Exhibit]:
    gate = "fills_at_market"

    def trade(label: str, month: str, **factors: float) -> Exhibit:
        """A book's perp trades with columns multiplied."""
        return Exhibit(gate, label, month, in_table("deltas", _filled(**factors)))

    return [
        trade("reference of another moment", "opening", reference_price=1.0001, price=1.0001),
        trade("slippage that pays", "opening", price=1.0001),
        trade("reference not a number", "directional", reference_price=float("nan")),
        Exhibit(gate, "last price of another venue", "opening", _in_market(last=0.9999)),
        Exhibit(gate, "last price of another venue, spot", "following", _in_market(last=0.9999)),
        Exhibit(
            gate,
            "a stop outside its bar",
            "directional",
            in_table("deltas", lambda rows: _filled(reference_price=0.998, price=0.998)(_stopped(rows))),
        ),
    ]


def _stopped(rows: list[Row]) -> list[Row]:
    return where(is_("position_key", PERP), source="stop_loss")(rows)


def _filled(**factors: float) -> Edit:
    def edit(rows: list[Row]) -> list[Row]:
        return [
            row | {name: row[name] * factor for name, factor in factors.items()} if row["position_key"] == PERP else row
            for row in rows
        ]

    return edit


def _oversized(rows: list[Row]) -> list[Row]:
    """The audit trail with the event of an order beyond the stated sizes."""
    event = {"event_type": "slippage_extrapolated", "severity": "warning", "message": "3,000,000 USD", "payload": "{}"}
    return [*rows, event | {"sequence": len(rows) + 1, "timestamp": moment(0)}]


def _in_market(**factors: float) -> Defect:
    """A market in which some column is a multiple of what the book was run on."""

    def plant(evidence: MonthEvidence) -> MonthEvidence:
        changed = {name: getattr(evidence.market, name) * factor for name, factor in factors.items()}
        return replace(evidence, market=evidence.market._replace(**changed))

    return plant


def _settlement(edit: Callable[[Row], Row | None]) -> Edit:
    """Changes, or takes away, the tenth funding settlement."""

    def spoil(rows: list[Row]) -> list[Row]:
        place = [number for number, row in enumerate(rows) if row["source"] == "funding"][9]
        changed = edit(rows[place])
        return [*rows[:place], *([] if changed is None else [changed]), *rows[place + 1 :]]

    return spoil


def funding_exhibits() -> list[Exhibit]:
    gate = "funding_paid"
    defects: dict[str, Callable[[Row], Row | None]] = {
        "not paid": lambda _: None,
        "paid to the wrong side": lambda row: row | {"delta_amount": -row["delta_amount"]},
        "paid on the last price": lambda row: row | {"delta_amount": row["delta_amount"] * 1.0002},
        "paid an hour late": lambda row: row | {"timestamp": row["timestamp"] + timedelta(hours=1)},
    }
    return [
        *(Exhibit(gate, label, "opening", in_table("deltas", _settlement(edit))) for label, edit in defects.items()),
        Exhibit(gate, "another rate", "opening", _in_market(funding=2.0)),
        Exhibit(gate, "rate of the other sign", "following", _in_market(funding=-1.0)),
    ]


def profit_exhibits() -> list[Exhibit]:
    prices = in_table("pnl_attribution", add(category_row(300, Category.DELTA), pnl=600.0))
    return [
        Exhibit("stack_growth", "valued too high", "staking", lambda _: staking_month(OvervaluedStack)),
        Exhibit("stack_growth", "another ratio", "staking", _in_market(underlying=2.0)),
        Exhibit("price_profit", "a bet on the price", "opening", prices),
        Exhibit(
            "directional_bound", "more than it held", "directional", in_table("timesteps", add(300, step_pnl=500.0))
        ),
        Exhibit("directional_bound", "prices stood still", "directional", _frozen_market),
    ]


def _frozen_market(evidence: MonthEvidence) -> MonthEvidence:
    first = evidence.market.mark[:1]
    return replace(evidence, market=evidence.market._replace(mark=np.repeat(first, len(evidence.market.mark), axis=0)))


def yield_exhibits() -> list[Exhibit]:
    paying = in_table("pnl_attribution", where(is_("category", Category.FUNDING), pnl=-0.01))
    gate = "lending_growth"
    return [
        Exhibit("carry_bound", "pays funding", "opening", paying),
        Exhibit(
            "carry_bound",
            "earns too little",
            "opening",
            in_part("profile", thresholds=GateThresholds(carry_bound=0.08)),
        ),
        Exhibit(gate, "minted one to one", "lending", _lending(MintedOneToOne)),
        Exhibit(gate, "nothing supplied", "lending", _lending(IdleBook)),
        Exhibit(gate, "supplied four days late", "lending", _lending(LateBook)),
        Exhibit(gate, "half supplied", "lending", in_part("profile", supplied_fraction=0.5)),
    ]
