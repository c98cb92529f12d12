"""Exports hold what was published, say what every column is, and are the same for the same results."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pyarrow.csv as pa_csv
import pytest

from basis_pipeline.domain.errors import StateError
from basis_pipeline.results.export import export_csv
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.results.tables import SCHEMAS, column_docs
from basis_pipeline_tests.results.conftest import manifest


def test_every_table_reads_back_with_its_keys_and_rows(store: ResultsStore, tmp_path: Path, basis_months: list) -> None:
    folder = export_csv(store, "btc_basis", tmp_path / "out")
    assert folder == tmp_path / "out" / "btc_basis"
    assert {path.name for path in folder.iterdir()} == {"README.md", *(f"{table}.csv" for table in SCHEMAS)}
    for table, schema in SCHEMAS.items():
        read = pa_csv.read_csv(folder / f"{table}.csv")
        assert read.column_names == ["mode", "month", *schema.names]
        assert read.num_rows == sum(tables[table].num_rows for _, tables, _ in basis_months)
    steps = pa_csv.read_csv(folder / "timesteps.csv")
    first = basis_months[0][1]["timesteps"]
    assert steps["equity_usd"].to_pylist()[:744] == first["equity_usd"].to_pylist()
    assert steps["min_health_factor"].null_count == steps.num_rows
    assert str(steps["timestamp"][0]) == "2024-01-01 00:00:00"


def test_the_readme_describes_every_column(store: ResultsStore, tmp_path: Path) -> None:
    readme = (export_csv(store, "btc_basis", tmp_path, ["2024-02"]) / "README.md").read_text()
    assert readme.startswith("# btc_basis: 2024-02 to 2024-02")
    for doc in column_docs():
        assert f"| {doc.column} | {doc.type} | {doc.unit} |" in readme


def test_an_archive_holds_the_same_files_and_is_equal_for_equal_results(store: ResultsStore, tmp_path: Path) -> None:
    folder = export_csv(store, "btc_basis", tmp_path)
    path = export_csv(store, "btc_basis", tmp_path, zipped=True)
    assert path == tmp_path / "btc_basis.zip"
    with zipfile.ZipFile(path) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            file.name: file.read_bytes() for file in folder.iterdir()
        }
    assert export_csv(store, "btc_basis", tmp_path / "again", zipped=True).read_bytes() == path.read_bytes()


def test_an_experiment_is_exported_under_its_name(store: ResultsStore, tmp_path: Path, basis_months: list) -> None:
    month, tables, state = basis_months[0]
    store.publish_month(manifest(month, experiment="wide"), tables, state)
    folder = export_csv(store, "btc_basis", tmp_path, experiment="wide")
    assert folder == tmp_path / "wide" / "btc_basis"
    assert pa_csv.read_csv(folder / "orders.csv").column_names[:3] == ["experiment", "mode", "month"]


def test_nothing_published_is_an_error(store: ResultsStore, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="eth_basis has no published month"):
        export_csv(store, "eth_basis", tmp_path)
    assert not list(tmp_path.glob("eth*"))
