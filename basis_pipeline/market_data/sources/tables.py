"""Reading CSV, feather and parquet into typed columns, with errors that name file, column, row and remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.feather as pf
import pyarrow.parquet as pq

from basis_pipeline.domain.timeline import SECOND, to_micros
from basis_pipeline.market_data.findings import Finding, RawFileError, reject
from basis_pipeline.market_data.sources.layout import Recognition
from basis_pipeline.market_data.sources.raw_files import RawFile, unreadable

StampFormat = Literal["iso", "epoch_s", "native"]
ColumnKinds = dict[str, Literal["number", "text"]]
Int64s = npt.NDArray[np.int64]

_ARROW = {"number": pa.float64(), "text": pa.string()}
_NULLS = ["", "NaN", "nan", "N/A", "null", "None"]
_BATCH = 1 << 24
_EPOCHS = {10: 1_000_000_000, 13: 1_000_000, 16: 1_000, 19: 1}
"""Nanoseconds of the unit of an epoch stamp, by its digits: s, ms, us, ns."""
_EARLIEST = to_micros(pd.Timestamp("2009-01-01", tz="UTC").to_pydatetime())
_LATEST = to_micros(pd.Timestamp("2100-01-01", tz="UTC").to_pydatetime())


def read_columns(found: Recognition, columns: ColumnKinds) -> pa.Table:
    """Read `columns` of a recognised file (other columns are left out).

    Raises:
        RawFileError: the file cannot be parsed, a number is no number, or there are no rows.
    """
    file = found.file
    table = _read_csv(found, columns) if file.path.suffix == ".csv" else _read_binary(file, columns)
    if not table.num_rows:
        raise _no_rows(found)
    return table


def numbers(table: pa.Table, column: str) -> npt.NDArray[np.float64]:
    """A column as float64; nulls become NaN."""
    values: npt.NDArray[np.float64] = table.column(column).cast(pa.float64()).to_numpy().astype(np.float64)
    return values


def frame(
    found: Recognition, timestamp: Int64s, columns: Mapping[str, npt.NDArray[Any] | pd.Series[Any]]
) -> pd.DataFrame:
    """The rows of a reading: timestamp, `columns`, and where each row comes from."""
    rows = {"timestamp": timestamp, **columns, "source_row": source_rows(found, len(timestamp))}
    return pd.DataFrame(rows)


def candle_frame(found: Recognition, table: pa.Table, opened: Int64s) -> pd.DataFrame:
    """Rows of a candle file: open, high, low, close, volume at bar-open stamps."""
    return frame(found, opened, {name: numbers(table, name) for name in ("open", "high", "low", "close", "volume")})


def texts(table: pa.Table, column: str) -> pd.Series[str]:
    """A column as strings."""
    return pd.Series(table.column(column).to_pandas(), dtype=object)


def source_rows(found: Recognition, rows: int) -> Int64s:
    """Line numbers of a CSV's data rows, or 1-based row numbers of a binary table."""
    first = found.head.header_line + 1 if found.file.path.suffix == ".csv" else 1
    return np.arange(first, first + rows, dtype=np.int64)


def stamps(found: Recognition, table: pa.Table, column: str, kind: StampFormat) -> Int64s:
    """A time column in microseconds UTC.

    Args:
        found: the file, for messages.
        table: what was read of it.
        column: name of the time column.
        kind: iso (text with or without zone, plain dates; a column of epochs instead is told by their digits), epoch_s
            (seconds), native (a typed timestamp).
    """
    if kind == "iso":
        written = texts(table, column)
        parsed = pd.to_datetime(written, utc=True, format="ISO8601", errors="coerce")
        micros = parsed.dt.as_unit("us").astype("int64").to_numpy(dtype=np.int64)
        bad = parsed.isna().to_numpy()
        if (bad | (micros < _EARLIEST)).all() and (counted := _epochs(written)) is not None:
            micros, bad = counted, np.zeros(len(counted), dtype=bool)
    elif kind == "epoch_s":
        seconds = pd.to_numeric(table.column(column).to_pandas(), errors="coerce").to_numpy(dtype=np.float64)
        bad = ~np.isfinite(seconds)
        micros = np.round(np.where(bad, 0.0, seconds) * SECOND).astype(np.int64)
    else:
        cast = table.column(column).cast(pa.timestamp("us"), safe=False)
        bad = cast.is_null().to_numpy()
        micros = pc.fill_null(cast.cast(pa.int64()), 0).to_numpy().astype(np.int64)
    bad = bad | (micros < _EARLIEST) | (micros >= _LATEST)
    if bad.any():
        raise _bad_stamp(found, table, column, int(np.argmax(bad)), int(bad.sum()))
    return np.asarray(micros, dtype=np.int64)


def _epochs(written: pd.Series[str]) -> Int64s | None:
    """Stamps counted from 1970, if every one is; their digits say in which unit, as times since 2001 have no others."""
    whole = written.str.removesuffix(".0")
    digits = {len(text) for text in whole if text.isdigit()}
    if len(digits) != 1 or not whole.str.isdigit().all() or (unit := _EPOCHS.get(digits.pop())) is None:
        return None
    counted = whole.astype("int64").to_numpy(dtype=np.int64)
    return np.asarray(counted * (unit // 1_000) if unit >= 1_000 else counted // 1_000, dtype=np.int64)


def require_constant(found: Recognition, table: pa.Table, column: str, expected: str) -> None:
    """Refuse a file whose `column` says something else than its name."""
    values = texts(table, column)
    wrong = (values != expected).to_numpy()
    if wrong.any():
        at = int(np.argmax(wrong))
        raise reject(
            "wrong_content",
            f"says {values.iloc[at]!r} where the file name says {expected!r} ({int(wrong.sum())} rows).",
            remedy="rename the file or replace it.",
            file=found.file.name,
            row=int(source_rows(found, len(values))[at]),
            column=column,
            count=int(wrong.sum()),
        )


def _read_csv(found: Recognition, columns: ColumnKinds) -> pa.Table:
    options = pv.ConvertOptions(
        include_columns=list(columns),
        column_types={name: _ARROW[kind] for name, kind in columns.items()},
        null_values=_NULLS,
        strings_can_be_null=False,
    )
    # One thread: only then does the parser say in which row it failed.
    read = pv.ReadOptions(use_threads=False, skip_rows=found.head.header_line - 1, block_size=_BATCH)
    try:
        return pv.read_csv(found.file.path, read_options=read, convert_options=options)
    except (pa.ArrowException, OSError) as error:
        at = re.search(r"[Rr]ow #(\d+)", str(error))
        row = int(at.group(1)) if at else None
        raise unreadable(found.file, error, row) from error


def _read_binary(file: RawFile, columns: ColumnKinds) -> pa.Table:
    read = pq.read_table if file.path.suffix == ".parquet" else pf.read_table
    try:
        table = read(file.path, columns=list(columns))
        for name in (name for name, kind in columns.items() if kind == "number"):
            table = table.set_column(table.column_names.index(name), name, table.column(name).cast(pa.float64()))
    except (pa.ArrowException, OSError) as error:
        raise unreadable(file, error) from error
    return table


def _no_rows(found: Recognition) -> RawFileError:
    if found.head.comments.get("records") == "0":
        message = "the vendor's own comment says 0 records: a placeholder, not used."
        return RawFileError(Finding("WARN", "declared_empty", message, file=found.file.name))
    return reject("empty_file", "a header without rows.", remedy="download it again.", file=found.file.name)


def _bad_stamp(found: Recognition, table: pa.Table, column: str, at: int, count: int) -> Exception:
    value = table.column(column)[at].as_py()
    return reject(
        "bad_stamp",
        f"{value!r} is no time between 2009 and 2100 ({count} rows).",
        remedy="correct the file or download it again.",
        file=found.file.name,
        row=int(source_rows(found, table.num_rows)[at]),
        column=column,
        count=count,
    )
