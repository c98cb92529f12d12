"""Ingestion in Dagster: one op, one materialization per dataset, findings as checks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.market_data.datasets import DATASETS
from basis_pipeline.market_data.sample import generate
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.runs.signals import train_signals
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.definitions.conftest import CONFIGS, Deployment, checks

Deploy = Callable[..., Deployment]
SAMPLED = set(DATASETS) - {"ml_signals"}
"""The sample has files of every dataset but of signals, which a user's model would bring."""


@pytest.fixture(scope="module")
def one_month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = tmp_path_factory.mktemp("one_month") / "raw"
    generate(raw, months=1, assets=("BTC",))
    return raw


@pytest.fixture
def ingesting(one_month: Path, deploy: Deploy, tmp_path: Path) -> Deployment:
    """A deployment over a copy of one month of vendor files, which a test may break."""
    shutil.copytree(one_month, tmp_path / "vendor")
    empty = deploy()
    return Deployment(Workspace(empty.workspace.root.path, CONFIGS, tmp_path / "vendor"), empty.instance)


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    events = result.get_asset_materialization_events()
    event = next(event for event in events if event.asset_key == dg.AssetKey(asset))
    return {key: getattr(value, "value", value) for key, value in event.materialization.metadata.items()}


def test_every_dataset_is_materialized_with_the_rows_that_are_published(ingesting: Deployment) -> None:
    result = ingesting.run("market_data")
    assert result.success
    keys = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert keys == {"raw_files", *SAMPLED}
    validated = ingesting.workspace.validated
    for dataset in ("funding_rates", "spot_candles_1h", "aave_reserves_1d"):
        published = sum(
            file.rows
            for found in validated.publications(dataset).publications()
            for file in found.files
            if file.table == dataset
        )
        assert metadata(result, dataset)["dagster/row_count"] == published > 0
    assert all(check.passed for check in result.get_asset_check_evaluations())


def test_ingesting_again_changes_no_data_version(ingesting: Deployment) -> None:
    def versions(result: dg.ExecuteInProcessResult) -> dict[str, str]:
        events = result.get_asset_materialization_events()
        tagged = {event.asset_key.to_user_string(): event.materialization.tags for event in events}
        return {asset: tags["dagster/data_version"] for asset, tags in tagged.items() if asset in DATASETS}

    first = versions(ingesting.run("market_data"))
    assert versions(ingesting.run("market_data")) == first
    assert set(first) == SAMPLED


def test_a_broken_file_fails_the_checks_of_its_dataset_and_of_the_raw_files(ingesting: Deployment) -> None:
    raw = ingesting.workspace.raw
    broken = next(path for path in sorted(raw.rglob("*.csv")) if "funding" in path.name and "bybit" in str(path))
    lines = broken.read_text(encoding="utf-8").splitlines()
    lines[2] = lines[2].replace("0", "zero")
    broken.write_text("\n".join(lines), encoding="utf-8")
    result = ingesting.run("market_data")
    assert result.success
    assert not checks(result, "raw_files")["every_file_read"].passed
    ingested = checks(result, "funding_rates")["ingested"]
    assert not ingested.passed
    assert {row.data["series"] for row in ingested.metadata["findings"].records} == {"bybit BTCUSDT"}
    assert checks(result, "spot_candles_1h")["ingested"].passed


def test_a_second_source_of_data_is_refused(ingesting: Deployment, tmp_path: Path) -> None:
    assert ingesting.run("market_data").success
    other = tmp_path / "other"
    other.mkdir()
    second = Deployment(Workspace(ingesting.workspace.root.path, CONFIGS, other), ingesting.instance)
    result = second.run("market_data")
    assert not result.success
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "cannot take" in failed.step_failure_data.user_failure_data.description


KNOWN = "everything that is ingested is known"


def tick(deployment: Deployment) -> str:
    definitions = deployment.definitions
    with dg.build_sensor_context(
        instance=deployment.instance,
        definitions=definitions,
        resources={"workspace": WorkspaceResource.of(deployment.workspace)},
    ) as context:
        return definitions.resolve_sensor_def("ingested_market_data").evaluate_tick(context).skip_message or ""


def reported(deployment: Deployment, asset: str) -> dg.AssetMaterialization:
    event = deployment.instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization


def status(deployment: Deployment, asset: str) -> StaleStatus:
    graph = deployment.definitions.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(deployment.instance, graph, LoadingContextForTest(deployment.instance))
    return resolver.get_status(dg.AssetKey(asset))


def test_what_was_ingested_without_dagster_is_reported_once_with_its_rows(ingesting: Deployment) -> None:
    workspace = ingesting.workspace
    ingest(workspace.root, workspace.raw, config_dir=CONFIGS)
    assert set(tick(ingesting).removeprefix("reported ").split(", ")) == SAMPLED
    metadata = reported(ingesting, "funding_rates").metadata
    rows = {(row.data["venue"], row.data["symbol"]): row.data for row in metadata["by series"].records}
    assert rows["bybit", "BTCUSDT"]["rows"] == 31 * 3
    assert rows["bybit", "BTCUSDT"]["last month"] == "2024-01"
    assert metadata["dagster/row_count"].value == sum(row["rows"] for row in rows.values())
    assert reported(ingesting, "raw_files").metadata["folder"].value == str(workspace.raw)
    assert tick(ingesting) == KNOWN
    assert {status(ingesting, name) for name in (*SAMPLED, "raw_files")} == {StaleStatus.FRESH}


def test_signals_trained_without_dagster_are_those_of_the_candles_until_these_change(
    deploy: Deploy, tmp_path: Path
) -> None:
    generate(tmp_path / "vendor", months=2, assets=("BTC",))
    shutil.copytree(CONFIGS, tmp_path / "configs")
    file = tmp_path / "configs" / "models" / "btc_trees.yaml"
    file.write_text(file.read_text().replace("warm_up_months: 4", "warm_up_months: 1"))
    empty = deploy()
    workspace = Workspace(empty.workspace.root.path, tmp_path / "configs", tmp_path / "vendor")
    deployment = Deployment(workspace, empty.instance)
    ingest(workspace.root, workspace.raw, config_dir=tmp_path / "configs")
    train_signals(workspace, "btc_trees")
    assert "btc_trees_signals" in tick(deployment)
    metadata = reported(deployment, "btc_trees_signals").metadata
    assert metadata["months"].value == 1
    assert [row.data["month"] for row in metadata["out of sample"].records] == ["2024-02"]
    assert deployment.run("market_data").success
    assert status(deployment, "btc_trees_signals") is StaleStatus.FRESH, "the same candles, materialized again"
    (candles,) = workspace.raw.rglob("binance_BTCUSDT_perp_5m*")
    pd.read_feather(candles).iloc[:-300].to_feather(candles)
    assert deployment.run("market_data").success
    assert status(deployment, "btc_trees_signals") is StaleStatus.STALE


def test_only_datasets_that_changed_are_reported_again(ingesting: Deployment) -> None:
    workspace = ingesting.workspace
    ingest(workspace.root, workspace.raw, config_dir=CONFIGS)
    tick(ingesting)
    (file,) = workspace.raw.rglob("bybit_BTCUSDT_funding_8h.csv")
    lines = file.read_text(encoding="utf-8").splitlines()
    stamp, _rate, *rest = lines[5].split(",")
    lines[5] = ",".join([stamp, "0.000123", *rest])
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    ingest(workspace.root, workspace.raw, config_dir=CONFIGS)
    assert tick(ingesting) == "reported funding_rates"


def test_what_dagster_ingested_is_not_reported_again(ingesting: Deployment) -> None:
    assert ingesting.run("market_data").success
    assert tick(ingesting) == KNOWN


def test_nothing_is_reported_while_a_run_writes_it(ingesting: Deployment) -> None:
    workspace = ingesting.workspace
    ingest(workspace.root, workspace.raw, config_dir=CONFIGS)
    job = ingesting.definitions.resolve_job_def("market_data")
    ingesting.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert tick(ingesting) == "a run of Dagster writes market data and reports them itself"
