"""A copy of the shipped configuration that a test may write into."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from basis_pipeline_tests.builders import CONFIGS


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONFIGS, tmp_path / "configs"))
