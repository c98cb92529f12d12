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


def seconds(item: pytest.Item) -> float:
    """How long the test takes, roughly: `pytest.mark.slow(seconds=60)`; zero where it does not say."""
    slow = item.get_closest_marker("slow")
    return float(slow.kwargs.get("seconds", 0.0)) if slow else 0.0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first, dealt out evenly to the workers of a distributed run; the others in their order.

    A worker begins with an equal share of the list and does it in order; who has done his takes from others' ends.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    begins: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for item in sorted(filter(seconds, items), key=seconds, reverse=True):
        min(begins, key=lambda long: sum(map(seconds, long))).append(item)
    others, dealt = [item for item in items if not seconds(item)], []
    for worker, long in enumerate(begins):
        share = max(0, (len(items) - len(dealt)) // (workers - worker) - len(long))
        dealt += long + others[:share]
        others = others[share:]
    items[:] = dealt + others


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
