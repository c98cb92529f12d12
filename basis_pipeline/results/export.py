"""All tables of a record as CSV with a README that says what every column is."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from itertools import groupby

import pyarrow as pa
import pyarrow.csv as pa_csv

from basis_pipeline.domain.errors import StateError
from basis_pipeline.results.store import PublishedMonth, ResultsStore, record_path
from basis_pipeline.results.tables import SCHEMAS, column_docs
from basis_pipeline.storage.files import put_bytes
from basis_pipeline.storage.locations import Location

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

    Columns begin with the hive keys `mode` and `month` (`experiment` before them), as in the catalogue's views.

    Raises:
        StateError: nothing is published, or one of `months` is not.
        StorageError: a file cannot be written.
    """
    wanted = results.months(mode, experiment) if months is None else sorted(months)
    if not wanted:
        raise StateError(f"{mode} has no published month below {results.base}.", remedy="run a backtest of it first.")
    published = [results.get(mode, month, experiment) for month in wanted]
    target = out / record_path(mode, experiment).replace("experiment=", "").replace("mode=", "")
    files = _files(results, published)
    if zipped:
        path = target.with_name(target.name + ".zip")
        put_bytes(path, _archive(files))
        return path
    for name, content in files:
        put_bytes(target / name, content)
    return target


def _files(results: ResultsStore, months: Sequence[PublishedMonth]) -> Iterator[tuple[str, bytes]]:
    yield "README.md", _readme(months).encode()
    for table in SCHEMAS:
        parts = [_with_keys(results.publications.read(month.publication, table), month) for month in months]
        yield f"{table}.csv", _csv(pa.concat_tables(parts, promote_options="default"))


def _with_keys(table: pa.Table, month: PublishedMonth) -> pa.Table:
    """Dictionaries become plain strings, and the month says which it is."""
    strings = [pa.string() if pa.types.is_dictionary(field.type) else field.type for field in table.schema]
    plain = table.cast(pa.schema(list(zip(table.schema.names, strings, strict=True))))
    keys = {"month": month.manifest.month, "mode": month.manifest.mode, "experiment": month.manifest.experiment}
    for name, value in keys.items():
        if value is not None:
            plain = plain.add_column(0, name, pa.array([value] * plain.num_rows, pa.string()))
    return plain


def _csv(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pa_csv.write_csv(table, buffer)
    return buffer.getvalue()


def _archive(files: Iterator[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _readme(months: Sequence[PublishedMonth]) -> str:
    first, last = months[0].manifest, months[-1].manifest
    title = last.mode if last.experiment is None else f"{last.mode}, experiment {last.experiment}"
    lines = [
        f"# {title}: {first.month} to {last.month}",
        "",
        f"Share class {last.share_class}, configuration {last.config_digest}, data {last.data_version}.",
        "Timestamps are UTC without zone. An empty field is a value that does not exist, never zero.",
        "Every file begins with the columns `mode` and `month`, experiments with `experiment` before them.",
    ]
    for table, columns in groupby(column_docs(), key=lambda doc: doc.table):
        description = SCHEMAS[table].metadata[b"description"].decode()
        lines += ["", f"## {table}.csv", "", f"{description[0].upper()}{description[1:]}.", ""]
        lines += ["| column | type | unit | may be empty | meaning |", "| --- | --- | --- | --- | --- |"]
        for doc in columns:
            cells = (doc.column, doc.type, doc.unit, "yes" if doc.nullable else "", doc.description.replace("|", "\\|"))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
