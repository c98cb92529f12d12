"""Readers of vendor files: one module per layout, and this registry of them."""

from __future__ import annotations

from pathlib import PurePosixPath

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.findings import reject
from basis_pipeline.market_data.sources import (
    aave_daily_csv,
    aave_hourly_parquet,
    aave_rates_csv,
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
from basis_pipeline.market_data.sources.raw_files import RawFile, other_separator, read_head

LAYOUTS: tuple[Layout, ...] = (
    candles_csv.LAYOUT,
    candles_binary.LAYOUT,
    funding_csv.LAYOUT,
    dex_csv.LAYOUT,
    aave_daily_csv.LAYOUT,
    aave_hourly_parquet.LAYOUT,
    aave_rates_csv.LAYOUT,
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


_PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".tar")


def candidates(name: str) -> list[Layout]:
    """Layouts whose file name pattern fits."""
    return [layout for layout in LAYOUTS if layout.match(name) is not None]


def nearly(name: str) -> Layout | None:
    """The layout that a file would be of if it were unpacked, or had that layout's suffix or case, or no dashes."""
    path = PurePosixPath(name)
    while path.suffix.lower() in _PACKED:
        path = path.with_suffix("")
    plain = path.stem.replace("-", "")
    stems = (path.name, path.stem, plain, plain.lower())
    tried = (
        layout for layout in LAYOUTS for stem in stems for suffix in layout.suffixes if layout.match(stem + suffix)
    )
    return next(tried, None)


def recognise(file: RawFile, corrections: Corrections) -> Recognition | None:
    """The layout and series of `file`, or None if no layout has such a name.

    Raises:
        RawFileError: the name fits, the content does not (empty, corrupt, other columns).
    """
    named = candidates(file.name)
    if not named:
        return None
    head = read_head(file)
    if twice := sorted({column for column in head.columns if column and head.columns.count(column) > 1}):
        raise reject(
            "wrong_columns",
            f"its header names {', '.join(twice)} more than once.",
            remedy="take away the column that is not meant.",
            file=file.name,
            column=twice[0],
        )
    for layout in named:
        if not layout.missing(head):
            name = layout.match(file.name) or {}
            return Recognition(layout, file, head, layout.identify(name, head, corrections), name)
    nearest = min(named, key=lambda layout: len(layout.missing(head)))
    if separator := other_separator(head):
        raise reject(
            "wrong_columns",
            f"named like {nearest.title}, but its columns are separated by {separator}.",
            remedy="save it as CSV in UTF-8, with commas between columns and points in numbers.",
            file=file.name,
            column=nearest.missing(head)[0],
        )
    raise reject(
        "wrong_columns",
        f"named like {nearest.title}, but lacks {', '.join(nearest.missing(head))}; it has {', '.join(head.columns)}.",
        remedy="download it again, or rename it if it is something else.",
        file=file.name,
        column=nearest.missing(head)[0],
    )
