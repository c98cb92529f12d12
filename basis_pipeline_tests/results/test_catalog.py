"""The catalogue shows exactly what is published, and a query can neither write nor look elsewhere."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.timings import Phase, timing
from basis_pipeline.results.sql.catalog import connect, query, rebuild_catalogue
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.results.tables import SCHEMAS
from basis_pipeline_tests.results.conftest import MONTHS, book_months, manifest
from basis_pipeline_tests.results.synthetic import BasisBook

COUNT = "SELECT mode, month, count(*) AS steps FROM timesteps GROUP BY ALL ORDER BY month"


def files_of(results: ResultsStore) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in results.base.rglob("*") if path.is_file()}


def test_views_hold_every_published_row_under_its_mode_and_month(store: ResultsStore) -> None:
    expected = [("btc_basis", "2024-01", 744), ("btc_basis", "2024-02", 696), ("btc_basis", "2024-03", 743 + 1)]
    with connect(store) as connection:
        assert connection.execute(COUNT).fetchall() == expected
    assert [tuple(row.values()) for row in query(store, COUNT).to_pylist()] == expected


@pytest.mark.parametrize("schema", ["main", "experiments"])
def test_an_empty_store_has_all_views_with_their_columns_and_no_rows(tmp_path: Path, schema: str) -> None:
    keys = ["mode", "month"] if schema == "main" else ["experiment", "mode", "month"]
    with connect(ResultsStore(tmp_path / "nothing")) as connection:
        for table, columns in SCHEMAS.items():
            view = connection.sql(f"FROM {schema}.{table}")
            beyond = ["as_of", "wall_time", *([] if table == "deltas" else ["source"])]
            assert view.columns == [*keys, *columns.names, *beyond]
            assert view.fetchall() == []
        assert connection.sql(f"FROM {schema}.months").columns[: len(keys)] == keys
    assert not (tmp_path / "nothing").exists()


def test_files_that_no_manifest_names_are_invisible(store: ResultsStore) -> None:
    [published, *_] = store.base.glob("timesteps/mode=btc_basis/month=2024-01/*.parquet")
    stray = published.with_name("stray.parquet")
    stray.write_bytes(published.read_bytes())
    (other := store.base / "timesteps/mode=btc_basis/month=2023-12").mkdir()
    (other / "stray.parquet").write_bytes(published.read_bytes())
    assert [row["steps"] for row in query(store, COUNT).to_pylist()] == [744, 696, 744]


def test_experiments_and_rejected_months_are_not_in_the_standing_views(store: ResultsStore, basis_months: list) -> None:
    month, tables, state = basis_months[0]
    store.publish_month(manifest(month, experiment="wide"), tables, state)
    store.publish_rejected(manifest("2024-04"), tables, state)
    with connect(store) as connection:
        assert len(connection.execute(COUNT).fetchall()) == 3
        found = connection.sql("SELECT experiment, mode, month, count(*) FROM experiments.timesteps GROUP BY ALL")
        assert found.fetchall() == [("wide", "btc_basis", "2024-01", 744)]


def test_months_gates_and_data_usage_come_from_the_manifests(store: ResultsStore) -> None:
    with connect(store) as connection:
        months = connection.sql(
            "SELECT month, complete, opening_month, gates_passed, gates_warned, gates_failed, total_return FROM months"
        ).fetchall()
        assert [row[:6] for row in months] == [(month, True, "2024-01", 1, 1, 0) for month in MONTHS]
        metrics = connection.sql("SELECT value FROM metrics WHERE metric = 'total_return' ORDER BY month").fetchall()
        assert [row[6] for row in months] == [value for (value,) in metrics]
        gates = connection.sql("SELECT gate, status FROM gates WHERE month = '2024-02' ORDER BY gate").fetchall()
        assert gates == [("fills_budget", "warned"), ("residual", "passed")]
        filled = connection.sql("SELECT sum(filled), sum(proxied) FROM data_usage WHERE month = '2024-03'")
        assert filled.fetchall() == [(2, 1)]
        unit = connection.sql("SELECT unit FROM columns WHERE \"table\" = 'positions' AND \"column\" = 'value_usd'")
        assert unit.fetchall() == [("USD",)]


def test_timings_come_from_the_manifests_old_ones_included(store: ResultsStore, basis_months: list) -> None:
    """A manifest from before the distribution was recorded knows how often and how long, and nothing else."""
    month, tables, state = basis_months[2]
    took = timing([0.001, 0.002, 0.030], 0.020)
    store.publish_month(manifest(month, timings={Phase.ORDER: took, Phase.STEP: timing([3.0], None)}), tables, state)
    with connect(store) as connection:
        columns = "month, phase, times, mean, median, p95, worst, budget, over_budget"
        assert connection.sql(f"SELECT {columns} FROM timings ORDER BY month, phase").fetchall() == [
            ("2024-01", "refresh", 744, 0.1 / 744, None, None, 0.001, None, None),
            ("2024-02", "refresh", 744, 0.1 / 744, None, None, 0.001, None, None),
            ("2024-03", "order: total", 3, pytest.approx(0.011), 0.002, 0.030, 0.030, 0.020, 1),
            ("2024-03", "step: total", 1, 3.0, 3.0, 3.0, 3.0, None, None),
        ]


def test_a_session_in_new_york_sees_the_same_months(store: ResultsStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    sql = "SELECT month, min(strftime(timestamp, '%Y-%m')), max(strftime(timestamp, '%Y-%m')) FROM timesteps GROUP BY 1"
    with connect(store) as connection:
        assert sorted(connection.execute(sql).fetchall()) == [(month, month, month) for month in MONTHS]


def test_months_of_an_older_minor_version_read_with_nulls(store: ResultsStore, basis_months: list) -> None:
    month, tables, state = basis_months[0]
    older = tables | {"timesteps": tables["timesteps"].drop_columns(["excess_delta_usd"])}
    store.publish_month(manifest(month), older, state)
    sql = "SELECT month, count(excess_delta_usd) FROM timesteps GROUP BY 1 ORDER BY 1"
    expected = [("2024-01", 0), ("2024-02", 696), ("2024-03", 744)]
    with connect(store) as connection:
        assert connection.execute(sql).fetchall() == expected
    assert [tuple(row.values()) for row in query(store, sql).to_pylist()] == expected


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{target}'",
        "WITH x AS (COPY (SELECT 1) TO '{target}') SELECT * FROM x",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{target}'",
        "ATTACH '{target}' AS other",
        "SELECT 1; COPY (SELECT 1) TO '{target}'",
        "SET enable_external_access = true",
        "EXPORT DATABASE '{folder}'",
        "INSTALL httpfs",
        "SELECT * FROM read_text('{manifest}')",
        "SELECT * FROM read_parquet('{published}')",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM basis_months",
        "SELECT nonsense FROM timesteps",
        "SELECT count(* FROM timesteps",
        "",
    ],
)
def test_a_query_can_read_nothing_but_the_views_and_write_nothing(
    store: ResultsStore, basis_months: list, sql: str
) -> None:
    [published, *_] = store.base.glob("timesteps/mode=btc_basis/month=2024-01/*.parquet")
    [note, *_] = store.base.glob("_manifests/**/*.json")
    before = files_of(store)
    for target in (store.base / "new.file", published):
        places = {"target": target, "folder": store.base, "manifest": note, "published": published}
        with pytest.raises(ConfigError):
            query(store, sql.format(**places))
    assert files_of(store) == before


def test_the_catalogue_file_serves_other_tools_and_follows_a_rebuild(store: ResultsStore, tmp_path: Path) -> None:
    path = rebuild_catalogue(store)
    assert path == store.base / "catalogue.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        assert [row[2] for row in connection.execute(COUNT).fetchall()] == [744, 696, 744]
    [(month, tables, state)] = book_months(BasisBook("2024-01", seed=8), ("2024-01",))
    store.publish_month(manifest(month), tables, state)
    with duckdb.connect(str(path), read_only=True) as connection, pytest.raises(duckdb.IOException):
        connection.execute(COUNT).fetchall()  # a snapshot of file lists: it must be rebuilt after publishing
    rebuild_catalogue(store)
    with duckdb.connect(str(path), read_only=True) as connection:
        assert [row[2] for row in connection.execute(COUNT).fetchall()] == [744, 696, 744]
    assert {entry.name for entry in store.base.iterdir() if "catalogue" in entry.name} == {"catalogue.duckdb"}


def test_files_carry_no_hive_columns_and_no_zone(store: ResultsStore) -> None:
    for path in store.base.glob("*/mode=*/month=*/*.parquet"):
        schema = pq.read_schema(path)
        assert not {"mode", "month", "experiment"} & set(schema.names)
        assert all(kind == pa.timestamp("us") for kind in schema.types if pa.types.is_timestamp(kind))
