"""Months of a mode in Dagster: in order, the same as without Dagster, stopped by what must stop them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from basis_pipeline.defs.metadata import page_link
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.gates.registry import GATES
from basis_pipeline.market_data.validated import ValidatedStore, month_path
from basis_pipeline.results.store import month_digest
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.definitions.conftest import CONFIGS, Deployment, checks, failure, materialized

Deploy = Callable[..., Deployment]
MONTHS = ["2024-01", "2024-02", "2024-03"]


def digests(workspace: Workspace, mode: str) -> dict[str, str]:
    return {month: month_digest(workspace.results.get(mode, month)) for month in workspace.results.months(mode)}


def spike_the_mark(validated: Path, month: str) -> None:
    """One hour in which the ETH mark at Bybit trades 80% above its open: any short there is liquidated."""
    store = ValidatedStore(validated).publications("mark_candles_1h")
    publication = store.find(month_path("bybit", "ETHUSDT", month))
    assert publication is not None
    table = store.read(publication, "mark_candles_1h")
    high = table["high"].to_pylist()
    high[200] = 1.8 * table["open"][200].as_py()
    table = table.set_column(table.schema.get_field_index("high"), table.schema.field("high"), pa.array(high))
    store.publish(publication.partition, {"mark_candles_1h": table}, publication.body)


@pytest.mark.parametrize("mode", ["btc_basis", "pure_lending_eth"])
def test_a_range_is_one_run_in_order_and_publishes_what_a_run_without_dagster_does(
    mode: str, validated: Path, deploy: Deploy
) -> None:
    plain = deploy(validated, name="plain").workspace
    for _ in plan_backtest(plain, mode, first="2024-01", last="2024-03").run():
        pass
    deployment = deploy(validated)
    result = deployment.run_months(mode, "2024-01", "2024-03")
    assert result.success
    assert materialized(result, mode) == MONTHS
    assert digests(deployment.workspace, mode) == digests(plain, mode)
    assert set(checks(result, mode)) == {gate.name for gate in GATES}
    assert all(check.passed or check.severity is dg.AssetCheckSeverity.WARN for check in checks(result, mode).values())
    for asset in (f"{mode}_report", "overview", "catalogue"):
        assert materialized(result, asset) == [None]


def test_metadata_of_a_month_agree_with_its_tables(validated: Path, deploy: Deploy) -> None:
    deployment = deploy(validated)
    result = deployment.run_months("btc_basis", "2024-01", "2024-02")
    event = next(e for e in result.get_asset_materialization_events() if e.partition == "2024-02")
    shown = {key: value.value for key, value in event.materialization.metadata.items() if hasattr(value, "value")}
    results = deployment.workspace.results
    before, after = (results.read_month("btc_basis", month, "timesteps")["equity_usd"] for month in MONTHS[:2])
    assert shown["return (%)"] == pytest.approx(100.0 * (after[-1].as_py() / before[-1].as_py() - 1.0), rel=1e-6)
    assert shown["end equity (USDT)"] == pytest.approx(after[-1].as_py(), rel=1e-7)
    deltas = results.read_month("btc_basis", "2024-02", "deltas").to_pylist()
    funding = sum(row["delta_amount"] for row in deltas if row["source"] == "funding")
    assert shown["funding (USDT)"] == pytest.approx(funding, rel=1e-6)
    figures = {record.data["figure"]: record.data for record in event.materialization.metadata["all figures"].records}
    ended = figures["end_equity"]
    assert (float(str(ended["value"]).replace(",", "")), ended["unit"]) == (pytest.approx(after[-1].as_py()), "USDT")
    assert re.fullmatch(r"2024-02-\d\d \d\d:\d\d", str(figures["max_drawdown_trough"]["value"]))
    assert shown["equity"].startswith("![equity](data:image/svg+xml;base64,")
    assert len(shown["equity"]) < 1000  # or the UI shows a link instead of the picture
    files = results.get("btc_basis", "2024-02").publication.files
    assert shown["dagster/row_count"] == sum(file.rows for file in files)
    gates = event.materialization.metadata["gates"]
    verdicts = results.manifest("btc_basis", "2024-02").gates
    assert [verdict.gate for verdict in verdicts] == [gate.name for gate in GATES]
    applied = [verdict.gate for verdict in verdicts if not verdict.message.startswith("does not apply")]
    assert [record.data["gate"] for record in gates.records] == applied
    timings = {record.data["phase"]: record.data for record in event.materialization.metadata["timings"].records}
    assert timings["refresh"]["times"] == 29 * 24
    assert timings["refresh"]["budget (ms)"] == "500" and timings["refresh"]["over budget"] == "0"
    assert timings["step: total"]["times"] == 29 * 24 and timings["step: total"]["over budget"] == ""


def test_a_check_shows_all_months_of_the_record(validated: Path, deploy: Deploy) -> None:
    deployment = deploy(validated)
    assert deployment.run_months("btc_basis", "2024-01", "2024-02").success
    found = checks(deployment.run_months("btc_basis", "2024-03", "2024-03"), "btc_basis")["liquidation"]
    assert [record.data["month"] for record in found.metadata["months"].records] == MONTHS[::-1]


def test_a_rejected_month_stops_the_range_and_those_before_it_stand(
    validated: Path, deploy: Deploy, tmp_path: Path
) -> None:
    tampered = tmp_path / "tampered"
    shutil.copytree(validated, tampered)
    spike_the_mark(tampered, "2024-03")
    deployment = deploy(tampered)
    result = deployment.run_months("eth_basis", "2024-01", "2024-05")
    results = deployment.workspace.results
    assert not result.success
    assert materialized(result, "eth_basis") == ["2024-01", "2024-02"] == results.months("eth_basis")
    assert results.rejected.months("eth_basis") == ["2024-03"]
    liquidation = checks(result, "eth_basis")["liquidation"]
    assert not liquidation.passed
    assert liquidation.severity is dg.AssetCheckSeverity.ERROR
    assert [(row.data["status"], row.data["kept"]) for row in liquidation.metadata["months"].records] == [
        ("failed", "rejected"),
        ("passed", "published"),
        ("passed", "published"),
    ]
    assert liquidation.description.startswith("2024-03: liquidated at")
    assert "limit: 0 timesteps" in liquidation.description
    action = str(liquidation.metadata["action"].value)
    assert "2024-03 is **not published** and later months do not run" in action
    assert "materialize 2024-03 again" in action
    assert checks(result, "eth_basis")["attribution_closes"].passed
    described, metadata = failure(result, "eth_basis")
    assert "2024-03: gate liquidation failed" in described
    assert Path(str(metadata["rejected month"])).is_file()
    assert not materialized(result, "eth_basis_report")
    assert not results.report_path("eth_basis").exists()


def test_a_rejected_month_keeps_a_later_run_from_starting_after_it(
    validated: Path, deploy: Deploy, tmp_path: Path
) -> None:
    tampered = tmp_path / "tampered"
    shutil.copytree(validated, tampered)
    spike_the_mark(tampered, "2024-02")
    deployment = deploy(tampered)
    assert not deployment.run_months("eth_basis", "2024-01", "2024-03").success
    result = deployment.run_months("eth_basis", "2024-03", "2024-04")
    described, metadata = failure(result, "eth_basis")
    assert "2024-03 cannot start: 2024-02 is not published" in described
    assert metadata["remedy"] == "run eth_basis from 2024-02."
    assert not result.get_asset_materialization_events()
    assert not checks(result, "eth_basis")
    assert deployment.workspace.results.months("eth_basis") == ["2024-01"]


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ("2024-02", "2024-03", "nothing is published and btc_basis opens in 2024-01"),
        ("2024-12", "2024-12", "nothing is published and btc_basis opens in 2024-01"),
    ],
)
def test_a_record_opens_in_its_opening_month_only(
    first: str, last: str, message: str, validated: Path, deploy: Deploy
) -> None:
    result = deploy(validated).run_months("btc_basis", first, last)
    assert message in failure(result, "btc_basis")[0]


def test_a_range_past_the_end_of_the_data_is_refused_before_any_month_is_run(
    validated: Path, deploy: Deploy, tmp_path: Path
) -> None:
    """Partitions reach as far as any mode has data; those of the reserves end two months earlier."""
    shorter = tmp_path / "shorter"
    shutil.copytree(validated, shorter)
    reserves = ValidatedStore(shorter).publications("aave_reserves_1d")
    for found in list(reserves.publications()):
        if found.partition.rpartition("month=")[2] > "2024-10":
            reserves.withdraw(found.partition)
    deployment = deploy(shorter)
    result = deployment.run_months("pure_lending_usdt", "2024-01", "2024-12")
    described, metadata = failure(result, "pure_lending_usdt")
    assert "cannot run to 2024-12: 2024-10 is the last month that it has data for" in described
    assert metadata["remedy"] == "run to 2024-10 or an earlier month, or ingest later ones first."
    assert deployment.workspace.results.months("pure_lending_usdt") == []
    assert not result.get_asset_materialization_events()


def test_a_root_without_data_is_refused(deploy: Deploy) -> None:
    result = deploy().run_months("btc_basis", "2024-01", "2024-01")
    assert failure(result, "btc_basis")[1]["code"].startswith("DATA-")


def test_another_configuration_replaces_a_record_only_as_a_whole(
    validated: Path, deploy: Deploy, tmp_path: Path
) -> None:
    deployment = deploy(validated)
    assert deployment.run_months("btc_basis", "2024-01", "2024-02").success
    changed = tmp_path / "configs"
    shutil.copytree(CONFIGS, changed)
    mode = changed / "modes" / "btc_basis.yaml"
    mode.write_text(mode.read_text(encoding="utf-8").replace("2/3", "0.6"), encoding="utf-8")
    deployment = deploy(validated, changed)
    described, _ = failure(deployment.run_months("btc_basis", "2024-02", "2024-02"), "btc_basis")
    assert "published with another configuration" in described
    assert "spot_fraction" in described
    assert deployment.run_months("btc_basis", "2024-01", "2024-03").success
    assert deployment.workspace.results.months("btc_basis") == MONTHS


def test_running_a_range_again_changes_nothing(validated: Path, deploy: Deploy) -> None:
    deployment = deploy(validated)
    assert deployment.run_months("btc_basis", "2024-01", "2024-03").success
    before = digests(deployment.workspace, "btc_basis")
    assert deployment.run_months("btc_basis", "2024-02", "2024-02").success
    assert digests(deployment.workspace, "btc_basis") == before


def test_a_page_is_a_link_where_a_server_shows_it_and_a_path_elsewhere(tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:3080", ""):
        workspace = WorkspaceResource.of(Workspace(tmp_path, CONFIGS, reports_url=url)).open()
        page = workspace.results.report_path("btc_basis")
        shown = dg.MetadataValue.url(f"{url}/pages/reports/btc_basis.html") if url else dg.MetadataValue.path(str(page))
        assert page_link(workspace, page) == shown
