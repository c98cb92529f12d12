"""Jobs: market data, and one per mode that brings its record, its page and the views up to date."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from basis_pipeline.defs.downloads import DOWNLOADS
from basis_pipeline.defs.market_data import market_data
from basis_pipeline.defs.reports import report_name
from basis_pipeline.defs.signals import signals_name

MARKET_DATA, SIGNALS = "market_data", "signals"

EXCLUSIVE = "basis/exclusive"
"""Run tag: of all runs with the same value one runs at a time (dagster.yaml)."""

NEW_WARNINGS = "basis/new_warnings"
"""Run tag: months and gates that warn since this run (`runs.standing.new_warnings`)."""

_MAX_SECONDS = {"dagster/max_runtime": "14400"}
"""A run whose process and code server were both lost would count as running, and block its mode, for ever."""


_WRITING = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def is_being_written(instance: dg.DagsterInstance, jobs: Container[str], assets: Iterable[str]) -> bool:
    """Whether a run of one of `jobs`, or of one of `assets` alone, is about to report them itself."""
    keys = {dg.AssetKey(asset) for asset in assets}
    runs = instance.get_runs(dg.RunsFilter(statuses=_WRITING))
    return any(run.job_name in jobs or keys & (run.asset_selection or frozenset()) for run in runs)


def market_data_job(*, downloading: bool) -> UnresolvedAssetJobDefinition:
    """`downloading`: fetch vendor files first, in the same run."""
    ingestion = dg.AssetSelection.assets(market_data)
    return dg.define_asset_job(
        MARKET_DATA,
        selection=dg.AssetSelection.assets(DOWNLOADS) | ingestion if downloading else ingestion,
        tags={EXCLUSIVE: MARKET_DATA, "basis/kind": "ingestion", **_MAX_SECONDS},
        description="Fetch vendor files that are due, then ingest what changed in them."
        if downloading
        else "Ingest what changed in the vendor files.",
    )


def download_job() -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        "download",
        selection=dg.AssetSelection.assets(DOWNLOADS),
        tags={EXCLUSIVE: MARKET_DATA, "basis/kind": "ingestion", **_MAX_SECONDS},
        description="Fetch what is due from exchanges, archives and the chain; off unless downloads.yaml enables it.",
    )


def signals_job(models: Sequence[str]) -> UnresolvedAssetJobDefinition:
    """Apart from the ingestion: a model that cannot be trained stops the modes that follow it, and no other."""
    return dg.define_asset_job(
        SIGNALS,
        selection=dg.AssetSelection.assets(*(signals_name(model) for model in models)),
        tags={EXCLUSIVE: SIGNALS, "basis/kind": "training", **_MAX_SECONDS},
        description="Train the models whose candles changed, walk-forward by month, and publish their signals.",
    )


def months_job_name(mode: str) -> str:
    return f"{mode}_months"


def mode_job(mode: str) -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        months_job_name(mode),
        selection=dg.AssetSelection.assets(mode, report_name(mode), "overview", "catalogue"),
        tags={EXCLUSIVE: mode, "basis/kind": "backtest", **_MAX_SECONDS},
        description=f"Months of {mode}, then its page, the overview and the catalogue.",
    )
