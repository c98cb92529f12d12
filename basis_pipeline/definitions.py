"""The Dagster entry point: merges what `defs` builds for the modes in the configuration folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from basis_pipeline.config.operations import NightlyFile
from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.defs.backtests import backtest_asset, broken_mode
from basis_pipeline.defs.experiment import experiment_jobs
from basis_pipeline.defs.jobs import market_data_job, mode_job
from basis_pipeline.defs.market_data import market_data
from basis_pipeline.defs.notices import notify_failures, notify_warnings
from basis_pipeline.defs.partitions import monthly
from basis_pipeline.defs.provenance import inputs_asset
from basis_pipeline.defs.published import published_months
from basis_pipeline.defs.reports import catalogue_asset, overview_asset, report_asset
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.defs.schedules import market_data_nightly, mode_nightly
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.runs.modes import last_data_month, wire_modes
from basis_pipeline.runs.workspace import Workspace


def build_definitions(workspace: Workspace) -> dg.Definitions:
    """Everything for one workspace. Reads configuration and which months there are data for, never the data.

    A mode whose file is wrong stays in the graph and says so; the others are not kept from running.
    """
    wired, broken = wire_modes(workspace.config)
    names = workspace.config.modes()
    months = monthly(wired, last_data_month(workspace, wired), f"{datetime.now(UTC):%Y-%m}")
    ingestion, jobs = market_data_job(), {name: mode_job(name) for name in names}
    times = workspace.config.optional("nightly.yaml", NightlyFile)
    return dg.Definitions(
        assets=[
            market_data,
            *(inputs_asset(mode, months) for mode in wired),
            *_backtests(wired, broken, months),
            *(report_asset(name) for name in names),
            overview_asset(names),
            catalogue_asset(names),
        ],
        jobs=[ingestion, *jobs.values(), *experiment_jobs([mode.file for mode in wired])],
        schedules=[
            market_data_nightly(ingestion, times),
            *(mode_nightly(name, job, times, months) for name, job in jobs.items()),
        ],
        sensors=[
            published_months(names),
            notify_failures([ingestion, *jobs.values()]),
            notify_warnings([ingestion, *jobs.values()]),
        ],
        resources={"workspace": WorkspaceResource.of(workspace)},
        executor=dg.in_process_executor,
    )


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
