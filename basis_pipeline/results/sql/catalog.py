"""SQL over the published results: DuckDB views over exactly the files that manifests name.

::

    main.<table>            the standing record, columns `mode` and `month` first
    main.months             one row per published month; main.gates, main.data_usage its verdicts and its sources
    main.configuration      the configuration behind it
    main.freshness          whether each month would come out the same today (computed when asked, not in the file)
    main.sweep_points, sweep_parameters, sweep_metrics, sweep_equity   sweeps (see `sweeps`)
    main.live_differences, live_order_differences, live_equity_differences   live records beside their replays
    experiments.<the same>  experiments, column `experiment` before `mode`
    records.<the same>      both; column `record` first: `standing`, or the name of the experiment
    main.tables, main.columns, main.macros   what there is to ask, with units and meaning
    equity('btc_basis'), attribution(...), ...   macros (see `table_macros`)

Parquet and manifests are the truth. The file `catalogue.duckdb` is a snapshot of the views for other tools: its
file lists (absolute paths) are those of the moment it was built, so it is rebuilt after every publication and after the
folder has moved. Where a run replaces a month in between, it gives an error about a file that is gone, never a wrong
number. `connect` and `query` read the manifests anew each time and are never behind.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from basis_pipeline.domain.errors import ConfigError, StorageError
from basis_pipeline.results.sql.hints import Published, explain
from basis_pipeline.results.sql.views import create_views, dataset_source, parquet_source, store_table
from basis_pipeline.results.store import PublishedMonth, ResultsStore
from basis_pipeline.storage.files import storage_errors
from basis_pipeline.storage.locations import Location

CATALOGUE = "catalogue.duckdb"
OFFLINE: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": False}
"""DuckDB must not reach for extensions on the network; everything used here is built in."""

_CONFINEMENT = (
    "python_enable_replacements = false",  # no variable of the calling program is a table
    "enable_external_access = false",  # no file, no ATTACH, no COPY, not even inside a WITH
    "lock_configuration = true",  # and no way back
)
_PATIENCE = 60.0
"""Seconds for which a query starts over because months it was reading were replaced."""


def connect(results: ResultsStore) -> duckdb.DuckDBPyConnection:
    """An in-memory connection with the views; an empty store gives the same views without rows."""
    connection = duckdb.connect(":memory:", config=OFFLINE)
    source = parquet_source if isinstance(results.base, Path) else dataset_source
    create_views(connection, results.base, _verified(results), source)
    return connection


def query(
    results: ResultsStore,
    sql: str,
    parameters: Mapping[str, object] | None = None,
    computed: Mapping[str, pa.Table] | None = None,
) -> pa.Table:
    """Answer one SELECT. It sees the views and nothing else: DuckDB itself may not open, let alone write, any file.

    Every month is read whole as one generation, also while a run replaces it: if files went away under the query, it
    starts over with the manifests of now.

    Args:
        results: the published months.
        sql: the query; `$name` stands for a parameter.
        parameters: a value for every name.
        computed: further tables by name that hold at this moment only, so that no file has them.

    Raises:
        ConfigError: not exactly one SELECT, or it cannot be answered; with DuckDB's message and what was meant.
        StorageError: a file that a manifest names is gone or changed, or months are replaced faster than they can be
            read.
    """
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        months = list(results.all_months())
        try:
            return _answer(results, months, sql, parameters or {}, computed or {})
        except (duckdb.Error, OSError, StorageError) as error:
            if not (gone := _gone(results.base, months)):
                if isinstance(error, StorageError):
                    raise
                refused, remedy = explain(sql, str(error), Published.of(months))
                raise ConfigError(f"the query cannot be answered: {refused}", remedy=remedy) from error
            _require_replaced(results, gone)
    raise StorageError(
        f"months below {results.base} are being replaced faster than the query reads them.",
        code="STORE-004",
        remedy="ask again when the run is done.",
    )


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
                create_views(connection, results.base, _verified(results), parquet_source)
            with draft.open("rb") as written:
                os.fsync(written.fileno())
            draft.replace(target)
    return target


def _verified(results: ResultsStore, months: Sequence[PublishedMonth] | None = None) -> Sequence[PublishedMonth]:
    """The months, after a look at every file; StorageError for one that was changed since it was published."""
    found = list(results.all_months()) if months is None else months
    for month in found:
        results.publications.verify(month.publication)
    return found


def _answer(
    results: ResultsStore,
    months: Sequence[PublishedMonth],
    sql: str,
    parameters: Mapping[str, object],
    computed: Mapping[str, pa.Table],
) -> pa.Table:
    with duckdb.connect(":memory:", config=OFFLINE | {"temp_directory": ""}) as connection:
        create_views(connection, results.base, _verified(results, months), dataset_source)
        for name, table in computed.items():
            store_table(connection, f"main.{name}", table)
        for setting in _CONFINEMENT:
            connection.execute(f"SET {setting}")
        _require_select(connection, sql)
        return connection.sql(sql, params=dict(parameters) or None).to_arrow_table()


def _require_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse what is not one SELECT, with a plain message; the settings above stop what hides inside one."""
    kinds = [statement.type for statement in connection.extract_statements(sql)]
    if kinds != [duckdb.StatementType.SELECT]:
        raise ConfigError(
            "only one SELECT statement can be asked.", remedy="write answers to a file with `basis query --output`."
        )


def _gone(base: Location, months: Iterable[PublishedMonth]) -> list[PublishedMonth]:
    """Months of which a file is no longer there."""
    return [month for month in months if any(not (base / file.path).exists() for file in month.publication.files)]


def _require_replaced(results: ResultsStore, gone: Iterable[PublishedMonth]) -> None:
    for month in gone:
        own = month.manifest
        now = results.find(own.mode, own.month, own.experiment)
        if now is not None and now.generation == month.generation and _gone(results.base, [now]):
            raise StorageError(
                f"files of {month.publication.partition} below {results.base} are named by its manifest but gone.",
                code="STORE-004",
                remedy=f"re-run {own.month}.",
            )
