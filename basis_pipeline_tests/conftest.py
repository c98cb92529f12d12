"""Fixtures that tests of several packages share."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.market_data.sample import generate

_REAL_RAW = Path(__file__).parents[2] / "shared" / "market_data"


@pytest.fixture(scope="session")
def real_raw() -> Path:
    """The folder of real vendor files, which are never part of the repository."""
    if not _REAL_RAW.is_dir():
        pytest.skip("the real vendor files are not at ../shared/market_data")
    return _REAL_RAW


@pytest.fixture(scope="session")
def sample_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw folder of the default synthetic sample, all of 2024; read-only by convention."""
    raw = tmp_path_factory.mktemp("sample") / "raw"
    generate(raw)
    return raw
