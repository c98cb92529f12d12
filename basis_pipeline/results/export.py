"""All tables of a record as CSV with a README that says what every column is."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from itertools import groupby
from typing import IO

import pyarrow as pa
import pyarrow.csv as pa_csv

from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.evidence import Source
from basis_pipeline.results.record_paths import record_path
from basis_pipeline.results.store import PublishedMonth, ResultsStore
from basis_pipeline.results.tables import LIVE_COLUMNS, SCHEMAS, column_docs, view_docs
from basis_pipeline.storage.files import put_bytes
from basis_pipeline.storage.locations import Location

README = "README.md"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""Equal results give equal archives: no entry carries the time it was written."""


def export_csv(
    results: ResultsStore,
    mode: str,
    out: Location,
    months: Sequence[str] | None = None,
    experiment: str | None = None,
    *,
    zipped: bool = False,
) -> Location:
    """Write `<out>/<record>/<table>.csv` and README.md, or all of it as `<out>/<record>.zip`; return that path.

    `<record>` ends with the range where `months` are not all of it. Columns begin with the hive keys `mode` and `month`
    (`experiment` before them), as in the catalogue's views.

    Raises:
        StateError: nothing is published, or one of `months` is not.
        StorageError: a file cannot be written.
    """
    published = months_of(results, mode, months, experiment)
    target = out / record_path(mode, experiment).replace("experiment=", "").replace("mode=", "")
    if len(published) < len(results.months(mode, experiment)):
        span = f"_{published[0].manifest.month}_{published[-1].manifest.month}"
        target = target.with_name(target.name + span)
    if zipped:
        path = target.with_name(target.name + ".zip")
        buffer = io.BytesIO()
        write_zip(results, published, buffer)
        put_bytes(path, buffer.getvalue())
        return path
    put_bytes(target / README, describe(published).encode())
    for table in SCHEMAS:
        buffer = io.BytesIO()
        write_csv(results, published, table, buffer)
        put_bytes(target / f"{table}.csv", buffer.getvalue())
    return target


def months_of(
    results: ResultsStore, mode: str, months: Sequence[str] | None = None, experiment: str | None = None
) -> list[PublishedMonth]:
    """`months` of a record, or all that are published; StateError if one of them, or any at all, is not."""
    wanted = results.months(mode, experiment) if months is None else sorted(months)
    if not wanted:
        raise StateError(f"{mode} has no published month below {results.base}.", remedy="run a backtest of it first.")
    return [results.get(mode, month, experiment) for month in wanted]


def write_csv(results: ResultsStore, months: Sequence[PublishedMonth], table: str, out: IO[bytes]) -> None:
    """One table of consecutive months as CSV, one month in memory at a time."""
    columns = [(key, pa.string()) for key in _keys(months[0])]
    schema = _schema(months[0], table)
    columns += [(field.name, _plain(field.type)) for field in schema]
    with pa_csv.CSVWriter(out, pa.schema(columns)) as writer:
        for month in months:
            part = _with_keys(results.read(month, table), month, schema)
            # Arrow writes uninitialised memory for a chunk without rows (seen with pyarrow 26.0.1).
            if part.num_rows:
                writer.write_table(part.combine_chunks())


def write_zip(results: ResultsStore, months: Sequence[PublishedMonth], out: IO[bytes]) -> None:
    """README.md and every table as CSV; equal results give equal bytes."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry(README), describe(months))
        for table in SCHEMAS:
            with archive.open(_entry(f"{table}.csv"), "w", force_zip64=True) as file:
                write_csv(results, months, table, file)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _ZIP_DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _schema(month: PublishedMonth, table: str) -> pa.Schema:
    """Columns of a table; those of a live record end with columns of their own."""
    timed = month.manifest.source is Source.LIVE and table != "metrics"
    return pa.schema([*SCHEMAS[table], *LIVE_COLUMNS]) if timed else SCHEMAS[table]


def _keys(month: PublishedMonth) -> dict[str, str]:
    """Hive keys as they stand before the columns."""
    manifest = month.manifest
    experiment = {} if manifest.experiment is None else {"experiment": manifest.experiment}
    return experiment | {"mode": manifest.mode, "month": manifest.month}


def _plain(kind: pa.DataType) -> pa.DataType:
    """Dictionaries become plain strings."""
    return pa.string() if pa.types.is_dictionary(kind) else kind


def _with_keys(table: pa.Table, month: PublishedMonth, schema: pa.Schema) -> pa.Table:
    """The hive keys of a month before its columns."""
    columns = {key: pa.array([value] * table.num_rows, pa.string()) for key, value in _keys(month).items()}
    for field in schema:
        known = field.name in table.column_names  # an older version wrote down less of a live record
        found = table[field.name] if known else pa.nulls(table.num_rows, field.type)
        columns[field.name] = found.cast(_plain(field.type))
    return pa.table(columns)


def describe(months: Sequence[PublishedMonth]) -> str:
    """The README of an export: what it is about, and every column with its unit."""
    first, last = months[0].manifest, months[-1].manifest
    title = last.mode if last.experiment is None else f"{last.mode}, experiment {last.experiment}"
    lines = [
        f"# {title}: {first.month} to {last.month}",
        "",
        f"Share class {last.share_class}, configuration {last.config_digest}, data {last.data_version}.",
        "Timestamps are UTC without zone. An empty field is a value that does not exist, never zero.",
        "Every file begins with the columns `mode` and `month`, experiments with `experiment` before them.",
    ]
    beyond = [doc for doc in view_docs() if doc.column in _schema(months[0], doc.table).names]
    for table, documented in groupby(column_docs(), key=lambda doc: doc.table):
        columns = [*documented, *(doc for doc in beyond if doc.table == table)]
        description = SCHEMAS[table].metadata[b"description"].decode()
        lines += ["", f"## {table}.csv", "", f"{description[0].upper()}{description[1:]}.", ""]
        lines += ["| column | type | unit | may be empty | meaning |", "| --- | --- | --- | --- | --- |"]
        for doc in columns:
            cells = (doc.column, doc.type, doc.unit, "yes" if doc.nullable else "", doc.description.replace("|", "\\|"))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
