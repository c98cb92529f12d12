"""Answers to queries: shown to a person, or as CSV, JSON and Parquet for programs."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from basis_pipeline.cli.screens import say
from basis_pipeline.cli.terminal import OUT
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.storage.files import put_bytes

_SHOWN_ROWS = 1000
_SHOWN_RECORDS = 20
"""Rows that do not fit beside each other are shown one value per line, and fewer of them."""

_BORDERS, _WRAPPED = 3, 36
"""Characters between two columns; words in cells longer than this go on in the next line."""


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def format_of(wanted: str | None, output: Path | None) -> Format:
    """The format asked for, else the one that the file's name ends with, else a table.

    Raises:
        ConfigError: the file's name says nothing, or the format does not go with where it is written to.
    """
    if wanted is None and output is not None:
        suffix = output.suffix.removeprefix(".").lower()
        if suffix not in (Format.CSV, Format.JSON, Format.PARQUET):
            raise ConfigError(f"{output} does not say what to write.", remedy="end it with .csv, .json or .parquet.")
        return Format(suffix)
    found = Format(wanted or Format.TABLE)
    if found is Format.PARQUET and output is None:
        raise ConfigError("Parquet is not for a terminal.", remedy="name a file with --output.")
    if found is Format.TABLE and output is not None:
        raise ConfigError("a table is for a terminal.", remedy="--format csv, json or parquet goes with --output.")
    return found


def deliver(answer: pa.Table, kind: Format, output: Path | None) -> None:
    """The answer to a query, on standard output or in a file."""
    if kind is Format.TABLE:
        show(answer, OUT)
        return
    content = encoded(answer, kind)
    if output is None:
        sys.stdout.write(content.decode())
        return
    put_bytes(output, content)
    say(f"wrote {answer.num_rows:,} rows to {output}")


def encoded(answer: pa.Table, kind: Format) -> bytes:
    """The whole answer as CSV (header, empty = no value), a JSON array of objects, or Parquet."""
    return {Format.CSV: _csv, Format.JSON: _json, Format.PARQUET: _parquet}[kind](answer)


def show(answer: pa.Table, console: Console) -> None:
    """Print the answer as a table, or row by row where the columns do not fit; say what was left out."""
    names, total = answer.column_names, answer.num_rows
    rows = [[_cell(value) for value in row] for row in _rows(answer.slice(0, _SHOWN_ROWS))]
    widths = [min(_WRAPPED, max(len(name), *(len(row[at]) for row in rows), 0)) for at, name in enumerate(names)]
    if sum(widths) + _BORDERS * len(names) + 1 <= console.width or len(names) == 1:
        table = Table(*names)
        for row in rows:
            table.add_row(*map(escape, row))
        console.print(table)
    else:
        rows = rows[:_SHOWN_RECORDS]
        for number, row in enumerate(rows, start=1):
            table = Table("row", str(number))
            for name, cell in zip(names, row, strict=True):
                table.add_row(name, escape(cell))
            console.print(table)
    if not total:
        say("no rows")
    if total > len(rows):
        say(f"{total - len(rows):,} more rows; --format csv prints them all, --output FILE keeps them")


def _rows(answer: pa.Table) -> Iterator[tuple[object, ...]]:
    return (tuple(row.values()) for batch in answer.to_batches() for row in batch.to_pylist())


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    return "" if value is None else str(value)


def _csv(answer: pa.Table) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.column_names)
    writer.writerows(["" if value is None else value for value in row] for row in _rows(answer))
    return text.getvalue().encode()


def _json(answer: pa.Table) -> bytes:
    names = answer.column_names
    rows = (json.dumps(dict(zip(names, map(_plain, row), strict=True)), allow_nan=False) for row in _rows(answer))
    return ("[" + ",\n ".join(rows) + "]\n").encode()


def _plain(value: object) -> object:
    """Times in ISO 8601; JSON has no number for what is not finite."""
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)


def _parquet(answer: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(answer, buffer, compression="zstd")
    return buffer.getvalue()
