"""What a reader, a rule or a check has to say about data: one record, from the raw file to the report."""

from __future__ import annotations

from typing import Literal

import msgspec

from basis_pipeline.domain.errors import DataError

Severity = Literal["INFO", "WARN", "ERROR"]
"""INFO: known and handled. WARN: handled, somebody should know. ERROR: what it concerns must not be used."""


class Finding(msgspec.Struct, frozen=True):
    """One thing found in market data.

    Attributes:
        severity: see `Severity`.
        rule: name of the reader check, rule or check that found it; stable, safe to search for.
        message: what is the case, with the first few places.
        remedy: what a person can do; empty where nothing is to be done.
        file: raw file (relative, posix), where one file is concerned.
        row: 1-based line or row in that file, where one row is concerned.
        column: column of that file or dataset.
        month: the month concerned, where there is one.
        count: how many rows, steps or pairs are concerned.
    """

    severity: Severity
    rule: str
    message: str
    remedy: str = ""
    file: str = ""
    row: int | None = None
    column: str = ""
    month: str = ""
    count: int = 1

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.row, self.column) if part not in ("", None))
        text = f"{self.severity} {self.rule}: " + (f"{place}: " if place else "") + self.message
        return text + (f" Remedy: {self.remedy}" if self.remedy else "")


class RawFileError(DataError):
    """A raw file cannot be used; carries the finding that says why."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(str(finding), remedy=finding.remedy)

    def __reduce__(self) -> tuple[object, ...]:
        return RawFileError, (self.finding,)


def reject(
    rule: str, message: str, *, remedy: str, file: str = "", row: int | None = None, column: str = "", count: int = 1
) -> RawFileError:
    """The error to raise for a file that must not be used."""
    return RawFileError(Finding("ERROR", rule, message, remedy, file, row, column, count=count))
