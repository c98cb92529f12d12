"""What a stop costs, in figures, in SQL and on the page, against the arithmetic of one long that is stopped out."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest

from basis_pipeline.domain.records import Category
from basis_pipeline.results.build import build_tables
from basis_pipeline.results.metrics import compute_metrics, metrics_table
from basis_pipeline.results.sql.catalog import query
from basis_pipeline.results.store import ResultsStore
from basis_pipeline_tests.builders import Run, wired
from basis_pipeline_tests.results.conftest import manifest
from basis_pipeline_tests.scenarios.directional import ENTRY, FULL, INVERSE, INVERSE_MODE, LINEAR_MODE, PERP, bar

FEE = 5e-4
SIZE = 2.0
"""BTC of the linear long: 100,000 USDT at 50,000."""
CONTRACTS = 100_000.0


class Stopped(NamedTuple):
    run: Run
    tables: dict[str, pa.Table]


def stopped(mode: str, key: str) -> Stopped:
    """Long at 50,000, stopped 2% below its fill in a bar that ends at 45,000; shipped fees and slippage."""
    shipped = wired(mode, FULL | ({"initial_capital": CONTRACTS} if mode == LINEAR_MODE else {}))
    run = Run(shipped, [ENTRY, bar(50_000, 40_000, 50_100, 45_000, key=key)]).go()
    return Stopped(run, build_tables(run.engine.log, shipped.settings.universe, ["binance"]))


def linear_fills(run: Run) -> tuple[float, float, float]:
    """Entry, stop level and fill of the stop."""
    slip = run.engine.settings.rules_of("binance").trades[run.slot(PERP)].slippage
    entry = 50_000.0 * (1.0 + slip.fraction(SIZE * 50_000.0))
    level = entry * 0.98
    return entry, level, level * (1.0 - slip.fraction(SIZE * level))


def figures(tables: dict[str, pa.Table]) -> dict[str, float | None]:
    return {metric.metric: metric.value for metric in compute_metrics(tables, opening=True)}


def test_fee_slippage_and_turnover_of_a_stop_are_in_the_figures() -> None:
    run, tables = stopped(LINEAR_MODE, PERP)
    entry, level, fill = linear_fills(run)
    found = figures(tables)
    assert found["cost_fee"] == pytest.approx(FEE * SIZE * (entry + fill), abs=1e-8)
    assert found["cost_slippage"] == pytest.approx(SIZE * (entry - 50_000.0 + level - fill), abs=1e-8)
    assert found["traded_notional"] == pytest.approx(SIZE * (entry + fill), abs=1e-6)
    assert found["orders"] == 1.0, "the stop is no order of the book"
    paid = (found["cost_fee"] or 0.0) + (found["cost_slippage"] or 0.0)
    assert paid == pytest.approx(-run.cumulative[Category.TRANSACTION_COSTS], abs=1e-8)


def test_of_a_coin_margined_contract_too() -> None:
    """4 bp both ways; a contract is one USD. The coins of the entry at 50,000, those of the stop at its level."""
    run, tables = stopped(INVERSE_MODE, INVERSE)
    entry = 50_000.0 * 1.0004
    level = entry * 0.98
    fill = level * (1.0 - 0.0004)
    found = figures(tables)
    assert found["cost_fee"] == pytest.approx(FEE * CONTRACTS * (50_000.0 / entry + 45_000.0 / fill), abs=1e-8)
    slippage = CONTRACTS * ((1 / 50_000.0 - 1 / entry) * 50_000.0 + (1 / fill - 1 / level) * level)
    assert found["cost_slippage"] == pytest.approx(slippage, abs=1e-8)
    assert found["traded_notional"] == 2.0 * CONTRACTS
    assert run.quantity(INVERSE) == 0.0


def test_sql_counts_a_stop_as_a_trade_that_was_paid_for(tmp_path: Path) -> None:
    run, tables = stopped(LINEAR_MODE, PERP)
    entry, level, fill = linear_fills(run)
    tables["metrics"] = metrics_table(compute_metrics(tables, opening=True))
    store = ResultsStore(tmp_path / "results")
    store.publish_month(manifest("2024-01", LINEAR_MODE), tables, run.engine.state())
    stop = pytest.approx(FEE * SIZE * fill, abs=1e-8), pytest.approx(SIZE * (level - fill), abs=1e-8)
    [row] = query(store, f"from stops('{LINEAR_MODE}')").to_pylist()
    assert (row["kind"], row["closed"], row["price"]) == ("stop_loss", -SIZE, pytest.approx(fill, abs=1e-8))
    assert (row["fee"], row["slippage"]) == stop and row["traded"] == pytest.approx(SIZE * fill, abs=1e-6)
    costs = {row["kind"]: row["paid"] for row in query(store, f"from costs('{LINEAR_MODE}')").to_pylist()}
    assert costs["total"] == pytest.approx(-run.cumulative[Category.TRANSACTION_COSTS], abs=1e-8)
    assert costs["fee"] == pytest.approx(FEE * SIZE * (entry + fill), abs=1e-8)
    [month] = query(store, f"from turnover('{LINEAR_MODE}')").to_pylist()
    assert (month["trades"], month["traded"]) == (2, pytest.approx(SIZE * (entry + fill), abs=1e-6))
    entered, closed = query(store, f"from rebalances('{LINEAR_MODE}')").to_pylist()
    assert (entered["action"], closed["action"], closed["reason"]) == ("entry_full", "stop_loss", f"level of {PERP}")
    assert (closed["orders"], closed["fee"], closed["slippage"]) == (0, *stop)
    assert closed["hours_since_previous"] == pytest.approx(1 / 12)


def test_a_month_without_a_stop_answers_without_rows(store: ResultsStore) -> None:
    assert query(store, "from stops('btc_basis')").num_rows == 0
