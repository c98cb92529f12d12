"""Stores with published months, made from the synthetic runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from basis_pipeline.domain.evidence import DataUsage, GateResult, GateSeverity, GateStatus, SeriesUsage
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timings import Phase, Timing
from basis_pipeline.results.build import build_tables
from basis_pipeline.results.metrics import compute_metrics, metrics_table
from basis_pipeline.results.store import MonthManifest, ResultsStore
from basis_pipeline_tests.results.browser import Browser
from basis_pipeline_tests.results.synthetic import BASIS, CAPITAL, MARGIN_VENUES, BasisBook
from basis_pipeline_tests.results.synthetic_stack import STACK, leveraged_log

MONTHS = ("2024-01", "2024-02", "2024-03")

USAGE = DataUsage(
    (
        SeriesUsage("spot_candles_1h", "binance", "BTCUSDT", rows=744, filled=2, generations={"2024-01": "0a"}),
        SeriesUsage("funding", "bybit", "BTCUSDT", rows=93, proxied=1, generations={"2024-01": "0b"}),
    ),
    ("mark price of bybit BTCUSDT: its last price stands in",),
)
GATES = (
    GateResult("residual", GateSeverity.ERROR, GateStatus.PASSED, 1e-15, "<= 1e-9 of equity", "attribution closes"),
    GateResult("fills_budget", GateSeverity.WARN, GateStatus.WARNED, 0.07, "<= 0.05 of a month", "7% <filled> & used"),
)


def manifest(month: str, mode: str = "btc_basis", **changes: object) -> MonthManifest:
    fields: dict[str, object] = {
        "mode": mode,
        "month": month,
        "opening_month": "2024-01",
        "complete": True,
        "share_class": "USDT",
        "initial_capital": CAPITAL,
        "config_digest": "c0ffee",
        "config": {"strategy": {"shape": "basis", "spot_fraction": 0.667}, "venues": ["binance", "bybit"]},
        "engine_version": "0.1.0",
        "data_version": "d1",
        "predecessor": None,
        "data_usage": USAGE,
        "gates": GATES,
        "timings": {Phase.REFRESH: Timing(744, 0.1, 0.001)},
        "run_id": "run-1",
    }
    return MonthManifest(**(fields | changes))  # type: ignore[arg-type]


def book_months(
    book: BasisBook, months: tuple[str, ...] = MONTHS
) -> list[tuple[str, dict[str, pa.Table], EngineState]]:
    """Tables and checkpoint of consecutive months of one book."""
    found = []
    for month in months:
        tables = build_tables(book.run(month), BASIS, MARGIN_VENUES)
        tables["metrics"] = metrics_table(compute_metrics(tables, opening=month == book.opening_month))
        found.append((month, tables, book.state()))
    return found


@pytest.fixture(scope="session")
def basis_months() -> list[tuple[str, dict[str, pa.Table], EngineState]]:
    return book_months(BasisBook("2024-01"))


@pytest.fixture(scope="session")
def stack_tables() -> dict[str, pa.Table]:
    tables = build_tables(leveraged_log("2024-01"), STACK, ())
    tables["metrics"] = metrics_table(compute_metrics(tables, opening=True))
    return tables


@pytest.fixture(scope="session")
def published(
    tmp_path_factory: pytest.TempPathFactory, basis_months: list[tuple[str, dict[str, pa.Table], EngineState]]
) -> Path:
    """Three published months of one mode; read-only by convention."""
    results = ResultsStore(tmp_path_factory.mktemp("published") / "results")
    for month, tables, state in basis_months:
        results.publish_month(manifest(month), tables, state)
    return results.base


@pytest.fixture
def browser() -> Browser:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine")
    return Browser(found)


@pytest.fixture
def store(tmp_path: Path, published: Path) -> ResultsStore:
    """The three months in a folder of the test's own."""
    return ResultsStore(shutil.copytree(published, tmp_path / "results"))
