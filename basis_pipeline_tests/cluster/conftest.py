"""What the tests of this package share: services that live as long as the session, and the command in a bucket."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from basis_pipeline.market_data.sample import generate
from basis_pipeline.storage import s3_client
from basis_pipeline_tests.cluster.services import (
    BUCKET,
    PATIENCE_SECONDS,
    ObjectStore,
    object_store,
    postgres,
    ray_cluster,
)

REPOSITORY = Path(__file__).parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("objects")) as running:
        yield running


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """In a folder that another user may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="basis-postgres-"))
    folder.chmod(0o755)
    try:
        with postgres(folder) as url:
            yield url
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def ray(store: ObjectStore) -> Iterator[dict[str, str]]:
    """In a folder with a short name: Ray's sockets are there, and their paths must not exceed 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="basis-ray-"))
    try:
        with ray_cluster(folder, {**store.environment, "PYTHONPATH": str(REPOSITORY)}, workers=2) as access:
            yield access
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months of synthetic vendor files."""
    folder = tmp_path_factory.mktemp("cluster") / "raw"
    generate(folder, months=2)
    return folder


def connect(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Have this process speak to another store."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for cached in (s3_client.client, s3_client.arrow_filesystem, s3_client._session):
        cached.cache_clear()


@pytest.fixture
def connected(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    connect(monkeypatch, store.environment)
    yield
    connect(monkeypatch, {})


@dataclass(frozen=True)
class Shell:
    """Runs `basis` on one data root, in a folder or in a bucket, with the store's address and keys."""

    root: str
    environment: dict[str, str] = field(default_factory=dict)

    def popen(
        self, *arguments: str, how: tuple[str, ...] = ("-m", "basis_pipeline"), **environment: str
    ) -> subprocess.Popen[str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("BASIS_", "AWS_"))}
        return subprocess.Popen(
            [sys.executable, *how, *arguments],
            cwd=REPOSITORY,
            env=clean | self.environment | {"BASIS_DATA_DIR": self.root} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        with self.popen(*arguments, **environment) as process:
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(arguments, code, out, err)


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory, raw: Path) -> Shell:
    """The reference: the same data and the same backtest in a folder."""
    shell = Shell(str(tmp_path_factory.mktemp("local") / "root"))
    shell("ingest", "--raw", str(raw))
    shell("backtest", "btc_basis")
    return shell


@pytest.fixture(scope="session")
def remote(store: ObjectStore, raw: Path) -> Shell:
    """A root in a bucket with the same data and the same backtest."""
    shell = Shell(f"s3://{BUCKET}/shared/root", store.environment)
    shell("ingest", "--raw", str(raw))
    shell("backtest", "btc_basis")
    return shell
