"""What a page says about how long the engine took (R99, R101)."""

from __future__ import annotations

import re
from pathlib import Path

from basis_pipeline.domain.timings import Phase, Timings, timing
from basis_pipeline.results.reports.report import write_report
from basis_pipeline.results.reports.text import DASH
from basis_pipeline.results.store import ResultsStore
from basis_pipeline_tests.results.conftest import manifest


def rows(folder: Path, months: list, timings: list[Timings]) -> dict[str, list[str]]:
    """Cells of the table by phase; the months have one of `timings` each."""
    store = ResultsStore(folder)
    for (month, tables, state), own in zip(months, timings, strict=True):
        store.publish_month(manifest(month, timings=own), tables, state)
    page = write_report(store, "btc_basis").read_text()
    section = page[page.index('id="timings"') : page.index('id="configuration"')]
    found = [re.findall(r"<td[^>]*>(?:<span[^>]*>)?([^<]*)", row) for row in section.split("<tr>")]
    return {cells[0]: cells[1:] for cells in found if cells}


def test_counts_are_of_all_months_and_percentiles_of_the_slowest(tmp_path: Path, basis_months: list) -> None:
    """Orders: 1, 2 and 30 ms, then 4 and 25 ms against 20 ms: five, 12.4 ms on average, two of them late."""
    first = {Phase.ORDER: timing([0.001, 0.002, 0.030], 0.020), Phase.STEP: timing([0.5], None)}
    found = rows(tmp_path, basis_months[:2], [first, {Phase.ORDER: timing([0.004, 0.025], 0.020)}])
    assert found["order: total"] == ["5", "12.400", "4.000", "30.000", "30.000", "20", "2"]
    assert found["step: total"] == ["1", "500.000", "500.000", "500.000", "500.000", "none", DASH]


def test_what_an_old_manifest_does_not_know_is_not_guessed(tmp_path: Path, basis_months: list) -> None:
    old = manifest("2024-01").timings
    found = rows(tmp_path, basis_months[:2], [old, {Phase.REFRESH: timing([0.004], 0.5)}])
    assert found["refresh"] == ["745", "0.140", DASH, DASH, "4.000", "500", DASH]
