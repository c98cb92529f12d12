"""Ways to spoil one thing in the evidence of a clean month."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pyarrow as pa

from basis_pipeline.gates.evidence import MonthEvidence

Defect = Callable[[MonthEvidence], MonthEvidence]
Row = dict[str, object]
Edit = Callable[[list[Row]], list[Row]]


def run_again(evidence: MonthEvidence) -> MonthEvidence:
    """The month with the digest of a second run that gave the same, whatever is wrong with it."""
    return replace(evidence, second_digest=evidence.digest)


def at(row: int, **changes: object) -> Edit:
    """Rows with some columns of one row replaced."""
    return lambda rows: [entry | changes if number == row % len(rows) else entry for number, entry in enumerate(rows)]


def add(row: int, **amounts: float) -> Edit:
    """Rows with something added to some columns of one row."""
    return lambda rows: at(row, **{name: rows[row][name] + amount for name, amount in amounts.items()})(rows)


def without(row: int) -> Edit:
    return lambda rows: [entry for number, entry in enumerate(rows) if number != row % len(rows)]


def where(condition: Callable[[Row], bool], **changes: object) -> Edit:
    """Rows with some columns replaced wherever the condition holds."""
    return lambda rows: [entry | changes if condition(entry) else entry for entry in rows]


def in_table(name: str, edit: Edit) -> Defect:
    def plant(evidence: MonthEvidence) -> MonthEvidence:
        table = evidence.tables[name]
        spoilt = pa.Table.from_pylist(edit(table.to_pylist()), table.schema)
        return run_again(replace(evidence, tables={**evidence.tables, name: spoilt}))

    return plant


def in_evidence(**changes: object) -> Defect:
    return lambda evidence: replace(evidence, **changes)


def in_part(part: str, **changes: object) -> Defect:
    """Replaces fields of `state`, `previous` or `profile`."""
    return lambda evidence: run_again(
        replace(evidence, **{part: msgspec.structs.replace(getattr(evidence, part), **changes)})
    )


def in_series(number: int, **changes: object) -> Defect:
    """Replaces fields of one series used."""

    def plant(evidence: MonthEvidence) -> MonthEvidence:
        series = list(evidence.usage.series)
        series[number] = msgspec.structs.replace(series[number], **changes)
        return replace(evidence, usage=msgspec.structs.replace(evidence.usage, series=tuple(series)))

    return plant


def both(first: Defect, second: Defect) -> Defect:
    return lambda evidence: second(first(evidence))
