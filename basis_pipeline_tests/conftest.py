"""Fixtures that tests of several packages share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from basis_pipeline.market_data.sample import generate
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.files import exclusive_lock
from basis_pipeline_tests.sample_runs import run_sample

_CONFIGS = Path(__file__).parents[1] / "configs"
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


@pytest.fixture(scope="session")
def sample_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make run` leaves, but for the modes that follow a trained model; read-only by convention.

    The default sample ingested, the modes run, reports written: made once for all workers of a distributed test run.
    """
    own = tmp_path_factory.getbasetemp()
    root = (own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own) / "sample_root"
    with exclusive_lock(root.with_suffix(".lock"), purpose="the sample root", wait=True):
        if not (ready := root.with_suffix(".ready")).exists():
            run_sample(Workspace(root, _CONFIGS))
            ready.touch()
    return root
