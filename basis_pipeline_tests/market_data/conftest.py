"""Worlds that several tests look at; nothing may change them."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline_tests.market_data.replica import Truth, build
from basis_pipeline_tests.market_data.world import World, ingest_into


@pytest.fixture(scope="session")
def replica(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Truth]:
    """The folder with every defect planted once, ingested."""
    folder = tmp_path_factory.mktemp("replica")
    truth = build(folder / "raw")
    return ingest_into(folder / "raw", folder / "root"), truth


@pytest.fixture(scope="session")
def real_world(real_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The real vendor files, ingested."""
    return ingest_into(real_raw, tmp_path_factory.mktemp("real") / "root")
