"""docs/live-faults.md says what happens today: every fault is made to happen again (R39, R41)."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline_tests.live.fault_table import suffer
from basis_pipeline_tests.live.faults import CASES

PAGE = (Path(__file__).parents[2] / "docs" / "live-faults.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("fault", CASES)
def test_the_book_comes_back_whole_and_the_page_says_how(tmp_path: Path, fault: str) -> None:
    row = suffer(CASES[fault], tmp_path)
    assert row.doubled == 0
    assert row.lost == pytest.approx(0.0, abs=0.01)
    assert row.line(fault) in PAGE, f"run make live-faults: {row.line(fault)}"


def test_the_page_has_a_row_for_every_fault_and_no_other() -> None:
    rows = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| ")]
    assert rows[1:] == list(CASES)
