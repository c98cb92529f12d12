"""Exhibits of the gates on the chain of commits and on the joints between months."""

from __future__ import annotations

from basis_pipeline.domain.state import PositionState
from basis_pipeline.domain.timeline import HOUR, month_start
from basis_pipeline_tests.gates.bookkeeping import CASH, COIN, PERP
from basis_pipeline_tests.gates.defects import Edit, Row, add, at, in_evidence, in_part, in_table, where, without
from basis_pipeline_tests.gates.exhibits import (
    Exhibit,
    clean,
    dropped,
    is_,
    moment,
    position_row,
    previous_pnl,
    previous_position,
    repeated,
    state_pnl,
)


def chain_exhibits() -> list[Exhibit]:
    timesteps = {
        "no closing record at 2024-01-13T12:00:00Z": without(300),
        "no closing record at 2024-01-31T23:00:00Z": without(-1),
        "closing record repeated or out of order at 2024-01-13T12:00:00Z": repeated(300),
        "closing record off the grid at 2024-01-13T12:00:01Z": _closed_again(300),
        "is of commit 2, the last one there is 4": at(0, sequence=2),
    }
    at_400 = is_("sequence", 400)
    commits = {
        "commit 399 is followed by 401": in_table("exposures", dropped("sequence", 400)),
        "commit 400 lacks its exposure or its risk": in_table("risk", dropped("sequence", 400)),
        "does not begin with a refresh": in_table("exposures", where(at_400, trigger="execution_manager")),
        "commit 400 is earlier than the one before it": in_table("exposures", where(at_400, timestamp=moment(3))),
        "no commit at 2024-01-17T10:00:00Z": in_table("exposures", where(at_400, timestamp=moment(393))),
        "commit 749 is followed by 701": in_part("state", sequence=700),
        "commit 749 is followed by 1001": in_part("state", sequence=1_000),
        "table positions has 3 rows at 2024-01-11T10:00:00Z instead of 4": in_table("positions", without(1_000)),
        "table positions has 5 rows at 2024-01-11T10:00:00Z instead of 4": in_table("positions", repeated(1_000)),
        "table pnl_attribution has 0 rows": in_table("pnl_attribution", dropped("timestamp", moment(300))),
    }
    gate = "chain_integrity"
    return [
        *(Exhibit(gate, says, "opening", in_table("timesteps", edit), says) for says, edit in timesteps.items()),
        *(Exhibit(gate, says, "opening", defect, says) for says, defect in commits.items()),
        Exhibit(
            gate, "gap to the checkpoint", "following", in_part("previous", sequence=748), "commit 748 is followed"
        ),
    ]


def order_exhibits() -> list[Exhibit]:
    gate, refreshed = "orders_reconciled", where(is_("sequence", 3), trigger="position_refresh")
    return [
        Exhibit(gate, "commit without an order", "opening", in_table("orders", without(1)), "follows no order"),
        Exhibit(gate, "two orders, one commit", "opening", in_table("orders", at(1, sequence=2)), "for 2 orders"),
        Exhibit(gate, "order without a commit", "opening", in_table("exposures", refreshed), "not followed by"),
    ]


def _closed_again(number: int) -> Edit:
    """A second closing record one second after an existing one."""

    def edit(rows: list[Row]) -> list[Row]:
        extra = rows[number] | {"timestamp": moment(number).replace(second=1)}
        return [*rows[: number + 1], extra, *rows[number + 1 :]]

    return edit


def continuity_exhibits() -> list[Exhibit]:
    gate, held = "state_continuity", clean("following").previous.positions
    before = {
        "no checkpoint to continue from": in_evidence(previous=None),
        "configuration digest is c0ffee, the previous checkpoint says decaf": in_part(
            "previous", config_digest="decaf"
        ),
        "mode is btc_basis, the previous checkpoint says eth_basis": in_part("previous", mode="eth_basis"),
        "first step is 2024-02-01T00:00:00Z": in_part("previous", timestamp=month_start("2024-01") - HOUR),
        "BTC opens with 1.4 at 2024-02-01T00:00:00Z": previous_position(COIN, held[COIN].quantity + 1e-9),
        "BTC opens with nan": in_table("positions", at(position_row(0, COIN), quantity=float("nan"))),
        "entry price of binance:Perp:BTCUSDT": previous_position(PERP, held[PERP].quantity, 39_000.0),
        "okx:Perp:BTCUSDT of the previous checkpoint (-1)": previous_position("okx:Perp:BTCUSDT", -1.0, 40_000.0),
        "cumulative P&L in share class is not the sum": previous_pnl(cumulative=0.0),
        "cumulative P&L in USD is not the sum": previous_pnl(cumulative_usd=0.0),
    }
    state = clean("opening").state
    other_cash = state.positions | {CASH: PositionState(1.0, 0.0)}
    after = {
        "an opening that continues a checkpoint": in_evidence(previous=state),
        "2024-01-13T12:00:00Z of equity": in_table("timesteps", add(300, cumulative_pnl=1e-3)),
        "timestamp of the new checkpoint": in_part("state", timestamp=state.timestamp - HOUR),
        "quantity of binance:BaseToken:USDT of the new checkpoint": in_part("state", positions=other_cash),
        "equity of the new checkpoint is 1,": state_pnl(equity=1.0),
        "equity in USD of the new checkpoint is 1,": state_pnl(equity_usd=1.0),
        "cumulative P&L of the new checkpoint is 1,": state_pnl(cumulative=1.0),
        "cumulative P&L in USD of the new checkpoint is 1,": state_pnl(cumulative_usd=1.0),
    }
    return [
        *(Exhibit(gate, says, "following", defect, says) for says, defect in before.items()),
        *(Exhibit(gate, says, "opening", defect, says) for says, defect in after.items()),
        Exhibit("determinism_digest", "other configuration", "opening", in_part("state", config_digest="decaf")),
        Exhibit("determinism_digest", "run once", "opening", in_evidence(second_digest=None), "was run once"),
        Exhibit("determinism_digest", "second run differs", "opening", in_evidence(second_digest="0" * 64)),
    ]
