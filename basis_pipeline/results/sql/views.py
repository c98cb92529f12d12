"""The views of the catalogue: result tables, what manifests say, all records together, and what there is to ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import duckdb
import pyarrow as pa

from basis_pipeline.domain.evidence import Source as RecordSource
from basis_pipeline.results.live_differences.store import (
    LIVE_DIFFERENCES,
    live_difference_docs,
    live_difference_tables,
)
from basis_pipeline.results.record_paths import STANDING
from basis_pipeline.results.sql.summaries import DESCRIPTIONS, SUMMARIES, configuration_table, summary_docs
from basis_pipeline.results.sql.sweeps import SWEEP_DESCRIPTIONS, sweep_docs, sweep_tables
from basis_pipeline.results.sql.table_macros import create_macros, macro_docs, macros
from basis_pipeline.results.store import PublishedMonth
from basis_pipeline.results.tables import LIVE_COLUMNS, SCHEMAS, SOURCE, ColumnDoc, column_docs, view_docs
from basis_pipeline.storage.locations import Location, arrow_files

KEYS = {"main": ("mode", "month"), "experiments": ("experiment", "mode", "month")}
"""Hive keys by schema; they are the first columns of its views."""

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
_BOTH = """
CREATE VIEW records.{name} AS
SELECT '{standing}' AS record, * FROM main.{name}
UNION ALL BY NAME
SELECT * RENAME (experiment AS record) FROM experiments.{name}
"""
"""RENAME, for the macros: DuckDB takes a column named like a parameter for the parameter, also inside a view."""


class Source(NamedTuple):
    """One table of one schema as published, of backtests or of live records: its hive keys and its files."""

    schema: str
    table: str
    keys: tuple[str, ...]
    files: list[Location]
    of: RecordSource = RecordSource.BACKTEST


Reader = Callable[[duckdb.DuckDBPyConnection, Source], str]
"""Gives the SQL table expression that reads a source, hive keys included."""


def parquet_source(_: duckdb.DuckDBPyConnection, source: Source) -> str:
    """DuckDB opens the files itself: fast, and still there for whoever opens the catalogue file later."""
    paths = ", ".join(map(_literal, source.files))
    hive = ", ".join(f"'{key}': VARCHAR" for key in source.keys)
    options = f"union_by_name = true, hive_partitioning = true, hive_types = {{{hive}}}"
    return f"read_parquet([{paths}], {options})"


def dataset_source(connection: duckdb.DuckDBPyConnection, source: Source) -> str:
    """Arrow opens the files, so that DuckDB needs no access to any."""
    from pyarrow import dataset as ds  # noqa: PLC0415 - imports pandas

    hive = pa.schema([(key, pa.string()) for key in source.keys])
    filesystem, paths = arrow_files(source.files)
    dataset = ds.dataset(
        paths,
        schema=pa.schema([*hive, *SCHEMAS[source.table], *LIVE_COLUMNS]),
        format="parquet",
        filesystem=filesystem,
        partitioning=ds.partitioning(hive, flavor="hive"),
    )
    name = f"{source.schema}_{source.table}_{source.of}"
    connection.register(name, dataset)
    return name


def create_views(
    connection: duckdb.DuckDBPyConnection, base: Location, months: Sequence[PublishedMonth], reader: Reader
) -> None:
    """Create all views and macros over the files of `months`, which lie below `base`."""
    connection.execute("CREATE SCHEMA experiments")
    connection.execute("CREATE SCHEMA records")
    for schema, keys in KEYS.items():
        published = [month for month in months if (month.manifest.experiment is None) == (schema == "main")]
        for table in SCHEMAS:
            sources = [Source(schema, table, keys, files, of) for of, files in _files(base.resolve(), table, published)]
            found = {source.of: reader(connection, source) for source in sources}
            connection.execute(_view(schema, table, keys, found))
        for name, summary in SUMMARIES.items():
            store_table(connection, f"{schema}.{name}", summary.table(published, keys))
        store_table(connection, f"{schema}.configuration", configuration_table(published, keys))
        connection.execute(_MONTHS.format(schema=schema, keys=", ".join(keys)))
    for name in (*SCHEMAS, *DESCRIPTIONS):
        connection.execute(_BOTH.format(name=name, standing=STANDING))
    for name, content in (*sweep_tables(base), *live_difference_tables(base)):
        store_table(connection, f"main.{name}", content)
    create_macros(connection)
    _describe(connection)


def _describe(connection: duckdb.DuckDBPyConnection) -> None:
    docs = [*column_docs(), *view_docs(), *summary_docs(), *sweep_docs(), *live_difference_docs(), *macro_docs()]
    columns = {name: [getattr(doc, name) for doc in docs] for name in ColumnDoc._fields}
    descriptions = {name: schema.metadata[b"description"].decode() for name, schema in SCHEMAS.items()}
    descriptions |= DESCRIPTIONS | SWEEP_DESCRIPTIONS | LIVE_DIFFERENCES
    tables = {"table": list(descriptions), "description": list(descriptions.values())}
    calls = sorted(macros(), key=lambda macro: macro.name)
    asked = {name: [getattr(macro, name) for macro in calls] for name in ("name", "description", "example", "call")}
    for name, content in (("columns", columns), ("tables", tables), ("macros", asked)):
        store_table(connection, f"main.{name}", pa.table(content))


def store_table(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    """Copy `table` into the database under `name`, schema included."""
    connection.register("incoming", table)
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming")  # noqa: S608 - names are ours
    connection.unregister("incoming")


def _view(schema: str, table: str, keys: Sequence[str], expressions: Mapping[RecordSource, str]) -> str:
    """View over `expressions`. The typed selection without rows states all columns: older files lack some."""
    columns = SCHEMAS[table]
    typed = [f'NULL::VARCHAR AS "{key}"' for key in keys]
    typed += [f'NULL::{_sql_type(field.type)} AS "{field.name}"' for field in (*columns, *LIVE_COLUMNS)]
    typed += [] if SOURCE in columns.names else [f"NULL::VARCHAR AS {SOURCE}"]
    view = f"CREATE VIEW {schema}.{table} AS SELECT {', '.join(typed)} WHERE false"
    for source, expression in expressions.items():
        told = "" if SOURCE in columns.names else f", '{source}' AS {SOURCE}"
        view += f" UNION ALL BY NAME SELECT *{told} FROM {expression}"  # noqa: S608 - names are ours
    return view


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return "VARCHAR"
    return {pa.timestamp("us"): "TIMESTAMP", pa.float64(): "DOUBLE", pa.int64(): "BIGINT", pa.bool_(): "BOOLEAN"}[kind]


def _literal(path: Location) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _files(
    base: Location, table: str, months: Iterable[PublishedMonth]
) -> Iterator[tuple[RecordSource, list[Location]]]:
    """Files of a table by what they are a record of, where there are any."""
    found: dict[RecordSource, list[Location]] = {}
    for month in months:
        paths = [base / file.path for file in month.publication.files if file.table == table]
        found.setdefault(month.manifest.source, []).extend(paths)
    return ((source, paths) for source, paths in found.items() if paths)
