"""Aave v3 risk parameters: an exported sheet (assets in columns, text values) and a hand-written JSON file. Undated."""

from __future__ import annotations

import csv
from io import StringIO

import msgspec
import numpy as np

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.findings import reject
from basis_pipeline.market_data.sources.json_files import decode, item_frame
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition, fixed

SHEET_ORIGIN, HAND_WRITTEN = "sheet", "hand_written"
_KEY = fixed("aave_risk_parameters", "aave_v3", "ethereum")
_SHEET = {
    "ltv": "LTV",
    "liquidation_threshold": "Liquidation Threshold",
    "liquidation_bonus": "Liquidation Bonus",
    "reserve_factor": "Reserve Factor",
    "supply_cap": "Supply Cap",
    "borrow_cap": "Borrow Cap",
}
_LIMITS = ("ltv", "liquidation_threshold", "liquidation_bonus", "reserve_factor")
_SCALES = {"%": 0.01, "K": 1e3, "M": 1e6, "B": 1e9}
_NATIVE = {"ETH": "WETH"}
"""Aave lists native coins as their wrapped token."""


_Record = tuple[str, str, tuple[float | None, ...]]
"""asset, mode, limits in the order of `_LIMITS`."""


class _Mode(msgspec.Struct):
    ltv_limits: dict[str, float]
    liquidation_thresholds: dict[str, float]
    liquidation_bonus: dict[str, float]


class _Parameters(msgspec.Struct):
    emode: _Mode
    standard: _Mode
    reserve_factors: dict[str, float]


def read_sheet(found: Recognition, corrections: Corrections) -> Reading:
    text = found.file.path.read_text(encoding="utf-8-sig")
    header, *lines = list(csv.reader(StringIO(text)))
    rows = {line[0]: line[1:] for line in lines if line}
    assets = header[1:]
    columns: dict[str, list[float] | list[str]] = {
        "asset": assets,
        "mode": ["standard"] * len(assets),
        "origin": [SHEET_ORIGIN] * len(assets),
    }
    for ours, theirs in _SHEET.items():
        if len(rows.get(theirs, [])) != len(assets):
            message = f"{len(rows.get(theirs, []))} values for {len(assets)} assets."
            raise reject("wrong_content", message, remedy="export it again.", file=found.file.name, column=theirs)
        values = [_value(found, theirs, cell) for cell in rows[theirs]]
        # Caps have four decimals of billions: zero means too small to tell, not none allowed.
        columns[ours] = [np.nan if ours.endswith("_cap") and value == 0.0 else value for value in values]
    return Reading(item_frame([corrections.as_of("aave_risk_parameters")] * len(assets), columns))


def read_json(found: Recognition, corrections: Corrections) -> Reading:
    parameters = decode(found, _Parameters)
    factors = parameters.reserve_factors
    records: list[_Record] = []
    for mode, limits in (("emode", parameters.emode), ("standard", parameters.standard)):
        for pair, ltv in limits.ltv_limits.items():
            asset = _asset(pair)
            # A reserve factor belongs to the asset, not to a mode.
            factor = factors.get(asset) if mode == "standard" else None
            threshold, bonus = limits.liquidation_thresholds.get(pair), limits.liquidation_bonus.get(pair)
            records.append((asset, mode, (ltv, threshold, bonus, factor)))
    covered = {asset for asset, _mode, _limits in records}
    records += [
        (token, "standard", (None, None, None, rate)) for token, rate in factors.items() if token not in covered
    ]
    values = np.array([limits for _asset, _mode, limits in records], dtype=np.float64)
    columns = {
        "asset": np.array([record[0] for record in records], dtype=object),
        "mode": np.array([record[1] for record in records], dtype=object),
        "origin": np.full(len(records), HAND_WRITTEN, dtype=object),
        **{name: values[:, index] for index, name in enumerate(_LIMITS)},
        "supply_cap": np.full(len(records), np.nan),
        "borrow_cap": np.full(len(records), np.nan),
    }
    return Reading(item_frame([corrections.as_of("aave_risk_parameters")] * len(records), columns))


def _asset(pair: str) -> str:
    token = pair.partition("_")[0]
    return _NATIVE.get(token, token)


def _value(found: Recognition, column: str, cell: str) -> float:
    """`80.50%` -> 0.805, `0.0032B` -> 3.2e6, `N/A` -> NaN."""
    text = cell.strip().replace(",", "")
    if text in ("", "N/A"):
        return np.nan
    scale = _SCALES.get(text[-1], 1.0)
    try:
        return round(float(text.rstrip("%KMB")) * scale, 12)
    except ValueError as error:
        message = f"{cell!r} is no number, percentage or N/A."
        raise reject(
            "wrong_content", message, remedy="export it again.", file=found.file.name, column=column
        ) from error


SHEET = Layout(
    "Aave parameter sheet",
    r"aave_v3_[a-z]+_params_snapshot",
    (".csv",),
    ("",),
    identify=_KEY,
    read=read_sheet,
)
JSON = Layout(
    "Aave parameters, hand-written",
    "aave_v3_risk_parameters",
    (".json",),
    ("emode", "standard", "reserve_factors"),
    identify=_KEY,
    read=read_json,
)
