"""The table of requirements is complete, and what it names is there."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from basis_pipeline_tests.docs.pages import ROOT

TEXT = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("| R")]
MEASURED_ELSEWHERE = {"R99", "R101"}
"""Met in part by benchmarks and manifests, which no single test stands for."""


def test_every_requirement_is_there_once() -> None:
    assert [row[0] for row in ROWS] == [f"R{number}" for number in range(1, 106)]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_requirement_that_is_met_names_a_test_that_exists_and_one_that_is_not_says_what_is_missing(
    row: list[str],
) -> None:
    number, what, status, where, tests = row
    assert what
    named = re.findall(r"`([^`:]+)::(test_\w+)`", tests)
    if status == "not yet":
        assert where
        assert not named
        return
    assert status in ("met", "partly")
    assert named or number in MEASURED_ELSEWHERE
    for file, test in named:
        text = (ROOT / "basis_pipeline_tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {test}\(", text, re.MULTILINE), f"{file}::{test}"
    for path in re.findall(r"[a-z_]+/[a-z_/]*(?:\.py)?", where):
        assert (ROOT / "basis_pipeline" / path).exists() or (ROOT / path).exists(), path


def test_the_summary_counts_the_rows() -> None:
    counts = Counter(row[2] for row in ROWS)
    assert f"{counts['met']} are met, {counts['partly']} partly, {counts['not yet']} not yet." in TEXT
