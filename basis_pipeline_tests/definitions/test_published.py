"""The instance says what is on disk: months published without Dagster, and which of them would come out differently."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import msgspec
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.gates.registry import GATES
from basis_pipeline.market_data.sample import generate
from basis_pipeline.results.tables import SCHEMAS
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.runs.modes import describe_modes
from basis_pipeline.runs.reports import write_reports
from basis_pipeline.runs.standing import due_months
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.definitions.conftest import CONFIGS, Deployment

Deploy = Callable[..., Deployment]
MODES = ("btc_basis", "eth_basis")
MONTHS = ["2024-01", "2024-02", "2024-03", "2024-04"]


@dataclass
class Watched:
    """A deployment with the sensor's cursor, as the daemon keeps it."""

    deployment: Deployment
    cursor: str | None = field(default=None)

    @property
    def workspace(self) -> Workspace:
        return self.deployment.workspace

    def publish(self, mode: str, first: str, last: str) -> None:
        """Run months as `basis backtest` does."""
        for _ in plan_backtest(self.workspace, mode, first=first, last=last).run():
            pass

    def tick(self) -> str:
        definitions = self.deployment.definitions
        with dg.build_sensor_context(
            instance=self.deployment.instance,
            cursor=self.cursor,
            definitions=definitions,
            resources={"workspace": WorkspaceResource.of(self.workspace)},
        ) as context:
            ticked = definitions.resolve_sensor_def("published_months").evaluate_tick(context)
        self.cursor = ticked.cursor
        return ticked.skip_message or ""

    def status(self, asset: str) -> StaleStatus:
        return self._resolver().get_status(dg.AssetKey(asset))

    def stale(self, mode: str) -> list[str]:
        resolver = self._resolver()
        return [month for month in MONTHS if resolver.get_status(dg.AssetKey(mode), month) is StaleStatus.STALE]

    def _resolver(self) -> CachingStaleStatusResolver:
        """What the instance knows at this moment."""
        instance = self.deployment.instance
        graph = self.deployment.definitions.resolve_asset_graph()
        return CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))

    def reported(self, mode: str) -> list[str | None]:
        found = self.deployment.instance.fetch_materializations(dg.AssetKey(mode), limit=100, ascending=True)
        return [record.partition_key for record in found.records]


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with four months of BTC and ETH and nothing published."""
    root = Workspace(tmp_path_factory.mktemp("ingested") / "root", CONFIGS).root
    generate(root.path / "raw", months=4)
    assert not ingest(root, root.path / "raw", config_dir=CONFIGS).errors
    return root.path


@pytest.fixture
def watched(ingested: Path, deploy: Deploy, tmp_path: Path) -> Watched:
    shutil.copytree(ingested, tmp_path / "root")
    return Watched(deploy())


def change_one_funding_row(raw: Path, day: str) -> None:
    """The first BTC settlement of `day` at Bybit pays another rate."""
    (file,) = raw.rglob("bybit_BTCUSDT_funding_8h.csv")
    lines = file.read_text(encoding="utf-8").splitlines()
    changed = next(number for number, line in enumerate(lines) if day in line)
    stamp, _rate, *rest = lines[changed].split(",")
    lines[changed] = ",".join([stamp, "0.000123", *rest])
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_months_gates_and_pages_published_without_dagster_are_reported_once(watched: Watched) -> None:
    watched.publish("btc_basis", "2024-01", "2024-04")
    write_reports(watched.workspace, "btc_basis")
    assert watched.tick() == "reported btc_basis 2024-01 to 2024-04"
    assert watched.reported("btc_basis") == MONTHS
    event = watched.deployment.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey("btc_basis"), asset_partitions=["2024-02"]), limit=1
    ).records[0]
    assert event.asset_materialization is not None
    steps = watched.workspace.results.read_month("btc_basis", "2024-02", "timesteps")
    shown = event.asset_materialization.metadata["end equity (USDT)"].value
    assert shown == pytest.approx(steps["equity_share_class"][-1].as_py(), rel=1e-7)
    storage = watched.deployment.instance.event_log_storage
    for gate in GATES:
        key = dg.AssetCheckKey(dg.AssetKey("btc_basis"), gate.name)
        (found,) = storage.get_asset_check_execution_history(key, limit=5)
        assert found.event
    for asset in ("btc_basis_report", "overview", "catalogue"):
        assert watched.reported(asset) == [None]
    assert watched.status("btc_basis_report") is StaleStatus.FRESH
    assert watched.tick() == "everything that is published is known"
    assert watched.reported("btc_basis") == MONTHS


def test_what_dagster_published_is_not_reported_again(watched: Watched) -> None:
    assert watched.deployment.run_months("btc_basis", "2024-01", "2024-02").success
    assert watched.tick() == "everything that is published is known"
    watched.publish("btc_basis", "2024-03", "2024-03")
    assert watched.tick() == "reported btc_basis 2024-03 to 2024-03"
    assert watched.reported("btc_basis") == MONTHS[:3]
    assert watched.stale("btc_basis") == []


def test_months_from_before_a_gate_was_added_are_reported_without_it(
    watched: Watched,
) -> None:
    """What an upgrade finds: the manifests know one gate less than the registry."""
    watched.publish("btc_basis", "2024-01", "2024-01")
    results = watched.workspace.results
    month = results.get("btc_basis", "2024-01")
    older = tuple(gate for gate in month.manifest.gates if gate.gate != "carry_bound")
    assert len(older) == len(GATES) - 1
    tables = {table: results.read(month, table) for table in SCHEMAS}
    manifest = msgspec.structs.replace(month.manifest, gates=older)
    results.publish_month(manifest, tables, results.checkpoint("btc_basis", "2024-01"))
    assert watched.tick() == "reported btc_basis 2024-01 to 2024-01"
    storage = watched.deployment.instance.event_log_storage
    for gate in GATES:
        key = dg.AssetCheckKey(dg.AssetKey("btc_basis"), gate.name)
        assert len(storage.get_asset_check_execution_history(key, limit=5)) == (gate.name != "carry_bound")


def test_a_record_larger_than_a_tick_is_reported_by_several(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time at all is time for one month."""
    monkeypatch.setattr("basis_pipeline.defs.published.SECONDS_PER_TICK", 0.0)
    watched.publish("btc_basis", "2024-01", "2024-04")
    for month in MONTHS:
        assert watched.tick() == f"reported btc_basis {month} to {month}"
    assert watched.tick() == "everything that is published is known"
    assert watched.reported("btc_basis") == MONTHS


def test_a_corrected_raw_row_makes_exactly_its_month_and_later_ones_of_its_readers_stale_everywhere(
    watched: Watched,
) -> None:
    workspace = watched.workspace
    for mode in MODES:
        assert watched.deployment.run_months(mode, "2024-01", "2024-04").success
    watched.tick()
    assert watched.stale("btc_basis") == watched.stale("eth_basis") == []

    change_one_funding_row(workspace.root.path / "raw", "2024-02-10")
    assert not ingest(workspace.root, workspace.raw, config_dir=CONFIGS).errors
    watched.tick()
    stale = {mode.name: list(mode.stale) for mode in describe_modes(workspace)[0]}
    assert watched.stale("btc_basis") == stale["btc_basis"] == ["2024-02", "2024-03", "2024-04"]
    assert list(due_months(workspace, "btc_basis", "2024-04").months) == ["2024-02", "2024-03", "2024-04"]
    assert watched.stale("eth_basis") == stale["eth_basis"] == []

    assert watched.deployment.run_months("btc_basis", "2024-02", "2024-04").success
    assert watched.tick() == "everything that is published is known"
    assert watched.stale("btc_basis") == []
    assert watched.status("btc_basis_report") is StaleStatus.FRESH


def test_months_behind_a_rerun_one_are_stale_until_they_follow(watched: Watched) -> None:
    workspace = watched.workspace
    assert watched.deployment.run_months("btc_basis", "2024-01", "2024-03").success
    change_one_funding_row(workspace.root.path / "raw", "2024-02-10")
    assert not ingest(workspace.root, workspace.raw, config_dir=CONFIGS).errors
    watched.publish("btc_basis", "2024-02", "2024-02")
    watched.tick()
    assert watched.stale("btc_basis") == ["2024-03"]
    watched.publish("btc_basis", "2024-03", "2024-03")
    watched.tick()
    assert watched.stale("btc_basis") == []


def test_a_correction_that_is_taken_back_makes_months_current_again(watched: Watched) -> None:
    workspace = watched.workspace
    raw = workspace.root.path / "raw"
    kept = {path: path.read_bytes() for path in raw.rglob("*funding*.csv")}
    watched.publish("btc_basis", "2024-01", "2024-03")
    watched.tick()
    change_one_funding_row(raw, "2024-03-10")
    assert not ingest(workspace.root, raw, config_dir=CONFIGS).errors
    watched.tick()
    assert watched.stale("btc_basis") == ["2024-03"]
    for path, content in kept.items():
        path.write_bytes(content)
    assert not ingest(workspace.root, raw, config_dir=CONFIGS).errors
    watched.tick()
    assert watched.stale("btc_basis") == []
