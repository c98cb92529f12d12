"""Gas units by operation: `operation_gas_costs_summary.json`.

Its prices are one aggregate over the vendor's whole period, which looks ahead: only `gas_units` are taken.
"""

from __future__ import annotations

from datetime import date

import msgspec

from basis_pipeline.market_data.corrections import Corrections, start_of
from basis_pipeline.market_data.findings import Finding, reject
from basis_pipeline.market_data.sources.json_files import decode, item_frame
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition, fixed


class _Operation(msgspec.Struct):
    gas_units: float


class _Summary(msgspec.Struct):
    date_range: str
    operation_costs: dict[str, _Operation]


def read(found: Recognition, _corrections: Corrections) -> Reading:
    summary = decode(found, _Summary)
    first, _, last = summary.date_range.partition(" to ")
    try:
        as_of = start_of(date.fromisoformat(last))
    except ValueError as error:
        remedy = "correct the file or download it again."
        message = f"{summary.date_range!r} is not FIRST to LAST."
        raise reject("wrong_content", message, remedy=remedy, file=found.file.name, column="date_range") from error
    operations = summary.operation_costs
    units = [operation.gas_units for operation in operations.values()]
    message = f"prices are aggregates over {first} to {last} and look ahead; only gas_units are read."
    finding = Finding("INFO", "look_ahead_aggregate", message, file=found.file.name)
    frame = item_frame([as_of] * len(operations), {"operation": list(operations), "gas_units": units})
    return Reading(frame, (finding,))


LAYOUT = Layout(
    "gas units",
    "operation_gas_costs_summary",
    (".json",),
    ("date_range", "operation_costs"),
    identify=fixed("gas_units", "ethereum", "ETH"),
    read=read,
)
