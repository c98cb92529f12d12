"""SQL over the published results: DuckDB views over exactly the files that manifests name.

::

    main.<table>            the standing record, columns `mode` and `month` first
    main.months             one row per published month; main.gates, main.data_usage its verdicts and its sources
    main.columns            unit and meaning of every column
    main.sweep_points, sweep_parameters, sweep_metrics, sweep_equity   sweeps (see catalog_sweeps)
    experiments.<the same>  experiments, column `experiment` before `mode`

Parquet and manifests are the truth. The file `catalogue.duckdb` is a snapshot of the views for other tools: its
file lists (absolute paths) are those of the moment it was built, so it is rebuilt after every publication and after the
folder has moved. `connect` and `query` read the manifests anew each time and are never behind.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.results.catalog_summaries import SUMMARIES
from basis_pipeline.results.catalog_sweeps import sweep_tables
from basis_pipeline.results.store import PublishedMonth, ResultsStore
from basis_pipeline.results.tables import SCHEMAS, ColumnDoc, column_docs
from basis_pipeline.storage.files import storage_errors
from basis_pipeline.storage.locations import Location, arrow_files

CATALOGUE = "catalogue.duckdb"
OFFLINE: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": False}
"""DuckDB must not reach for extensions on the network; everything used here is built in."""

_KEYS = {"main": ("mode", "month"), "experiments": ("experiment", "mode", "month")}
_CONFINEMENT = (
    "python_enable_replacements = false",  # no variable of the calling program is a table
    "enable_external_access = false",  # no file, no ATTACH, no COPY, not even inside a WITH
    "lock_configuration = true",  # and no way back
)

_MONTHS = """
CREATE VIEW {schema}.months AS
SELECT p.*, m.total_return, m.total_return_usd
FROM {schema}.published_months p
LEFT JOIN (
    SELECT {keys},
        max(value) FILTER (metric = 'total_return') AS total_return,
        max(value) FILTER (metric = 'total_return_usd') AS total_return_usd
    FROM {schema}.metrics GROUP BY ALL
) m USING ({keys})
ORDER BY {keys}
"""


def connect(results: ResultsStore) -> duckdb.DuckDBPyConnection:
    """An in-memory connection with the views; an empty store gives the same views without rows."""
    connection = duckdb.connect(":memory:", config=OFFLINE)
    _create_views(connection, results, _parquet_source if isinstance(results.base, Path) else _dataset_source)
    return connection


def query(results: ResultsStore, sql: str) -> pa.Table:
    """Answer one SELECT. It sees the views and nothing else: DuckDB itself may not open, let alone write, any file.

    Raises:
        ConfigError: not exactly one SELECT, or the engine refuses it; its message is passed on.
    """
    with duckdb.connect(":memory:", config=OFFLINE | {"temp_directory": ""}) as connection:
        _create_views(connection, results, _dataset_source)
        for setting in _CONFINEMENT:
            connection.execute(f"SET {setting}")
        try:
            _require_select(connection, sql)
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise ConfigError(f"the query cannot be answered: {error}") from error


def rebuild_catalogue(results: ResultsStore) -> Path | None:
    """Write `catalogue.duckdb` with the views of this moment in one step; whoever has the old file open keeps it.

    Results in a bucket have no such file (None): DuckDB opens what is there only with an extension that it downloads.
    `query` and `connect` answer there as everywhere.
    """
    if not isinstance(results.base, Path):
        return None
    target = results.base / CATALOGUE
    with storage_errors(target):
        results.base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=results.base, prefix=".catalogue.") as folder:
            draft = Path(folder) / CATALOGUE
            with duckdb.connect(str(draft), config=OFFLINE) as connection:
                _create_views(connection, results, _parquet_source)
            with draft.open("rb") as written:
                os.fsync(written.fileno())
            draft.replace(target)
    return target


class _Source(NamedTuple):
    """One table of one schema as published: its hive keys and its files."""

    schema: str
    table: str
    keys: tuple[str, ...]
    files: list[Location]


_Reader = Callable[[duckdb.DuckDBPyConnection, _Source], str]
"""Gives the SQL table expression that reads a source, hive keys included."""


def _parquet_source(_: duckdb.DuckDBPyConnection, source: _Source) -> str:
    """DuckDB opens the files itself: fast, and still there for whoever opens the catalogue file later."""
    paths = ", ".join(map(_literal, source.files))
    hive = ", ".join(f"'{key}': VARCHAR" for key in source.keys)
    options = f"union_by_name = true, hive_partitioning = true, hive_types = {{{hive}}}"
    return f"read_parquet([{paths}], {options})"


def _dataset_source(connection: duckdb.DuckDBPyConnection, source: _Source) -> str:
    """Arrow opens the files, so that DuckDB needs no access to any."""
    hive = pa.schema([(key, pa.string()) for key in source.keys])
    filesystem, paths = arrow_files(source.files)
    dataset = ds.dataset(
        paths,
        schema=pa.schema([*hive, *SCHEMAS[source.table]]),
        format="parquet",
        filesystem=filesystem,
        partitioning=ds.partitioning(hive, flavor="hive"),
    )
    name = f"{source.schema}_{source.table}_files"
    connection.register(name, dataset)
    return name


def _create_views(connection: duckdb.DuckDBPyConnection, results: ResultsStore, reader: _Reader) -> None:
    months, base = list(results.all_months()), results.base.resolve()
    connection.execute("CREATE SCHEMA experiments")
    for schema, keys in _KEYS.items():
        published = [month for month in months if (month.manifest.experiment is None) == (schema == "main")]
        for table in SCHEMAS:
            source = _Source(schema, table, keys, _files(base, table, published))
            connection.execute(_view(source, reader(connection, source) if source.files else None))
        for name, summary in SUMMARIES.items():
            _store(connection, f"{schema}.{name}", summary(published, keys))
        connection.execute(_MONTHS.format(schema=schema, keys=", ".join(keys)))
    for name, table in sweep_tables(base):
        _store(connection, f"main.{name}", table)
    docs = list(column_docs())
    _store(
        connection, "main.columns", pa.table({name: [getattr(doc, name) for doc in docs] for name in ColumnDoc._fields})
    )


def _store(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    connection.register("incoming", table)
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming")  # noqa: S608 - names are ours
    connection.unregister("incoming")


def _view(source: _Source, expression: str | None) -> str:
    """View over `expression`. The typed selection without rows states the columns, also those that older files lack."""
    typed = [f'NULL::VARCHAR AS "{key}"' for key in source.keys]
    typed += [f'NULL::{_sql_type(field.type)} AS "{field.name}"' for field in SCHEMAS[source.table]]
    rows = f" UNION ALL BY NAME FROM {expression}" if expression else ""
    return f"CREATE VIEW {source.schema}.{source.table} AS SELECT {', '.join(typed)} WHERE false{rows}"


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return "VARCHAR"
    return {pa.timestamp("us"): "TIMESTAMP", pa.float64(): "DOUBLE", pa.int64(): "BIGINT", pa.bool_(): "BOOLEAN"}[kind]


def _literal(path: Location) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _files(base: Location, table: str, months: Iterable[PublishedMonth]) -> list[Location]:
    return [base / file.path for month in months for file in month.publication.files if file.table == table]


def _require_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse what is not one SELECT, with a plain message; the settings above stop what hides inside one."""
    kinds = [statement.type for statement in connection.extract_statements(sql)]
    if kinds != [duckdb.StatementType.SELECT]:
        raise ConfigError("only one SELECT statement can be asked.", remedy="COPY results with `basis export` instead.")
