"""The commands of docs/guides/cluster.md, as they are written there, against services on loopback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from basis_pipeline.config.variables import VARIABLES
from basis_pipeline_tests.cluster.conftest import REPOSITORY
from basis_pipeline_tests.cluster.services import BUCKET, ObjectStore

GUIDE = (REPOSITORY / "docs/guides/cluster.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


def fence(command: str) -> str:
    (found,) = (text for text in FENCES if command in text)
    return str(found)


@pytest.fixture
def folder(tmp_path: Path, raw: Path) -> Path:
    """What a checkout has that the page speaks of: configuration, vendor files, the command."""
    (tmp_path / "configs").symlink_to(REPOSITORY / "configs")
    (tmp_path / "data/sample").mkdir(parents=True)
    (tmp_path / "data/sample/raw").symlink_to(raw)
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/basis"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m basis_pipeline "$@"\n')
    command.chmod(0o755)
    return tmp_path


def test_the_commands_of_the_guide_do_what_it_says(folder: Path, store: ObjectStore, ray: dict[str, str]) -> None:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("BASIS_", "AWS_", "RAY_"))}
    root = {"BASIS_DATA_DIR": f"s3://{BUCKET}/guide"}
    path = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}
    script = fence("basis ingest") + fence("basis sweep")
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=clean | path | store.environment | root | ray,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"s3://{BUCKET}/guide/results/reports/btc_basis.html" in ended.stdout
    assert (folder / "exports/btc_basis.zip").stat().st_size > 100_000
    assert f"page: s3://{BUCKET}/guide/results/reports/sweeps/" in ended.stderr


def test_the_variables_of_the_guide_are_those_that_are_read(store: ObjectStore) -> None:
    said = set(re.findall(r"\b(?:AWS|BASIS)_[A-Z_]+[A-Z]\b", GUIDE))
    assert said == {*store.environment, "BASIS_DATA_DIR", "BASIS_RAW_DIR", "BASIS_POSTGRES_URL"}
    assert {name for name in said if name.startswith("BASIS_")} <= set(VARIABLES)


def test_make_passes_the_profile_and_the_root_on() -> None:
    (command,) = (line for line in fence("PROFILE=cluster").splitlines() if line.startswith("make "))
    shown = subprocess.run(
        [*command.split(), "--dry-run"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert "[cluster]" in shown or ".venv/bin/basis dev" in shown
    assert re.search(r"basis dev +--profile cluster", shown)
