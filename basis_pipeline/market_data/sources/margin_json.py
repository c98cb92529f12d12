"""Margin parameters of a CEX: `binance_margin_requirements.json`. Undated; fractions of notional."""

from __future__ import annotations

import msgspec

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.findings import Finding, RawFileError
from basis_pipeline.market_data.sources.json_files import decode, item_frame
from basis_pipeline.market_data.sources.layout import VENUE, Layout, Reading, Recognition


class _Limits(msgspec.Struct):
    max_position_usdt: float
    min_position_usdt: float


class _Margin(msgspec.Struct):
    initial_margin_requirement: float
    maintenance_margin_requirement: float
    max_leverage: float
    position_size_limits: _Limits


def read(found: Recognition, corrections: Corrections) -> Reading:
    margin = decode(found, _Margin)
    initial, maintenance = margin.initial_margin_requirement, margin.maintenance_margin_requirement
    if initial < maintenance:
        message = (
            f"initial margin {initial:g} is below maintenance margin {maintenance:g}: no venue works like that; "
            "a placeholder, not used."
        )
        column = "initial_margin_requirement"
        raise RawFileError(Finding("WARN", "impossible_margin", message, file=found.file.name, column=column))
    columns = {
        "initial_margin": [initial],
        "maintenance_margin": [maintenance],
        "max_leverage": [margin.max_leverage],
        "min_position_usdt": [margin.position_size_limits.min_position_usdt],
        "max_position_usdt": [margin.position_size_limits.max_position_usdt],
    }
    return Reading(item_frame([corrections.as_of("margin_requirements")], columns))


LAYOUT = Layout(
    "margin requirements",
    VENUE + "_margin_requirements",
    (".json",),
    ("initial_margin_requirement", "maintenance_margin_requirement"),
    identify=lambda name, _head, _corrections: SeriesKey("margin_requirements", name["venue"], "ALL"),
    read=read,
)
