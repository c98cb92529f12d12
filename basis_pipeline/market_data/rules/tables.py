"""Small tables: rows without a value yet, zeros that mean missing, tables that repeat themselves or contradict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import Series, first_places
from basis_pipeline.market_data.sources.aave_risk import HAND_WRITTEN, SHEET_ORIGIN

NOT_YET, ZERO, UNCHANGED, CONTRADICTED, NO_RATE = (
    "not_yet_reported",
    "zero_is_missing",
    "unchanged_value",
    "contradicted_by_sheet",
    "no_token_rate",
)
_SAME = 1e-9


def set_aside_leading_blanks(series: Series) -> Series:
    """Quarantine the rows at the start in which a required number is not reported yet."""
    required = [column.name for column in series.dataset.columns if column.kind == "number" and not column.nullable]
    blank = series.frame[required].isna().any(axis=1).to_numpy(dtype=bool)
    return series.set_aside(NOT_YET, np.logical_and.accumulate(blank))


def set_aside_zeros(series: Series, columns: Sequence[str]) -> Series:
    """Quarantine rows in which one of `columns` is zero: the vendor writes a missing value so."""
    zero = (series.frame[list(columns)] == 0.0).any(axis=1).to_numpy(dtype=bool)
    if not zero.any():
        return series
    message = f"a zero stands for a missing value at {first_places(series.stamps[zero])}; set aside."
    return series.set_aside(ZERO, zero).note(Finding("WARN", ZERO, message, count=int(zero.sum())))


def set_aside_without_rate(series: Series) -> Series:
    """Quarantine reward periods that state a yield but no token amount: only tokens can be credited."""
    return series.set_aside(NO_RATE, series.frame["tokens_per_eeth"].isna().to_numpy(dtype=bool))


def keep_changes(series: Series) -> Series:
    """Keep a cost only where it differs from the day before: the row then says from when it holds."""
    frame = series.frame.sort_values(["pair", "size_usd", "timestamp"], ignore_index=True)
    ordered = Series(series.key, frame, series.quarantine, series.ledger, series.findings)
    before = frame.groupby(["pair", "size_usd"])["cost_bps"].shift()
    kept = ordered.drop(UNCHANGED, (before == frame["cost_bps"]).to_numpy(dtype=bool))
    curves = frame.groupby(["pair", "size_usd"])["cost_bps"].nunique()
    if not (curves == 1).all():
        return kept
    message = f"each of {len(curves)} costs has one value on all dates: a model, not observed data."
    return kept.note(Finding("WARN", "constant_costs", message, count=len(curves)))


def prefer_sheet(series: Series) -> Series:
    """Quarantine hand-written standard parameters that an exported sheet contradicts; note what cannot be checked."""
    frame = series.frame
    limits = ["ltv", "liquidation_threshold", "liquidation_bonus", "reserve_factor"]
    sheet = frame[frame["origin"] == SHEET_ORIGIN].drop_duplicates("asset").set_index("asset")[limits]
    against = sheet.reindex(frame["asset"]).to_numpy(dtype=np.float64)
    own = frame[limits].to_numpy(dtype=np.float64)
    hand_written = (frame["origin"] == HAND_WRITTEN).to_numpy(dtype=bool)
    standard = (frame["mode"] == "standard").to_numpy(dtype=bool)
    wrong = hand_written & standard & (np.abs(own - against) > _SAME).any(axis=1)
    if wrong.any():
        message = f"hand-written parameters of {', '.join(frame['asset'][wrong])} contradict the sheet; set aside."
        series = series.note(Finding("WARN", CONTRADICTED, message, count=int(wrong.sum())))
    if (hand_written & ~standard).any():
        message = "e-mode parameters are hand-written; no source here confirms them."
        series = series.note(Finding("WARN", "unconfirmed_emode", message, count=int((hand_written & ~standard).sum())))
    return series.set_aside(CONTRADICTED, wrong)
