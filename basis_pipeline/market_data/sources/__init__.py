"""Readers of vendor files: one module per layout, and this registry of them."""

from __future__ import annotations

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.findings import reject
from basis_pipeline.market_data.sources import (
    aave_daily_csv,
    aave_hourly_parquet,
    aave_risk,
    benchmark_csv,
    candles_binary,
    candles_csv,
    defillama_csv,
    dex_csv,
    execution_costs_json,
    funding_csv,
    gas_csv,
    gas_units_json,
    margin_json,
    oracle_csv,
    peg_csv,
    reward_distributions_csv,
    reward_periods_csv,
    reward_topups_csv,
    seasonal_drops_csv,
    signals_csv,
    single_price_csv,
)
from basis_pipeline.market_data.sources.layout import Layout, Recognition
from basis_pipeline.market_data.sources.raw_files import RawFile, read_head

LAYOUTS: tuple[Layout, ...] = (
    candles_csv.LAYOUT,
    candles_binary.LAYOUT,
    funding_csv.LAYOUT,
    dex_csv.LAYOUT,
    aave_daily_csv.LAYOUT,
    aave_hourly_parquet.LAYOUT,
    oracle_csv.LAYOUT,
    peg_csv.LAYOUT,
    gas_csv.LAYOUT,
    reward_distributions_csv.LAYOUT,
    reward_topups_csv.LAYOUT,
    seasonal_drops_csv.LAYOUT,
    reward_periods_csv.LAYOUT,
    defillama_csv.STAKING,
    defillama_csv.BENCHMARK,
    benchmark_csv.LAYOUT,
    execution_costs_json.LOOKUP,
    execution_costs_json.SUMMARY,
    gas_units_json.LAYOUT,
    margin_json.LAYOUT,
    aave_risk.SHEET,
    aave_risk.JSON,
    single_price_csv.LAYOUT,
    signals_csv.LAYOUT,
)


def candidates(name: str) -> list[Layout]:
    """Layouts whose file name pattern fits."""
    return [layout for layout in LAYOUTS if layout.match(name) is not None]


def recognise(file: RawFile, corrections: Corrections) -> Recognition | None:
    """The layout and series of `file`, or None if no layout has such a name.

    Raises:
        RawFileError: the name fits, the content does not (empty, corrupt, other columns).
    """
    named = candidates(file.name)
    if not named:
        return None
    head = read_head(file)
    for layout in named:
        if not layout.missing(head):
            name = layout.match(file.name) or {}
            return Recognition(layout, file, head, layout.identify(name, head, corrections), name)
    nearest = min(named, key=lambda layout: len(layout.missing(head)))
    raise reject(
        "wrong_columns",
        f"named like {nearest.title}, but lacks {', '.join(nearest.missing(head))}; it has {', '.join(head.columns)}.",
        remedy="download it again, or rename it if it is something else.",
        file=file.name,
        column=nearest.missing(head)[0],
    )
