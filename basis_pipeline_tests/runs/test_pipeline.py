"""All modes at once: side by side they publish what they publish one after another, and none stops the others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import BasisError, ConfigError
from basis_pipeline.runs.pipeline import run_modes
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.runs.conftest import CONFIGS

OpenWorkspace = Callable[..., Workspace]
WORK = ("pure_lending_eth", "pure_lending_usdt")


@pytest.fixture
def three_modes(tmp_path: Path) -> Path:
    """Two modes that run, and one that opens where there are no data."""
    folder = tmp_path / "configs"
    shutil.copytree(CONFIGS, folder)
    shutil.rmtree(folder / "modes")
    (folder / "modes").mkdir()
    for mode in WORK:
        shutil.copy(CONFIGS / "modes" / f"{mode}.yaml", folder / "modes")
    late = (CONFIGS / "modes" / "pure_lending_usdt.yaml").read_text().replace("pure_lending_usdt", "late_lending")
    (folder / "modes" / "late_lending.yaml").write_text(f"{late}\nopening_month: 2030-01\n")
    return folder


def published(workspace: Workspace) -> dict[tuple[str, str], dict[str, str]]:
    """Digest of every table by mode and month."""
    return {
        (month.manifest.mode, month.manifest.month): {file.table: file.digest for file in month.publication.files}
        for month in workspace.results.all_months()
    }


def test_modes_side_by_side_publish_what_they_publish_one_after_another(
    three_modes: Path, sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    one, two = (open_workspace(sample_validated, name, three_modes) for name in ("one", "two"))
    seen: list[tuple[int, int]] = []
    alone = run_modes(one, lambda *_: None, workers=1)
    together = run_modes(two, lambda _, done, total: seen.append((done, total)), workers=2)
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert list(alone) == list(together) == ["late_lending", *WORK]
    assert published(one) == published(two)
    assert len(published(two)) == 24
    for mode in WORK:
        assert alone[mode] == together[mode]
        assert (two.results.base / "reports" / f"{mode}.html").is_file()
    for outcomes in (alone, together):
        refused = outcomes["late_lending"]
        assert isinstance(refused, ConfigError)
    assert str(alone["late_lending"]) == str(together["late_lending"])
    assert not isinstance(alone[WORK[0]], BasisError)
