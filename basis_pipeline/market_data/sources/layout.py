"""What a vendor layout is: a file name pattern, a header, and a function that reads it.

To add one, write a module beside this one that ends in `LAYOUT = Layout(...)` and name it in `sources/__init__.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.sources.raw_files import FileHead, RawFile

VENUE = r"(?P<venue>[a-z0-9]+)"
SYMBOL = r"(?P<symbol>[A-Za-z0-9]+)"
_TAIL = r"(?:[._-](?:part\d+|\d{4}(?:-\d{2}){0,2}|\d{8}|to))*"
"""Parts of a download and the dates it covers may follow the name."""


@dataclass(frozen=True)
class Reading:
    """Rows of one file in a dataset's columns, with `timestamp` (int64 microseconds UTC) and `source_row` (1-based)."""

    frame: pd.DataFrame
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Recognition:
    """A file of a known layout and the series that its rows belong to."""

    layout: Layout
    file: RawFile
    head: FileHead
    key: SeriesKey
    name: dict[str, str]


Identify = Callable[[dict[str, str], FileHead, Corrections], SeriesKey]
Read = Callable[[Recognition, Corrections], Reading]


@dataclass(frozen=True)
class Layout:
    """One vendor layout.

    Attributes:
        title: for messages.
        stem: pattern of the file name without its suffix; named groups are handed to `identify` and `read`.
        suffixes: `.csv`, `.feather`, ...
        columns: columns (JSON: keys) that must be there; others are ignored.
        identify: the series of a file from its name's groups and its head.
        read: reads the file; None where the layout is known but no dataset takes it (`unused` says why).
        unused: why nothing is read from the layout.
        price: the price column, in which a straight ramp gives a placeholder away; empty where there is none.
    """

    title: str
    stem: str
    suffixes: tuple[str, ...]
    columns: tuple[str, ...]
    identify: Identify
    read: Read | None = None
    unused: str = ""
    price: str = ""

    def match(self, name: str) -> dict[str, str] | None:
        """Groups of the file name, or None if the layout has other names."""
        path = PurePosixPath(name)
        found = re.fullmatch(self.stem + _TAIL, path.stem) if path.suffix in self.suffixes else None
        return None if found is None else {key: value for key, value in found.groupdict().items() if value is not None}

    def missing(self, head: FileHead) -> list[str]:
        """Required columns that the header lacks."""
        return [column for column in self.columns if column not in head.columns]


def fixed(dataset: str, venue: str, symbol: str) -> Identify:
    """An `identify` for layouts of which there is one file."""
    return lambda _name, _head, _corrections: SeriesKey(dataset, venue, symbol)
