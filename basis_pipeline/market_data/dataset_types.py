"""The words a dataset is declared in: columns with units and bounds, step, maximum age, when a value becomes known."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["number", "flag", "time", "text"]

Known = Literal["stamp", "bar_close", "midnight", "day_end", "day_after_payout", "block_timestamp"]
"""When a value becomes known.

stamp: at the row's timestamp. bar_close: at timestamp + step. midnight: only rows stamped 00:00 are observations, known
at their stamp; rows between are interpolated and never read. day_end: at the end of the stamped day. day_after_payout:
00:00 of the day after `payout_date`. block_timestamp: at the value of that column.
"""

Family = Literal["prices", "lending", "rewards", "parameters", "signals"]
"""Datasets whose rules or checks look at each other; a changed file re-examines its whole family."""

DOWNLOADED = "downloads/"
"""Files below this part of the raw folder were fetched from the venue itself, in this project's units and stamps."""
PROVENANCE_SUFFIX = ".provenance.json"
"""Follows the name of a downloaded file: where it comes from."""


class Column(msgspec.Struct, frozen=True):
    """One column of a validated dataset.

    Attributes:
        above: values must be strictly greater.
        low: values must be greater or equal.
        high: values must be less or equal.
        choices: of a text, the words it can be; empty: any.
    """

    name: str
    unit: str
    description: str
    kind: Kind = "number"
    known: Known = "stamp"
    nullable: bool = False
    above: float | None = None
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


class Dataset(msgspec.Struct, frozen=True):
    """One kind of data; its series are (venue, symbol).

    Attributes:
        key: columns that identify a row; `timestamp` alone for time series.
        step: microseconds between rows; None where rows come as they come (funding declares its own interval).
        max_age: maximum age at use on an hourly grid, microseconds; None: not used as of a time, 0: only at its stamp.
        max_age_5min: the same on a 5-minute grid, where it differs.
        ordered: rows of a source file must be in time order; False for tables that their vendors sort otherwise.
    """

    name: str
    family: Family
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("timestamp",)
    step: int | None = None
    max_age: int | None = None
    max_age_5min: int | None = None
    ordered: bool = True

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def names(self, kind: Kind | None = None) -> list[str]:
        return [column.name for column in self.columns if kind is None or column.kind == kind]


class SeriesKey(msgspec.Struct, frozen=True, order=True):
    """One series: a dataset of one venue and symbol."""

    dataset: str
    venue: str
    symbol: str

    def __str__(self) -> str:
        return f"{self.dataset} {self.venue} {self.symbol}"


PROVENANCE = (
    Column("quality", "observed | filled | proxied", "Where the row comes from.", kind="text"),
    Column("source_file", "path", "Raw file, relative to the raw folder; of a filled row the donor's.", kind="text"),
    Column("source_row", "1-based row", "Line (CSV) or row in that file; of a filled row the donor's.", low=1.0),
)
"""Columns that every dataset has after its own."""
