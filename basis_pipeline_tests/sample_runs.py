"""What `make run` leaves, made by the tests themselves."""

from __future__ import annotations

from basis_pipeline.config.wiring import wire_mode
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.pipeline import prepare_data
from basis_pipeline.runs.reports import refresh_catalogue, write_overview, write_page
from basis_pipeline.runs.workspace import Workspace


def ingest_sample(workspace: Workspace) -> None:
    """Make and ingest the default sample."""
    assert not prepare_data(workspace, _quiet).errors


def run_sample(workspace: Workspace) -> None:
    """Run all modes but those that follow a trained model over an ingested sample; write reports."""
    for mode in workspace.config.modes():
        if wire_mode(workspace.config, mode).file.strategy.shape != "directional":
            assert list(plan_backtest(workspace, mode, run_id="sample").run(_quiet))
            write_page(workspace, mode)
    write_overview(workspace)
    refresh_catalogue(workspace)


def _quiet(_what: str, _done: int, _total: int) -> None: ...
