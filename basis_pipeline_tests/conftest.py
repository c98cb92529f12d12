"""Fixtures that tests of several packages share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from basis_pipeline.runs.ingest import ingest
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.data_root import DataRoot
from basis_pipeline_tests.made_once import made_once
from basis_pipeline_tests.sample_runs import ingest_sample, run_sample

_CONFIGS = Path(__file__).parents[1] / "configs"
_REAL_RAW = Path(__file__).parents[2] / "shared" / "market_data"

settings.register_profile(
    "steady", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")
"""The same examples in every run, for as long as they take. `pytest --hypothesis-profile default` looks for others."""

for _name in ("no_proxy", "NO_PROXY"):  # all servers of the tests are on loopback, whatever proxy the machine is behind
    os.environ[_name] = ",".join(filter(None, (os.environ.get(_name), "127.0.0.1", "localhost")))


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


@pytest.fixture(scope="session", autouse=True)
def _state_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Locks of live sessions that are not in a data root; also for processes that a test starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def real_raw() -> Path:
    """The folder of real vendor files, which are never part of the repository."""
    if not _REAL_RAW.is_dir():
        pytest.skip("the real vendor files are not at ../shared/market_data")
    return _REAL_RAW


@pytest.fixture(scope="session")
def ingested_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the default sample ingested; read-only by convention."""
    return made_once(tmp_path_factory, "ingested_sample", lambda root: ingest_sample(Workspace(root, _CONFIGS)))


@pytest.fixture(scope="session")
def sample_raw(ingested_sample: Path) -> Path:
    """Raw folder of the default synthetic sample, all of 2024; read-only by convention."""
    return ingested_sample / "raw"


@pytest.fixture(scope="session")
def sample_validated(ingested_sample: Path) -> Path:
    """Validated market data of the default sample, all of 2024; read-only by convention."""
    return ingested_sample / "validated"


@pytest.fixture(scope="session")
def real_validated(real_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Validated market data of the real vendor files; read-only by convention."""

    def ingested(root: Path) -> None:
        assert not ingest(DataRoot(root), real_raw, config_dir=_CONFIGS).errors

    return made_once(tmp_path_factory, "ingested_real", ingested) / "validated"


@pytest.fixture(scope="session")
def sample_root(ingested_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make run` leaves, but for the modes that follow a trained model; read-only by convention."""

    def made(root: Path) -> None:
        shutil.copytree(ingested_sample, root, dirs_exist_ok=True)
        run_sample(Workspace(root, _CONFIGS))

    return made_once(tmp_path_factory, "sample_root", made)
