"""What a person reads after an ingestion."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.cli import screens
from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.reports import IngestReport, SeriesReport
from basis_pipeline.runs.modes import readers

CONFIG = ConfigFolder(Path(__file__).parents[2] / "configs")


def test_a_failed_check_says_which_modes_read_the_series_or_that_none_does(capsys: pytest.CaptureFixture[str]) -> None:
    hole = Finding("ERROR", "funding_hole", "too many are missing.")
    keys = [SeriesKey("funding_rates", venue, "BTCUSDT") for venue in ("binance", "okx")]
    report = IngestReport((), tuple(SeriesReport(key, "published", findings=(hole,)) for key in keys))
    screens.ingestion(report, lambda: readers(CONFIG), verbose=False)
    used, unused = (line for line in capsys.readouterr().err.splitlines() if "check failed" in line)
    assert "binance BTCUSDT" in used
    assert "btc_basis" in used.partition("Read by ")[2]
    assert unused.endswith("okx BTCUSDT: ERROR funding_hole: too many are missing. No configured mode reads it.")
