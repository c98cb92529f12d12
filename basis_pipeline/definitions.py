"""The Dagster entry point: merges what `defs` builds for the modes in the configuration folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from basis_pipeline.config.operations import NightlyFile
from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.defs.backtests import backtest_asset, broken_mode
from basis_pipeline.defs.downloads import downloads
from basis_pipeline.defs.experiment import experiment_jobs
from basis_pipeline.defs.ingested import ingested_market_data
from basis_pipeline.defs.jobs import (
    MARKET_DATA,
    SIGNALS,
    download_job,
    market_data_job,
    mode_job,
    signals_job,
)
from basis_pipeline.defs.live import live_jobs
from basis_pipeline.defs.live_compare import live_compare_jobs
from basis_pipeline.defs.market_data import market_data
from basis_pipeline.defs.notices import notices
from basis_pipeline.defs.partitions import monthly
from basis_pipeline.defs.provenance import inputs_asset
from basis_pipeline.defs.published import published_months
from basis_pipeline.defs.reports import catalogue_asset, overview_asset, report_asset
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.defs.schedules import market_data_nightly, mode_nightly, signals_nightly
from basis_pipeline.defs.signals import modes_signals, signals_asset
from basis_pipeline.defs.supervision import lost_sessions
from basis_pipeline.defs.sweep import sweep_jobs
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.runs.download import is_configured
from basis_pipeline.runs.modes import last_data_month, wire_modes
from basis_pipeline.runs.workspace import Workspace

_BEFORE = {False: (MARKET_DATA,), True: (MARKET_DATA, SIGNALS)}
"""Jobs that a mode's nightly waits for, by whether it follows a model that is trained here."""


def build_definitions(workspace: Workspace) -> dg.Definitions:
    """Everything for one workspace. Reads configuration and which months there are data for, never the data.

    A mode whose file is wrong stays in the graph and says so; the others are not kept from running.
    """
    wired, broken = wire_modes(workspace.config)
    names, models = workspace.config.modes(), workspace.config.signal_models()
    downloading = _downloads(workspace)
    months = _months(workspace, wired, downloading=downloading)
    ingestion, training = market_data_job(downloading=downloading), [signals_job(models)] if models else []
    jobs = {name: mode_job(name) for name in names}
    nightly = [ingestion, *training, *jobs.values()]
    live = live_jobs(workspace, wired)
    times = workspace.config.optional("nightly.yaml", NightlyFile)
    followers = {mode.name for mode in wired if modes_signals(mode, models)}
    return dg.Definitions(
        assets=[
            downloads,
            market_data,
            *(signals_asset(model, _described(workspace, model)) for model in models),
            *(inputs_asset(mode, months, models) for mode in wired),
            *_backtests(wired, broken, months),
            *(report_asset(name) for name in names),
            overview_asset(names),
            catalogue_asset(names),
        ],
        jobs=[
            download_job(),
            *nightly,
            *experiment_jobs([mode.file for mode in wired]),
            *sweep_jobs(workspace.config, [mode.file for mode in wired]),
            *live,
            *live_compare_jobs(wired),
        ],
        schedules=[
            market_data_nightly(ingestion, times),
            *(signals_nightly(job, times) for job in training),
            *(mode_nightly(name, jobs[name], times, months, _BEFORE[name in followers]) for name in names),
        ],
        sensors=[*_reporting(names, models), *notices(nightly, live), lost_sessions()],
        resources={"workspace": WorkspaceResource.of(workspace)},
        executor=dg.in_process_executor,
    )


def _months(workspace: Workspace, wired: Sequence[WiredMode], *, downloading: bool) -> dg.MonthlyPartitionsDefinition:
    data_end = None if downloading else last_data_month(workspace, wired)
    return monthly(wired, data_end, f"{datetime.now(UTC):%Y-%m}")


def _downloads(workspace: Workspace) -> bool:
    """Whether nights begin with downloads; where the file that says so is wrong they do, and fail with the reason."""
    try:
        return is_configured(workspace)
    except ConfigError:
        return True


def _reporting(modes: Sequence[str], models: Sequence[str]) -> list[dg.SensorDefinition]:
    """What tells the instance of things that were made without it."""
    return [published_months(modes), ingested_market_data(models)]


def _described(workspace: Workspace, model: str) -> str:
    """What a model's file says; one that is wrong says so where the model stands, and fails its training."""
    try:
        return workspace.config.signal_model(model).description
    except ConfigError as error:
        return f"**This model cannot be trained: its file is wrong.**\n\n{error}"


def _backtests(
    wired: Sequence[WiredMode], broken: Mapping[str, ConfigError], months: dg.MonthlyPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    with warnings.catch_warnings():
        # Single-run backfills keep the months of a range in order; they are beta, hence the pin of Dagster's minor.
        warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)
        return [
            *(backtest_asset(mode, months) for mode in wired),
            *(broken_mode(mode, error, months) for mode, error in broken.items()),
        ]


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions(Workspace.from_environment())
