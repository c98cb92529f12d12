"""Tables follow their schemas, and their sums agree with each other and with the records."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from msgspec.structs import replace

from basis_pipeline.domain.records import CATEGORIES, RiskFinding, RiskLevel
from basis_pipeline.domain.run_log import RunLog
from basis_pipeline.results.build import build_tables
from basis_pipeline.results.tables import SCHEMAS, column_docs
from basis_pipeline_tests.results.synthetic import BASIS, MARGIN_VENUES, USD, BasisBook
from basis_pipeline_tests.results.synthetic_stack import STACK, leveraged_log

COLUMNS = {
    "timesteps": "timestamp trigger sequence equity_share_class equity_usd net_delta_usd excess_delta_usd "
    "gross_exposure_usd min_margin_ratio min_health_factor step_pnl step_pnl_usd cumulative_pnl cumulative_pnl_usd "
    "flow flow_usd risk_level share_price_usd",
    "positions": "timestamp position_key quantity underlying_quantity entry_price value_usd stop_loss take_profit",
    "exposures": "timestamp sequence trigger asset net_delta price_usd net_delta_usd",
    "risk": "timestamp sequence trigger dimension venue value level",
    "pnl_attribution": "timestamp category pnl pnl_usd",
    "orders": "sequence timestamp operation_id venue operation action side position_key counter_position_key quantity "
    "filled price notional fee slippage gas status trail tag reason reduce_only planned_quantity error_code "
    "error_message",
    "deltas": "sequence timestamp position_key delta_amount source price fee reference_price rate reference_quantity "
    "operation_id",
    "events": "sequence timestamp event_type severity message payload",
    "metrics": "metric value unit description",
}


@pytest.fixture(scope="module")
def log() -> RunLog:
    return BasisBook("2024-01").run("2024-01")


@pytest.fixture(scope="module")
def tables(log: RunLog) -> dict[str, pa.Table]:
    return build_tables(log, BASIS, MARGIN_VENUES)


def by_step(values: pa.ChunkedArray, width: int) -> np.ndarray:
    return values.to_numpy().reshape(-1, width).sum(axis=1)


def test_the_columns_of_every_table_are_those_others_rely_on() -> None:
    assert {name: " ".join(schema.names) for name, schema in SCHEMAS.items()} == COLUMNS


def test_every_timestamp_is_microseconds_without_zone_and_every_column_is_documented() -> None:
    for doc in column_docs():
        assert doc.description
        assert doc.type == "timestamp[us]" or "timestamp" not in doc.type
    units = {doc.column: doc.unit for doc in column_docs() if doc.column.endswith("_usd")}
    assert set(units.values()) == {"USD"}


def test_tables_have_exactly_their_schema_also_when_nothing_happened(tables: dict[str, pa.Table]) -> None:
    empty = build_tables(RunLog(), BASIS, MARGIN_VENUES)
    assert set(empty) == set(tables) == set(SCHEMAS) - {"metrics"}
    for name, table in tables.items():
        assert table.schema.equals(SCHEMAS[name], check_metadata=True)
        assert empty[name].schema.equals(SCHEMAS[name], check_metadata=True)
        assert empty[name].num_rows == 0
        table.validate(full=True)


def test_there_is_one_closing_record_per_timestep_and_every_commit_has_its_exposures(
    tables: dict[str, pa.Table],
) -> None:
    assert tables["timesteps"].num_rows == 31 * 24
    assert pc.count_distinct(tables["timesteps"]["timestamp"]).as_py() == 31 * 24
    first = tables["timesteps"].slice(0, 1).to_pylist()[0]
    assert (first["trigger"], first["sequence"]) == ("execution_manager", 6)  # refresh, then five orders
    assert tables["exposures"].num_rows == 2 * (31 * 24 + 5 + 2)  # two assets; two more orders on the 16th
    assert tables["risk"].num_rows == 5 * (31 * 24 + 5 + 2)


def test_position_values_sum_to_equity_at_every_step(tables: dict[str, pa.Table]) -> None:
    sums = by_step(tables["positions"]["value_usd"], len(BASIS))
    np.testing.assert_allclose(sums, tables["timesteps"]["equity_usd"].to_numpy(), rtol=1e-12)


def test_attribution_sums_to_the_profit_of_every_step_in_both_currencies(tables: dict[str, pa.Table]) -> None:
    for suffix in ("", "_usd"):
        sums = by_step(tables["pnl_attribution"][f"pnl{suffix}"], len(CATEGORIES))
        np.testing.assert_allclose(sums, tables["timesteps"][f"step_pnl{suffix}"].to_numpy(), atol=1e-9)


def test_folded_deltas_are_the_closing_positions(tables: dict[str, pa.Table]) -> None:
    closing = tables["positions"].slice(tables["positions"].num_rows - len(BASIS)).to_pylist()
    deltas = tables["deltas"].to_pylist()
    for row in closing:
        folded = sum(delta["delta_amount"] for delta in deltas if delta["position_key"] == row["position_key"])
        assert folded == pytest.approx(row["quantity"], rel=1e-12)


def test_usdt_amounts_become_usd_and_scaled_quantities_token_units(tables: dict[str, pa.Table], log: RunLog) -> None:
    gross = log.closing_commits[5].exposure.gross
    assert tables["timesteps"]["gross_exposure_usd"][5].as_py() == pytest.approx(gross * USD)
    stack = build_tables(leveraged_log("2024-01"), STACK, ())["positions"].slice(3, 3).to_pylist()
    assert [row["position_key"].split(":")[1] for row in stack] == ["BaseToken", "aToken", "debtToken"]
    assert stack[1]["underlying_quantity"] == pytest.approx(115.0 * (1.001 + 1e-8))
    assert stack[2]["quantity"] == 88.0
    assert stack[2]["value_usd"] < 0.0


def test_ratios_are_null_where_there_is_no_perp_or_no_debt(tables: dict[str, pa.Table]) -> None:
    assert tables["timesteps"]["min_health_factor"].null_count == 31 * 24
    assert tables["timesteps"]["min_margin_ratio"].null_count == 0
    refresh = [row for row in tables["risk"].slice(0, 5).to_pylist() if row["dimension"] == "margin_ratio"]
    assert [(row["venue"], row["value"]) for row in refresh] == [("binance", None), ("bybit", None)]
    stack = build_tables(leveraged_log("2024-01"), STACK, ())
    assert stack["timesteps"]["min_margin_ratio"].null_count == 31 * 24
    assert pc.unique(stack["risk"]["dimension"]).to_pylist() == [
        "health_factor", "loan_to_value", "borrow_apr", "delta_drift", "drawdown",
    ]  # fmt: skip


def test_entry_prices_are_null_but_for_open_perps(tables: dict[str, pa.Table]) -> None:
    for row in tables["positions"].slice(0, len(BASIS)).to_pylist():
        assert (row["entry_price"] is not None) == (":Perp:" in row["position_key"])


def test_findings_set_the_level_of_their_dimension_and_venue_only(log: RunLog) -> None:
    finding = RiskFinding("margin_ratio", RiskLevel.BREACH, 0.1, 0.2, "bybit")
    liquidation = RiskFinding("liquidation", RiskLevel.CRITICAL, 1.0, 0.0)
    commit = replace(log.commits[10], risk=replace(log.commits[10].risk, findings=(liquidation, finding)))
    changed = RunLog()
    changed.commits = [log.commits[9], commit, log.commits[11]]
    changed.closings = [0, 1, 2]
    rows = build_tables(changed, BASIS, MARGIN_VENUES)["risk"].to_pylist()
    raised = [(row["sequence"], row["dimension"], row["venue"], row["level"]) for row in rows if row["level"] != "info"]
    assert raised == [
        (commit.sequence, "margin_ratio", "bybit", "breach"),
        (commit.sequence, "liquidation", "", "critical"),
    ]
    assert [row["sequence"] for row in rows] == sorted(row["sequence"] for row in rows)


def test_orders_and_events_say_what_happened(tables: dict[str, pa.Table]) -> None:
    order = tables["orders"].slice(2, 1).to_pylist()[0]
    assert order["position_key"] == "binance:BaseToken:BTC"
    assert order["counter_position_key"] == "binance:BaseToken:USDT"
    assert (order["side"], order["quantity"], order["status"]) == ("buy", 1.55, "success")
    assert order["price"] == pytest.approx(42_000 * 1.0002)
    assert order["fee"] == pytest.approx(1.55 * 42_000 * 1.0002 * 10e-4)
    assert order["trail"] == "idle>routing>executing>reconciling>success"
    event = next(row for row in tables["events"].to_pylist() if row["event_type"] == "decision")
    assert json.loads(event["payload"]) == {"action": "entry_full", "reason": "no position", "orders": 5}
