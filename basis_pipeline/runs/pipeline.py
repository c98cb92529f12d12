"""The use case behind `make run`: sample or vendor files -> validated data -> every mode -> gates -> reports."""

from __future__ import annotations

from dataclasses import dataclass

from basis_pipeline.domain.errors import BasisError
from basis_pipeline.domain.progress import ProgressCallback
from basis_pipeline.runs.backtest import MonthRejectedError, plan_backtest
from basis_pipeline.runs.ingest import IngestReport, ingest
from basis_pipeline.runs.records import RecordSummary, summarise
from basis_pipeline.runs.reports import refresh_catalogue, write_overview, write_page, write_rejected_report
from basis_pipeline.runs.signals import model_of, train_signals
from basis_pipeline.runs.workspace import Workspace
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


def run_pipeline(workspace: Workspace, progress: ProgressCallback, *, reopen: bool = False) -> PipelineReport:
    """Ingest, train what the modes follow, backtest every mode over all its months, and write the reports.

    A mode that fails does not keep the others from running; its error is in the report.
    """
    ingestion = prepare_data(workspace, progress)
    summaries: list[RecordSummary] = []
    failures: dict[str, BasisError] = {}
    for mode in workspace.config.modes():
        try:
            if model := model_of(workspace, mode):
                train_signals(workspace, model, progress)
            for _ in plan_backtest(workspace, mode, reopen=reopen, run_id="pipeline").run(progress):
                pass
            write_page(workspace, mode)
            summaries.append(summarise(workspace, mode))
        except MonthRejectedError as error:
            write_rejected_report(workspace, mode)
            failures[mode] = error
        except BasisError as error:
            failures[mode] = error
    refresh_catalogue(workspace)
    return PipelineReport(ingestion, tuple(summaries), failures, write_overview(workspace))
