"""docs/live-faults-chain.md says what happens today: every fault is made to happen again (R39, R41)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from basis_pipeline_tests.chain.fault_table import ALL_CASES, suffer
from basis_pipeline_tests.chain.market import Market

PAGE = (Path(__file__).parents[2] / "docs" / "live-faults-chain.md").read_text(encoding="utf-8")
OTHERS_GAS = {"nonce used by somebody else": 0.2}
"""USDT that the holder of the same key has spent elsewhere."""


@pytest.mark.parametrize("fault", ALL_CASES)
def test_the_book_comes_back_whole_and_the_page_says_how(market: Market, tmp_path: Path, fault: str) -> None:
    row = suffer(ALL_CASES[fault], market, tmp_path)
    assert row.doubled == 0
    assert row.lost == pytest.approx(0.0, abs=OTHERS_GAS.get(fault, 0.001))
    *said, seconds = written(fault)
    *happened, took = cells(row.line(fault))
    assert said == happened, f"run make chain-faults: {row.line(fault)}"
    assert int(took.split()[0]) == pytest.approx(int(seconds.split()[0]), abs=5), "blocks are a second apart"


def test_the_page_has_a_row_for_every_fault_and_no_other() -> None:
    rows = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| ")]
    assert rows[1:] == list(ALL_CASES)


def written(fault: str) -> list[str]:
    (line,) = re.findall(rf"^\| {re.escape(fault)} \|.*$", PAGE, flags=re.MULTILINE)
    return cells(line)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]
