"""Data roots for tests of the use cases: shared market data, results in a folder of each test's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.manifests import MonthBody
from basis_pipeline.market_data.validated import ValidatedStore, month_path
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.made_once import made_once

CONFIGS = Path(__file__).parents[2] / "configs"
STAKING_MODES = (
    "eth_staking_only",
    "eth_leveraged",
    "usdt_eth_staking_hedged_simple",
    "usdt_eth_staking_hedged_leveraged",
)


@pytest.fixture(scope="session")
def staking_record(real_validated: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The four staking modes as they ship, 2024-06 to 2025-06 of the real data; read-only by convention."""

    def run(root: Path) -> None:
        (root / "validated").symlink_to(real_validated)
        for mode in STAKING_MODES:
            for _ in plan_backtest(Workspace(root, CONFIGS), mode, first="2024-06", last="2025-06").run():
                pass

    return Workspace(made_once(tmp_path_factory, "staking_record", run), CONFIGS)


@pytest.fixture
def open_workspace(tmp_path: Path) -> Callable[..., Workspace]:
    """Make a workspace with its own results on top of shared validated data."""

    def opened(validated: Path, name: str = "root", config_dir: Path = CONFIGS) -> Workspace:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        if not (root / "validated").exists():
            (root / "validated").symlink_to(validated)
        return Workspace(root, config_dir)

    return opened


def copied(validated: Path, target: Path, months: tuple[str, ...]) -> None:
    """5-minute candles and funding of BTC, the given months, in a folder that may be written to."""
    for dataset in ("perp_candles_5m", "funding_rates"):
        series = f"{dataset}/venue=binance/symbol=BTCUSDT"
        for month in months:
            shutil.copytree(validated / series / f"month={month}", target / series / f"month={month}")
            manifest = f"_manifests/{series}/month={month}.json"
            (target / manifest).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(validated / manifest, target / manifest)


def condemn(store: ValidatedStore, dataset: str, venue: str, symbol: str, month: str) -> None:
    """An ingestion finds that a month must not be used and changes none of its rows."""
    publications, partition = store.publications(dataset), month_path(venue, symbol, month)
    found = publications.find(partition)
    assert found is not None
    finding = Finding("ERROR", "stuck_price", "the price stands still.", "correct it.", month=month)
    body = structs.replace(MonthBody.of(found.body), findings=(finding,))
    tables = {file.table: publications.read(found, file.table) for file in found.files}
    assert publications.publish(partition, tables, body.to_builtins()).generation == found.generation
