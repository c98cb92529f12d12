"""The committed instance and workspace files, and what `basis dev` makes of them."""

from __future__ import annotations

import socket
import tomllib
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
import yaml

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.runs.ui import DEFAULT_PORT, prepare_ui
from basis_pipeline_tests.definitions.conftest import REPOSITORY, Deployment
from basis_pipeline_tests.ports import free_port

Deploy = Callable[..., Deployment]


def settings(path: Path) -> dict[str, object]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def test_both_ways_to_find_the_code_agree() -> None:
    """`dagster dev` ignores workspace.yaml silently where the names differ."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["dg"]["project"]
    (entry,) = settings(REPOSITORY / "workspace.yaml")["load_from"]
    assert entry["python_module"] == {
        "module_name": project["code_location_target_module"],
        "location_name": project["code_location_name"],
    }


def test_the_committed_instance_lives_in_the_default_data_root_and_reports_nothing_home() -> None:
    instance = settings(REPOSITORY / "dagster.yaml")
    assert instance["telemetry"] == {"enabled": False}
    assert instance["storage"] == {"sqlite": {"base_dir": "data/sample/dagster"}}


def test_the_instance_of_a_data_root_has_the_committed_settings_and_its_own_storage(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    workspace = deploy().workspace
    server = prepare_ui(workspace)
    server.reports.server_close()
    committed = settings(REPOSITORY / "dagster.yaml")
    own = {
        key: value
        for key, value in committed.items()
        if key not in ("storage", "local_artifact_storage", "compute_logs")
    }
    assert settings(server.home / "dagster.yaml") == own
    with dg.DagsterInstance.from_config(str(server.home)) as instance:
        assert Path(instance.root_directory) == workspace.root.dagster.resolve()
        assert not instance.telemetry_enabled
        pools = instance.get_concurrency_config().pool_config
        assert pools.default_pool_limit == 1


def test_a_taken_port_is_refused_where_it_was_asked_for_and_avoided_otherwise(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is taken"):
            prepare_ui(deploy().workspace, port)
        monkeypatch.setattr("basis_pipeline.runs.ui.DEFAULT_PORT", port)
        elsewhere = prepare_ui(deploy().workspace)
        elsewhere.reports.server_close()
        assert elsewhere.port not in (port, 0, DEFAULT_PORT)


def test_two_that_are_prepared_at_once_get_pages_of_their_own(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    usual = free_port()
    monkeypatch.setattr("basis_pipeline.runs.report_server.DEFAULT_PORT", usual)
    both = [prepare_ui(deploy().workspace) for _ in range(2)]
    ports = [one.reports.server_port for one in both]
    for one in both:
        one.reports.server_close()
    assert ports[0] == usual and ports[1] not in (usual, 0)


def test_a_folder_that_is_not_the_projects_is_named(
    deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"there is no dagster\.yaml in"):
        prepare_ui(deploy().workspace)
