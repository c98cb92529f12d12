"""Ingestion onto disks that fail: an error that names the place, and what was published before stays whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import StorageError
from basis_pipeline_tests.market_data.small_world import SPOT, again, generations, rewrite, write_small_folder
from basis_pipeline_tests.market_data.world import CONFIGS, ingest_into


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_small_folder(tmp_path / "raw")


_INGEST = """
import os, resource, signal, sys
from pathlib import Path
from basis_pipeline.domain.errors import StorageError
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.storage.data_root import DataRoot
if len(sys.argv) > 4:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
elif os.geteuid() == 0:
    os.seteuid(65534)  # nothing stops root from writing
try:
    ingest(DataRoot(Path(sys.argv[1])), Path(sys.argv[2]), config_dir=Path(sys.argv[3]))
except StorageError as error:
    print(error)
    sys.exit(7)
"""


def test_a_full_disk_leaves_what_was_published_whole(raw: Path, tmp_path: Path) -> None:
    first = ingest_into(raw, tmp_path / "root")
    before, frame = generations(first), first.frame(*SPOT)
    rewrite(raw, ",100.0,", ",100.0001,")
    command = [sys.executable, "-c", _INGEST, str(first.root.path), str(raw), str(CONFIGS), "4096"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert run.returncode == 7, run.stderr
    assert "cannot write" in run.stdout
    assert generations(first) == before
    assert first.frame(*SPOT).equals(frame)
    assert not list(first.root.validated.rglob("*.tmp"))
    assert again(first).series(*SPOT).published == ("2024-01",)


def test_a_read_only_data_folder_is_an_error_that_names_it(raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    folder.chmod(0o555)
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    command = [sys.executable, "-c", _INGEST, str(folder), str(raw), str(CONFIGS)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert run.returncode == 7, run.stderr
    assert str(folder) in run.stdout
    assert "writable" in run.stdout


def test_a_data_folder_that_cannot_be_made_is_an_error_that_names_it(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="root"):
        ingest_into(raw, tmp_path / "root")
