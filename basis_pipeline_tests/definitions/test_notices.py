"""What is told about runs of the nightly jobs, and what is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from basis_pipeline.defs.jobs import NEW_WARNINGS
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline_tests.definitions.conftest import CONFIGS, Deployment
from basis_pipeline_tests.runs.post_offices import Webhook, serving

Deploy = Callable[..., Deployment]


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    server = Webhook()
    monkeypatch.setenv("BASIS_NOTIFY_WEBHOOK_URL", server.url("/"))
    monkeypatch.setenv("BASIS_UI_URL", "http://127.0.0.1:3000/")
    with serving(server):
        yield server


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    shutil.copytree(CONFIGS, tmp_path / "configs")
    (tmp_path / "configs" / "notifications.yaml").write_text("channels: [{kind: webhook}]\n")
    return tmp_path / "configs"


def sense(deployment: Deployment, sensor: str, result: dg.ExecuteInProcessResult, event: dg.DagsterEvent) -> None:
    """Evaluate a run status sensor on a run, as the daemon does."""
    run = deployment.instance.get_run_by_id(result.run_id)
    assert run is not None
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor, dagster_instance=deployment.instance, dagster_run=run, dagster_event=event
    )
    if sensor == "notify_failures":
        context = context.for_run_failure()
    workspace = WorkspaceResource.of(deployment.workspace)
    deployment.definitions.resolve_sensor_def(sensor)(context, workspace=workspace)


def told(webhook: Webhook) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(body)) for _, body in webhook.taken]


def test_a_refused_range_is_told_with_code_remedy_and_address(
    webhook: Webhook, configs: Path, validated: Path, deploy: Deploy
) -> None:
    deployment = deploy(validated, configs)
    result = deployment.run_months("btc_basis", "2024-02", "2024-03")
    sense(deployment, "notify_failures", result, result.get_run_failure_event())
    (notice,) = told(webhook)
    assert (notice["subject"], notice["month"], notice["what"]) == ("btc_basis", "2024-02..2024-03", "STATE-001")
    assert "nothing is published and btc_basis opens in 2024-01" in notice["message"]
    assert notice["remedy"].startswith("run btc_basis from 2024-01")
    assert notice["run_url"] == f"http://127.0.0.1:3000/runs/{result.run_id}"


def test_a_run_that_is_retried_is_not_told(webhook: Webhook, configs: Path, deploy: Deploy) -> None:
    deployment = deploy(None, configs)
    result = deployment.run_months("btc_basis", "2024-02", "2024-03")
    deployment.instance.add_run_tags(result.run_id, {"dagster/will_retry": "true"})
    sense(deployment, "notify_failures", result, result.get_run_failure_event())
    assert told(webhook) == []


def test_new_warnings_are_told_with_what_the_gate_found(
    webhook: Webhook, configs: Path, validated: Path, deploy: Deploy
) -> None:
    deployment = deploy(validated, configs)
    result = deployment.run_months("btc_basis", "2024-01", "2024-01")
    assert NEW_WARNINGS not in (deployment.instance.get_run_by_id(result.run_id) or result.dagster_run).tags
    sense(deployment, "notify_warnings", result, result.get_run_success_event())
    assert told(webhook) == []
    deployment.instance.add_run_tags(result.run_id, {NEW_WARNINGS: "2024-01 margin_derisk"})
    sense(deployment, "notify_warnings", result, result.get_run_success_event())
    (notice,) = told(webhook)
    assert (notice["kind"], notice["month"], notice["what"]) == ("warned", "2024-01", "gate margin_derisk")
    gates = {gate.gate: gate for gate in deployment.workspace.results.manifest("btc_basis", "2024-01").gates}
    assert notice["message"].startswith(gates["margin_derisk"].message)
