"""The use case behind `make run`: sample or vendor files -> validated data -> every mode -> gates -> reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from basis_pipeline.domain.errors import BasisError
from basis_pipeline.domain.progress import ProgressCallback
from basis_pipeline.runs.backtest import MonthRejectedError, plan_backtest
from basis_pipeline.runs.ingest import IngestReport, ingest
from basis_pipeline.runs.processes import side_by_side
from basis_pipeline.runs.records import RecordSummary, summarise
from basis_pipeline.runs.reports import refresh_catalogue, write_overview, write_page, write_rejected_report
from basis_pipeline.runs.signals import model_of, train_signals
from basis_pipeline.runs.workspace import Workspace, WorkspaceAddress
from basis_pipeline.storage.locations import Location


@dataclass(frozen=True)
class PipelineReport:
    """What happened: the ingestion, one summary per mode that ran, one error per mode that did not."""

    ingestion: IngestReport
    summaries: tuple[RecordSummary, ...]
    failures: dict[str, BasisError]
    overview: Location


def prepare_data(workspace: Workspace, progress: ProgressCallback) -> IngestReport:
    """Generate the sample if the root has neither one nor vendor files of its own, then ingest what changed."""
    from basis_pipeline.runs.sample_data import has_sample, make_sample_data  # noqa: PLC0415 - pandas, and only here

    info = workspace.root.info
    if workspace.raw_dir is None and (info is None or info.kind == "sample") and not has_sample(workspace.root):
        make_sample_data(workspace.root, progress=progress)
    return ingest(workspace.root, workspace.raw, config_dir=workspace.config.path, progress=progress)


def run_pipeline(
    workspace: Workspace, progress: ProgressCallback, *, reopen: bool = False, workers: int = 1
) -> PipelineReport:
    """Ingest, train what the modes follow, backtest every mode over all its months, and write the reports.

    A mode that fails does not keep the others from running; its error is in the report.

    Raises:
        StateError: a worker process ended unexpectedly; what it had published stays.
    """
    ingestion = prepare_data(workspace, progress)
    came_of = run_modes(workspace, progress, reopen=reopen, workers=workers)
    refresh_catalogue(workspace)
    summaries = tuple(outcome for outcome in came_of.values() if not isinstance(outcome, BasisError))
    failures = {mode: outcome for mode, outcome in came_of.items() if isinstance(outcome, BasisError)}
    return PipelineReport(ingestion, summaries, failures, write_overview(workspace))


def run_modes(
    workspace: Workspace, progress: ProgressCallback, *, reopen: bool = False, workers: int = 1
) -> dict[str, RecordSummary | BasisError]:
    """Backtest every mode over ingested data and write its page, in `workers` processes; with one, in this process.

    Modes know nothing of each other: what comes of them does not depend on how many run at a time.
    """
    modes = workspace.config.modes()
    ready, came_of = _train(workspace, modes, progress)
    count = min(workers, len(ready))
    if count <= 1:
        came_of |= {mode: _run_mode(workspace, mode, progress, reopen=reopen) for mode in ready}
    else:
        progress(f"modes, {count} at a time", 0, len(ready))
        run = partial(_run_elsewhere, WorkspaceAddress.of(workspace), reopen)
        for done, (mode, outcome) in enumerate(side_by_side(run, ready, count, purpose="`basis run`"), start=1):
            came_of[mode] = outcome
            progress(mode, done, len(ready))
    return {mode: came_of[mode] for mode in modes}


def _train(
    workspace: Workspace, modes: Sequence[str], progress: ProgressCallback
) -> tuple[list[str], dict[str, RecordSummary | BasisError]]:
    """Train what the modes follow. Modes that can run, those of 5-minute bars first; and what became of the others."""
    follows: dict[str, bool] = {}
    failed: dict[str, RecordSummary | BasisError] = {}
    for mode in modes:
        try:
            if model := model_of(workspace, mode):
                train_signals(workspace, model, progress)
            follows[mode] = model is not None
        except BasisError as error:
            failed[mode] = error
    return sorted(follows, key=lambda mode: not follows[mode]), failed


def _run_elsewhere(address: WorkspaceAddress, reopen: bool, mode: str) -> RecordSummary | BasisError:
    return _run_mode(address.open(), mode, lambda *_: None, reopen=reopen)


def _run_mode(
    workspace: Workspace, mode: str, progress: ProgressCallback, *, reopen: bool
) -> RecordSummary | BasisError:
    """All months of a mode and its page; what kept it from running, with the page of the month that was rejected."""
    try:
        for _ in plan_backtest(workspace, mode, reopen=reopen, run_id="pipeline").run(progress):
            pass
        write_page(workspace, mode)
        return summarise(workspace, mode)
    except MonthRejectedError as error:
        write_rejected_report(workspace, mode)
        return error
    except BasisError as error:
        return error
