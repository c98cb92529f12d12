"""The Dagster entry point: merges what `defs` builds for the modes in the configuration folder."""

from __future__ import annotations

import warnings

import dagster as dg

from basis_pipeline.config.wiring import wire_mode
from basis_pipeline.defs.backtests import backtest_asset
from basis_pipeline.defs.experiment import experiment_jobs
from basis_pipeline.defs.jobs import MARKET_DATA, SIGNALS, market_data_job, mode_job, signals_job
from basis_pipeline.defs.market_data import market_data
from basis_pipeline.defs.partitions import monthly
from basis_pipeline.defs.reports import catalogue_asset, overview_asset, report_asset
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.defs.schedules import market_data_nightly, mode_nightly, signals_nightly
from basis_pipeline.defs.signals import modes_signals, signals_asset
from basis_pipeline.defs.sweep import sweep_jobs
from basis_pipeline.runs.workspace import Workspace


def build_definitions(workspace: Workspace) -> dg.Definitions:
    """Everything for one workspace. Reads configuration files, never market data or results."""
    wired = [wire_mode(workspace.config, mode) for mode in workspace.config.modes()]
    names = [mode.name for mode in wired]
    models = workspace.config.signal_models()
    months, ingestion, training = monthly(wired), market_data_job(), [signals_job(models)] if models else []
    with warnings.catch_warnings():
        # Single-run backfills keep the months of a range in order; they are beta, hence the pin of Dagster's minor.
        warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)
        backtests = [backtest_asset(mode, months, models) for mode in wired]
    jobs = {name: mode_job(name) for name in names}
    nightly = [
        mode_nightly(
            mode.name, jobs[mode.name], (MARKET_DATA, SIGNALS) if modes_signals(mode, models) else (MARKET_DATA,)
        )
        for mode in wired
    ]
    return dg.Definitions(
        assets=[
            market_data,
            *(signals_asset(model, workspace.config.signal_model(model).description) for model in models),
            *backtests,
            *(report_asset(name) for name in names),
            overview_asset(names),
            catalogue_asset(names),
        ],
        jobs=[
            ingestion,
            *training,
            *jobs.values(),
            *experiment_jobs([mode.file for mode in wired]),
            *sweep_jobs([workspace.config.sweep(name) for name in workspace.config.sweeps()], names),
        ],
        schedules=[market_data_nightly(ingestion), *map(signals_nightly, training), *nightly],
        resources={"workspace": WorkspaceResource.of(workspace)},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions(Workspace.from_environment())
