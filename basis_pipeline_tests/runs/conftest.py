"""Data roots for tests of the use cases: ingested once per session, results in a folder of each test's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from basis_pipeline.runs.ingest import ingest
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.data_root import DataRoot

CONFIGS = Path(__file__).parents[2] / "configs"


def _ingested(folder: Path, raw: Path) -> Path:
    report = ingest(DataRoot(folder), raw, config_dir=CONFIGS)
    assert not report.errors
    return folder / "validated"


@pytest.fixture(scope="session")
def sample_validated(sample_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Validated market data of the default sample, all of 2024; read-only by convention."""
    return _ingested(tmp_path_factory.mktemp("sample_root"), sample_raw)


@pytest.fixture(scope="session")
def real_validated(real_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Validated market data of the real vendor files; read-only by convention."""
    return _ingested(tmp_path_factory.mktemp("real_root"), real_raw)


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
