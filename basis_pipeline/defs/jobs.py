"""Jobs: market data, and one per mode that brings its record, its page and the views up to date."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from basis_pipeline.defs.market_data import market_data
from basis_pipeline.defs.reports import report_name
from basis_pipeline.defs.signals import signals_name

MARKET_DATA, SIGNALS = "market_data", "signals"

EXCLUSIVE = "basis/exclusive"
"""Run tag: of all runs with the same value one runs at a time (dagster.yaml)."""


def market_data_job() -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        MARKET_DATA,
        selection=dg.AssetSelection.assets(market_data),
        tags={EXCLUSIVE: MARKET_DATA, "basis/kind": "ingestion"},
        description="Ingest what changed in the vendor files.",
    )


def signals_job(models: Sequence[str]) -> UnresolvedAssetJobDefinition:
    """Apart from the ingestion: a model that cannot be trained stops the modes that follow it, and no other."""
    return dg.define_asset_job(
        SIGNALS,
        selection=dg.AssetSelection.assets(*(signals_name(model) for model in models)),
        tags={EXCLUSIVE: SIGNALS, "basis/kind": "training"},
        description="Train the models whose candles changed, walk-forward by month, and publish their signals.",
    )


def mode_job(mode: str) -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        f"{mode}_months",
        selection=dg.AssetSelection.assets(mode, report_name(mode), "overview", "catalogue"),
        tags={EXCLUSIVE: mode, "basis/kind": "backtest"},
        description=f"Months of {mode}, then its page, the overview and the catalogue.",
    )
