"""Exhibits of the gates on capital, action, profit and positions."""

from __future__ import annotations

from basis_pipeline.domain.records import Category
from basis_pipeline.gates.evidence import RESIDUAL
from basis_pipeline_tests.gates.bookkeeping import CAPITAL, CASH, COIN
from basis_pipeline_tests.gates.defects import (
    Edit,
    Row,
    add,
    at,
    both,
    in_part,
    in_table,
    where,
    without,
)
from basis_pipeline_tests.gates.exhibits import (
    Exhibit,
    category_row,
    clean,
    is_,
    moment,
    position_row,
    previous_pnl,
    previous_position,
    repeated,
)


def capital_exhibits() -> list[Exhibit]:
    gate, none = "initial_capital", at(0, delta_amount=0.0)
    late_entry = in_table("orders", where(is_("timestamp", moment(0)), timestamp=moment(1)))
    all_failed = in_table("orders", where(lambda _: True, status="failure"))
    no_orders, directional = in_table("orders", lambda _: []), in_part("profile", directional=True)
    nothing = both(in_table("deltas", none), in_part("profile", initial_capital=0.0))
    failed_entry = in_table("orders", where(lambda row: row["operation_id"] <= 3, status="failure"))
    only_moved = in_table("orders", where(lambda row: row["operation"] != "transfer", timestamp=moment(1)))
    return [
        Exhibit(gate, "no capital", "opening", in_table("deltas", without(0))),
        Exhibit(gate, "other capital", "opening", in_table("deltas", add(0, delta_amount=1e-3))),
        Exhibit(gate, "zero, as configured", "opening", nothing),
        Exhibit(gate, "an hour late", "opening", in_table("deltas", at(0, timestamp=moment(1)))),
        Exhibit(gate, "funded again", "following", in_table("deltas", at(0, source="initial"))),
        Exhibit(gate, "null", "opening", in_table("deltas", at(0, delta_amount=float("nan")))),
        Exhibit("first_loop_action", "entry failed", "opening", failed_entry),
        Exhibit("first_loop_action", "an hour late", "opening", late_entry),
        Exhibit("no_order_in_month", "no order", "following", both(no_orders, directional)),
        Exhibit("no_order_in_month", "all failed", "following", both(all_failed, directional)),
        Exhibit("first_loop_action", "only funds moved", "opening", only_moved),
        Exhibit("orders_succeed", "trade failed", "opening", in_table("orders", at(1, status="failure"))),
        Exhibit("orders_succeed", "order skipped", "following", in_table("orders", at(-1, status="skipped"))),
    ]


def _unexplained(hour: int, amount: float) -> Edit:
    """Takes `amount` of an hour's price effect out of its explanation; the categories still sum to the step."""

    def edit(rows: list[Row]) -> list[Row]:
        rows = add(category_row(hour, Category.DELTA), pnl=-amount)(rows)
        return add(category_row(hour, Category.RESIDUAL), pnl=amount)(rows)

    return edit


def _swinging(rows: list[Row]) -> list[Row]:
    """Residuals of +0.6e-9 and -1.2e-9 of equity: their sum stays within 1e-9, the second step does not."""
    return _unexplained(301, -1.2e-9 * CAPITAL)(_unexplained(300, 0.6e-9 * CAPITAL)(rows))


def _after_the_last_step(rows: list[Row]) -> list[Row]:
    return [*rows, rows[-1] | {"timestamp": moment(31 * 24)}]


def attribution_exhibits() -> list[Exhibit]:
    attribution = {
        "residual in a step": _unexplained(300, 0.1),
        "residual that swings": _swinging,
        "residual that creeps": where(is_("category", Category.RESIDUAL), pnl=5e-6),
        "category forgotten": where(is_("category", Category.FUNDING), pnl=0.0),
        "category forgotten in USD": where(is_("category", Category.FUNDING), pnl_usd=0.0),
        "missing number": at(category_row(300, Category.DELTA), pnl=float("nan")),
        "missing row": without(category_row(300, Category.DELTA)),
    }
    timesteps = {
        "equity from nowhere": add(300, equity_share_class=1e-3),
        "USD from nowhere": add(300, equity_usd=1e-3),
        "flow that did not flow": add(300, flow=1e-3),
        "profit that was not made": add(300, step_pnl=1e-3),
    }
    carried = list(clean("following").previous.pnl.attribution)
    carried[RESIDUAL] = 2e-9 * CAPITAL
    gate = "attribution_closes"
    return [
        *(Exhibit(gate, label, "opening", in_table("pnl_attribution", edit)) for label, edit in attribution.items()),
        *(Exhibit(gate, label, "opening", in_table("timesteps", edit)) for label, edit in timesteps.items()),
        Exhibit(gate, "equity jumps between months", "following", previous_pnl(equity=99_000.0)),
        Exhibit(gate, "residual carried over", "following", previous_pnl(attribution=tuple(carried))),
    ]


def position_exhibits() -> list[Exhibit]:
    deltas = {
        "delta missing": without(5),
        "delta at another position": at(5, position_key=CASH),
        "delta after the last step": _after_the_last_step,
        "delta twice": repeated(5),
    }
    coin = position_row(300, COIN)
    return [
        *(Exhibit("positions_fold", label, "opening", in_table("deltas", edit)) for label, edit in deltas.items()),
        Exhibit("positions_fold", "quantity altered", "opening", in_table("positions", add(coin, quantity=1e-9))),
        Exhibit("positions_fold", "other past", "following", previous_position(COIN, 1.0)),
        Exhibit("no_negative_quantity", "spot sold short", "opening", in_table("positions", at(coin, quantity=-1e-9))),
        Exhibit("no_negative_quantity", "unknown", "opening", in_table("positions", at(coin, quantity=float("nan")))),
    ]
