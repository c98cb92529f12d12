"""`.ci/run` runs every suite there is, ends with the first that fails, and says how long each took."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("check", "test", "test-slow", "test-chain", "test-cluster", "run")


def run(folder: Path, fails: str = "") -> subprocess.CompletedProcess[str]:
    """The script, with a `make` that does nothing but fail at one target."""
    (folder / ".ci").mkdir()
    shutil.copy2(ROOT / ".ci" / "run", folder / ".ci")
    for command in ("make", "pg_ctl"):
        (folder / command).write_text(f'#!/bin/sh\n[ "$1" != "{fails}" ]\n')
        (folder / command).chmod(0o755)
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    script = [folder / ".ci" / "run"]
    return subprocess.run(script, env=environment, capture_output=True, text=True, check=False)


def test_every_suite_of_the_makefile_is_run_and_timed(tmp_path: Path) -> None:
    suites = re.findall(r"^(test[a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(suites) == {part for part in PARTS if part.startswith("test")}
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^ +\d+ s  make (\S+)$", done.stdout, re.MULTILINE) == list(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_it_fails_where_one_of_them_fails(tmp_path: Path, part: str) -> None:
    done = run(tmp_path, fails=part)
    assert done.returncode != 0
    assert re.search(rf"^ +\d+ s  make {part}: FAILED$", done.stdout, re.MULTILINE)
    assert done.stdout.count("make ") == PARTS.index(part) + 1, "nothing is run after it"


def test_a_chain_that_cannot_be_installed_is_left_out_and_it_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, fails=".chain/.ready")
    assert done.returncode == 0
    assert "LEFT OUT" in done.stdout and "make run" in done.stdout
