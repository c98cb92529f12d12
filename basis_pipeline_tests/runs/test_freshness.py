"""A published month is current only while a run would give the same today."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import basis_pipeline
from basis_pipeline.config.wiring import wire_mode
from basis_pipeline.domain.errors import DataError, StateError
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.results.tables import SCHEMAS
from basis_pipeline.runs import freshness
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.freshness import outdated_months
from basis_pipeline.runs.modes import describe_modes, readers
from basis_pipeline.runs.queries import query
from basis_pipeline.runs.records import summarise
from basis_pipeline.runs.standing import due_months
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.runs.conftest import CONFIGS, condemn

MODE = "btc_basis"


@pytest.fixture
def workspace(sample_validated: Path, open_workspace: Callable[..., Workspace], tmp_path: Path) -> Workspace:
    """January to March are published; the configuration is a copy of this test's own."""
    shutil.copytree(CONFIGS, tmp_path / "configs")
    opened = open_workspace(sample_validated, config_dir=tmp_path / "configs")
    assert len(list(plan_backtest(opened, MODE, first="2024-01", last="2024-03").run())) == 3
    return opened


def outdated(workspace: Workspace) -> list[str]:
    return outdated_months(workspace, wire_mode(workspace.config, MODE))


def test_what_has_just_been_run_is_current(workspace: Workspace) -> None:
    assert outdated(workspace) == []
    assert due_months(workspace, MODE, "2024-03").months == ()


def test_a_finding_about_data_that_did_not_change_makes_their_month_and_all_after_it_stale(
    workspace: Workspace, sample_validated: Path
) -> None:
    """Rules learn: what was published on data that a run would refuse today is not current, though no row changed."""
    workspace.root.validated.unlink()
    shutil.copytree(sample_validated, workspace.root.validated)
    condemn(workspace.validated, "spot_candles_1h", "binance", "BTCUSDT", "2024-02")
    assert outdated(workspace) == ["2024-02", "2024-03"]
    due = due_months(workspace, MODE, "2024-03")
    assert due.months == ("2024-02", "2024-03")
    with pytest.raises(DataError, match="must not be used in 2024-02"):
        list(plan_backtest(workspace, MODE, first="2024-02", last="2024-03").run())


def test_a_month_that_is_over_without_being_complete_is_due_with_the_next(workspace: Workspace) -> None:
    """Its run fails for want of data and is told; were nothing due, the record would stay behind in silence."""
    results = workspace.results
    tables = {table: results.read_month(MODE, "2024-03", table) for table in SCHEMAS}
    open_ended = msgspec.structs.replace(results.manifest(MODE, "2024-03"), complete=False)
    results.publish_month(open_ended, tables, results.checkpoint(MODE, "2024-03"))
    assert due_months(workspace, MODE, "2024-03").months == ()
    assert due_months(workspace, MODE, "2024-04").months == ("2024-03", "2024-04")


def test_data_that_end_before_a_mode_opens_are_called_so(workspace: Workspace) -> None:
    file = workspace.config.path / "modes" / "eth_basis.yaml"
    file.write_text(file.read_text() + "\nopening_month: 2024-05\n")
    due = due_months(workspace, "eth_basis", "2024-03")
    assert (due.months, due.reason) == ((), "eth_basis opens in 2024-05, data end in 2024-03")


def test_a_changed_configuration_makes_every_month_stale_everywhere(workspace: Workspace) -> None:
    file = workspace.config.path / "modes" / f"{MODE}.yaml"
    file.write_text(file.read_text() + "\nmax_drawdown: 0.14\n")
    months = ["2024-01", "2024-02", "2024-03"]
    assert outdated(workspace) == months
    assert list(due_months(workspace, MODE, "2024-03").months) == months
    assert summarise(workspace, MODE).stale == tuple(months)
    described, _ = describe_modes(workspace)
    assert next(mode for mode in described if mode.name == MODE).stale == tuple(months)


def test_a_query_says_which_months_are_stale(workspace: Workspace) -> None:
    asked = "select month, stale from freshness where mode = 'btc_basis' order by month"
    months = ["2024-01", "2024-02", "2024-03"]
    assert query(workspace, asked).to_pylist() == [{"month": month, "stale": False} for month in months]
    file = workspace.config.path / "modes" / f"{MODE}.yaml"
    file.write_text(file.read_text() + "\nmax_drawdown: 0.14\n")
    assert query(workspace, asked).to_pylist() == [{"month": month, "stale": True} for month in months]


def test_a_mode_file_that_is_wrong_hides_no_reader_of_a_series(workspace: Workspace) -> None:
    (workspace.config.path / "modes" / "eth_basis.yaml").write_text("mode: nothing\n")
    funding = SeriesKey("funding_rates", "bybit", "BTCUSDT")
    assert MODE in readers(workspace.config)[funding]
    described, broken = describe_modes(workspace)
    assert set(broken) == {"eth_basis"}
    assert MODE in {mode.name for mode in described}


def test_another_behaviour_of_the_engine_makes_every_month_stale(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "BEHAVIOUR", "next")
    assert outdated(workspace) == ["2024-01", "2024-02", "2024-03"]


def test_another_version_of_the_package_makes_nothing_stale(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basis_pipeline, "__version__", "99.0.0")
    assert outdated(workspace) == []


def test_a_series_that_comes_or_goes_makes_the_months_that_would_read_it_stale(
    workspace: Workspace, sample_validated: Path
) -> None:
    """The manifest of February of a series goes, and comes back."""
    link = workspace.root.path / "validated"
    link.unlink()
    shutil.copytree(sample_validated, link)
    used = workspace.results.manifest(MODE, "2024-03").data_usage.series
    series = next(found for found in used if found.dataset == "funding_rates")
    store = workspace.validated.publications(series.dataset)
    manifests = sorted((link / "_manifests" / series.dataset).rglob("month=2024-02.json"))
    manifest = next(path for path in manifests if f"symbol={series.symbol}" in str(path) and series.venue in str(path))
    kept = manifest.read_bytes()
    manifest.unlink()
    assert store.find(f"venue={series.venue}/symbol={series.symbol}/month=2024-02") is None
    assert outdated(workspace) == ["2024-02", "2024-03"]
    with pytest.raises(StateError, match=r"2024-04 cannot start: 2024-02 .*from 2024-02"):
        plan_backtest(workspace, MODE, first="2024-04", last="2024-04")
    manifest.write_bytes(kept)
    assert outdated(workspace) == []


def test_a_mode_that_earns_rewards_is_current_when_nothing_changed(
    sample_validated: Path, open_workspace: Callable[..., Workspace]
) -> None:
    workspace = open_workspace(sample_validated)
    for _ in plan_backtest(workspace, "eth_staking_only", first="2024-06", last="2024-07").run():
        pass
    assert outdated_months(workspace, wire_mode(workspace.config, "eth_staking_only")) == []
