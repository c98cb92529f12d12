"""For every gate, months with one defect that it has to find."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import NamedTuple

import msgspec

from basis_pipeline.domain.records import CATEGORIES, Category
from basis_pipeline.domain.state import PositionState
from basis_pipeline.domain.timeline import HOUR, from_micros, month_start
from basis_pipeline.gates.evidence import GateThresholds, MonthEvidence
from basis_pipeline_tests.gates.bookkeeping import BASIS, CASH, COIN, PERP
from basis_pipeline_tests.gates.books import IdleBook, LateBook, LendingBook, MintedOneToOne
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
    without,
)
from basis_pipeline_tests.gates.months import SERIES, basis_months, lending_month


class Exhibit(NamedTuple):
    gate: str
    label: str
    month: str
    defect: Defect


@cache
def clean(month: str) -> MonthEvidence:
    if month == "lending":
        return lending_month()
    opening, following = basis_months()
    return {"opening": opening, "following": following}[month]


def moment(hour: int) -> datetime:
    """The naive UTC stamp, as the tables have it, of an hour of January."""
    return from_micros(month_start("2024-01") + hour * HOUR).replace(tzinfo=None)


def position_row(hour: int, key: str) -> int:
    return hour * len(BASIS) + BASIS.slot(key)


def category_row(hour: int, category: Category) -> int:
    return hour * len(CATEGORIES) + CATEGORIES.index(category)


def _is(column: str, value: object) -> Callable[[Row], bool]:
    return lambda row: row[column] == value


def _dropped(column: str, value: object) -> Edit:
    return lambda rows: [row for row in rows if row[column] != value]


def _repeated(number: int) -> Edit:
    return lambda rows: [*rows[: number + 1], *rows[number:]]


def _moved_to_residual(rows: list[Row]) -> list[Row]:
    """A millionth of equity of the price effect in hour 300 is not explained, and the sum still closes."""
    rows = add(category_row(300, Category.DELTA), pnl=-0.1)(rows)
    return add(category_row(300, Category.RESIDUAL), pnl=0.1)(rows)


def _previous_position(key: str, quantity: float, entry_price: float = 0.0) -> Defect:
    held = clean("following").previous.positions
    return in_part("previous", positions=held | {key: PositionState(quantity, entry_price)})


def _previous_pnl(**changes: float) -> Defect:
    return in_part("previous", pnl=msgspec.structs.replace(clean("following").previous.pnl, **changes))


def _state_pnl(**changes: float) -> Defect:
    return in_part("state", pnl=msgspec.structs.replace(clean("opening").state.pnl, **changes))


def _usage(**changes: object) -> Defect:
    return in_evidence(usage=msgspec.structs.replace(clean("opening").usage, **changes))


def _lending(kind: type[LendingBook]) -> Defect:
    return lambda _: lending_month(kind)


def _exhibits() -> list[Exhibit]:
    return [
        *_capital_exhibits(),
        *_chain_exhibits(),
        *_attribution_exhibits(),
        *_continuity_exhibits(),
        *_position_exhibits(),
        *_risk_exhibits(),
        *_data_exhibits(),
        *_yield_exhibits(),
    ]


def _capital_exhibits() -> list[Exhibit]:
    gate, none = "initial_capital", at(0, delta_amount=0.0)
    late_entry = in_table("orders", where(_is("timestamp", moment(0)), timestamp=moment(1)))
    all_failed = in_table("orders", where(lambda _: True, status="failure"))
    nothing = both(in_table("deltas", none), in_part("profile", initial_capital=0.0))
    failed_entry = in_table("orders", where(lambda row: row["operation_id"] <= 3, status="failure"))
    return [
        Exhibit(gate, "no capital", "opening", in_table("deltas", without(0))),
        Exhibit(gate, "other capital", "opening", in_table("deltas", add(0, delta_amount=1e-3))),
        Exhibit(gate, "zero, as configured", "opening", nothing),
        Exhibit(gate, "an hour late", "opening", in_table("deltas", at(0, timestamp=moment(1)))),
        Exhibit(gate, "funded again", "following", in_table("deltas", at(0, source="initial"))),
        Exhibit(gate, "null", "opening", in_table("deltas", at(0, delta_amount=float("nan")))),
        Exhibit("first_loop_action", "entry failed", "opening", failed_entry),
        Exhibit("first_loop_action", "an hour late", "opening", late_entry),
        Exhibit("no_order_in_month", "no order", "following", in_table("orders", lambda _: [])),
        Exhibit("no_order_in_month", "all failed", "following", all_failed),
    ]


def _chain_exhibits() -> list[Exhibit]:
    timesteps = {
        "timestep missing": without(300),
        "last timestep missing": without(-1),
        "closed twice": _repeated(300),
        "closed off the grid": at(300, timestamp=moment(300).replace(second=1)),
        "closed in another month": at(0, timestamp=moment(-1)),
        "closed with an earlier commit": at(0, sequence=2),
    }
    commits = {
        "commit without exposure": in_table("exposures", _dropped("sequence", 400)),
        "commit without risk": in_table("risk", _dropped("sequence", 400)),
        "not refreshed first": in_table("exposures", where(_is("sequence", 400), trigger="execution_manager")),
        "back in time": in_table("exposures", where(_is("sequence", 400), timestamp=moment(3))),
        "commits beyond the checkpoint": in_part("state", sequence=700),
        "checkpoint beyond the commits": in_part("state", sequence=1_000),
        "position row missing": in_table("positions", without(1_000)),
        "position row twice": in_table("positions", _repeated(1_000)),
        "all attribution of a step missing": in_table("pnl_attribution", _dropped("timestamp", moment(300))),
    }
    gate = "chain_integrity"
    return [
        *(Exhibit(gate, label, "opening", in_table("timesteps", edit)) for label, edit in timesteps.items()),
        *(Exhibit(gate, label, "opening", defect) for label, defect in commits.items()),
        Exhibit(gate, "gap to the checkpoint", "following", in_part("previous", sequence=748)),
    ]


def _attribution_exhibits() -> list[Exhibit]:
    attribution = {
        "residual in a step": _moved_to_residual,
        "residual that creeps": where(_is("category", Category.RESIDUAL), pnl=5e-6),
        "category forgotten": where(_is("category", Category.FUNDING), pnl=0.0),
        "category forgotten in USD": where(_is("category", Category.FUNDING), pnl_usd=0.0),
        "missing number": at(category_row(300, Category.DELTA), pnl=float("nan")),
        "missing row": without(category_row(300, Category.DELTA)),
    }
    timesteps = {
        "equity from nowhere": add(300, equity_share_class=1e-3),
        "USD from nowhere": add(300, equity_usd=1e-3),
        "flow that did not flow": add(300, flow=1e-3),
        "profit that was not made": add(300, step_pnl=1e-3),
    }
    gate = "attribution_closes"
    return [
        *(Exhibit(gate, label, "opening", in_table("pnl_attribution", edit)) for label, edit in attribution.items()),
        *(Exhibit(gate, label, "opening", in_table("timesteps", edit)) for label, edit in timesteps.items()),
        Exhibit(gate, "equity jumps between months", "following", _previous_pnl(equity=99_000.0)),
    ]


def _continuity_exhibits() -> list[Exhibit]:
    gate, held = "state_continuity", clean("following").previous.positions
    before = {
        "no checkpoint": in_evidence(previous=None),
        "other configuration": in_part("previous", config_digest="decaf"),
        "other mode": in_part("previous", mode="eth_basis"),
        "a month left out": in_part("previous", timestamp=month_start("2024-01") - HOUR),
        "other quantity": _previous_position(COIN, held[COIN].quantity + 1e-9),
        "other entry price": _previous_position(PERP, held[PERP].quantity, 39_000.0),
        "position not declared any more": _previous_position("okx:Perp:BTCUSDT", -1.0, 40_000.0),
        "cumulative P&L starts anew": _previous_pnl(cumulative=0.0),
        "cumulative P&L in USD starts anew": _previous_pnl(cumulative_usd=0.0),
    }
    state = clean("opening").state
    other_cash = {**state.positions, CASH: PositionState(1.0, 0.0)}
    after = {
        "opening with a past": in_evidence(previous=state),
        "cumulative P&L jumps": in_table("timesteps", add(300, cumulative_pnl=1e-3)),
        "checkpoint of another step": in_part("state", timestamp=state.timestamp - HOUR),
        "checkpoint with other positions": in_part("state", positions=other_cash),
        "checkpoint with other equity": _state_pnl(equity=1.0),
        "checkpoint with other P&L in USD": _state_pnl(cumulative_usd=1.0),
    }
    return [
        *(Exhibit(gate, label, "following", defect) for label, defect in before.items()),
        *(Exhibit(gate, label, "opening", defect) for label, defect in after.items()),
        Exhibit("determinism_digest", "other configuration", "opening", in_part("state", config_digest="decaf")),
        Exhibit("determinism_digest", "second run differs", "opening", in_evidence(second_digest="0" * 64)),
    ]


def _position_exhibits() -> list[Exhibit]:
    deltas = {
        "delta missing": without(5),
        "delta at another position": at(5, position_key=CASH),
        "delta never closed": at(-1, timestamp=moment(31 * 24)),
        "delta twice": _repeated(5),
    }
    coin = position_row(300, COIN)
    return [
        *(Exhibit("positions_fold", label, "opening", in_table("deltas", edit)) for label, edit in deltas.items()),
        Exhibit("positions_fold", "quantity altered", "opening", in_table("positions", add(coin, quantity=1e-9))),
        Exhibit("positions_fold", "other past", "following", _previous_position(COIN, 1.0)),
        Exhibit("no_negative_quantity", "spot sold short", "opening", in_table("positions", at(coin, quantity=-1e-9))),
        Exhibit("no_negative_quantity", "unknown", "opening", in_table("positions", at(coin, quantity=float("nan")))),
    ]


def _risk_exhibits() -> list[Exhibit]:
    def timestep(gate: str, label: str, **changes: object) -> Exhibit:
        return Exhibit(gate, label, "opening", in_table("timesteps", at(300, **changes)))

    coin = both(in_part("profile", coin_share_class=True), in_table("timesteps", at(300, excess_delta_usd=9_000.0)))
    return [
        Exhibit("liquidation", "liquidated", "opening", in_table("deltas", at(20, source="liquidation"))),
        timestep("delta_band", "long", net_delta_usd=5_100.0),
        timestep("delta_band", "short", net_delta_usd=-5_100.0),
        timestep("delta_band", "unknown", net_delta_usd=float("nan")),
        timestep("delta_band", "bankrupt", net_delta_usd=-1.0, equity_usd=-1.0),
        Exhibit("delta_band", "coin share class", "opening", coin),
        timestep("delta_drift", "long", net_delta_usd=2_100.0),
        timestep("margin_floor", "low", min_margin_ratio=0.1199),
        timestep("margin_floor", "unknown", min_margin_ratio=float("nan")),
        timestep("margin_derisk", "low", min_margin_ratio=0.1999),
        timestep("health_factor_floor", "low", min_health_factor=1.0499),
        timestep("health_factor_derisk", "low", min_health_factor=1.1199),
    ]


def _data_exhibits() -> list[Exhibit]:
    complete = "data_completeness"
    return [
        Exhibit(complete, "series missing", "opening", _usage(series=clean("opening").usage.series[:1])),
        Exhibit(complete, "series without values", "opening", in_series(1, rows=0)),
        Exhibit(complete, "series not declared", "opening", in_part("profile", required_series=SERIES[:1])),
        Exhibit(complete, "series cut off", "opening", in_series(0, complete=False)),
        Exhibit("fills_budget", "much filled", "opening", in_series(0, filled=38)),
        Exhibit("proxied_funding", "one estimate", "opening", in_series(1, proxied=1)),
    ]


def _yield_exhibits() -> list[Exhibit]:
    paying = in_table("pnl_attribution", where(_is("category", Category.FUNDING), pnl=-0.01))
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


GALLERY = tuple(_exhibits())
