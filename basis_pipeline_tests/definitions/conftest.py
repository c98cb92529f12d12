"""The real definitions on data roots of each test's own, over market data ingested once per session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from basis_pipeline.definitions import build_definitions
from basis_pipeline.runs.workspace import Workspace

REPOSITORY = Path(__file__).parents[2]
CONFIGS = REPOSITORY / "configs"


@pytest.fixture(scope="session")
def validated(sample_validated: Path) -> Path:
    """Validated market data of the default sample, all of 2024; read-only by convention."""
    return sample_validated


@dataclass(frozen=True)
class Deployment:
    """One workspace, its definitions, and an instance that forgets."""

    workspace: Workspace
    instance: dg.DagsterInstance

    @property
    def definitions(self) -> dg.Definitions:
        return build_definitions(self.workspace)

    def run(self, job: str, **options: object) -> dg.ExecuteInProcessResult:
        resolved = self.definitions.resolve_job_def(job)
        return resolved.execute_in_process(instance=self.instance, raise_on_error=False, **options)

    def run_months(self, mode: str, first: str, last: str) -> dg.ExecuteInProcessResult:
        tags = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
        return self.run(f"{mode}_months", tags=tags)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def deploy(tmp_path: Path, instance: dg.DagsterInstance) -> Callable[..., Deployment]:
    """Make a deployment; `validated` is linked, so give a copy where it is to be changed."""

    def deployed(validated: Path | None = None, config_dir: Path = CONFIGS, name: str = "root") -> Deployment:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        if validated and not (root / "validated").exists():
            (root / "validated").symlink_to(validated)
        return Deployment(Workspace(root, config_dir), instance)

    return deployed


def materialized(result: dg.ExecuteInProcessResult, asset: str) -> list[str | None]:
    """Partitions of `asset` that the run materialized, in the order of their events."""
    events = result.get_asset_materialization_events()
    return [event.partition for event in events if event.asset_key == dg.AssetKey(asset)]


def checks(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, dg.AssetCheckEvaluation]:
    """Check evaluations of the run by name."""
    found = result.get_asset_check_evaluations()
    return {check.check_name: check for check in found if check.asset_key == dg.AssetKey(asset)}


def failure(result: dg.ExecuteInProcessResult, step: str) -> tuple[str, dict[str, object]]:
    """Description and metadata of the failure of a step."""
    data = next(event for event in result.all_events if event.is_step_failure and event.step_key == step)
    told = data.step_failure_data.user_failure_data
    return told.description, {key: value.value for key, value in told.metadata.items()}
