"""Whoever consumes a month is refused what was changed since it was published: reports, months after it, queries."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from basis_pipeline.config.wiring import wire_mode
from basis_pipeline.domain.errors import BasisError, StateError, StorageError
from basis_pipeline.results.reports.overview import write_overview
from basis_pipeline.results.sql.catalog import rebuild_catalogue
from basis_pipeline.runs import queries, records, reports
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.freshness import outdated_months
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.runs.conftest import CONFIGS

MODE = "pure_lending_usdt"
Consumer = Callable[[Workspace], object]


@pytest.fixture(scope="module")
def published(sample_validated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of January and February; read-only by convention."""
    root = tmp_path_factory.mktemp("published")
    (root / "validated").symlink_to(sample_validated)
    workspace = Workspace(root, CONFIGS)
    assert len(list(plan_backtest(workspace, MODE, first="2024-01", last="2024-02").run())) == 2
    return workspace.results.base


@pytest.fixture
def workspace(
    published: Path, sample_validated: Path, open_workspace: Callable[..., Workspace], tmp_path: Path
) -> Workspace:
    """The published months and the configuration, as copies of this test's own."""
    shutil.copytree(CONFIGS, tmp_path / "configs")
    opened = open_workspace(sample_validated, config_dir=tmp_path / "configs")
    shutil.copytree(published, opened.results.base)
    return opened


def next_month(workspace: Workspace) -> object:
    return list(plan_backtest(workspace, MODE, first="2024-03", last="2024-03").run())


def february(workspace: Workspace) -> object:
    return list(plan_backtest(workspace, MODE, first="2024-02", last="2024-02").run())


CONSUMERS: dict[str, Consumer] = {
    "next month": next_month,
    "report": lambda workspace: reports.write_reports(workspace, MODE),
    "overview": lambda workspace: write_overview(workspace.results),
    "catalogue": lambda workspace: rebuild_catalogue(workspace.results),
    "query": lambda workspace: queries.query(workspace, "from months"),
    "gates": lambda workspace: records.gate_verdicts(workspace, MODE),
    "export": lambda workspace: records.export(workspace, MODE),
    "summary": lambda workspace: records.summarise(workspace, MODE),
}


def edited(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_nothing_is_refused_of_what_is_as_it_was_published(consumer: str, workspace: Workspace) -> None:
    CONSUMERS[consumer](workspace)


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_manifest_whose_verdicts_were_changed_is_refused(consumer: str, workspace: Workspace) -> None:
    manifest = workspace.results.base / "_manifests" / f"mode={MODE}" / "month=2024-02.json"
    edited(manifest, '"status": "passed"', '"status": "failed"')
    with pytest.raises(StorageError, match=r"STORE-006.*month=2024-02\.json was changed.*re-run its month"):
        CONSUMERS[consumer](workspace)


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_a_table_that_was_changed_is_refused(consumer: str, workspace: Workspace) -> None:
    """Equity is raised by a tenth, in a file that is whole Parquet."""
    published = workspace.results.get(MODE, "2024-02").publication
    path = workspace.results.base / published.file("timesteps").path
    table = pq.read_table(path, partitioning=None)
    column = table.column_names.index("equity_share_class")
    raised = pa.array([value * 1.1 for value in table[column].to_pylist()])
    pq.write_table(table.set_column(column, table.schema.field(column), raised), path)
    with pytest.raises(StorageError, match=r"STORE-004.*timesteps.*has changed since it was published"):
        CONSUMERS[consumer](workspace)


def test_a_checkpoint_that_was_changed_is_refused_by_the_next_month(workspace: Workspace) -> None:
    published = workspace.results.get(MODE, "2024-02").publication
    edited(workspace.results.base / published.file("checkpoint").path, '"funded": true', '"funded": false')
    with pytest.raises(BasisError, match=r"has changed since it was published"):
        next_month(workspace)


def test_a_month_that_was_changed_is_mended_by_deleting_its_manifest_and_running_it_again(workspace: Workspace) -> None:
    manifest = workspace.results.base / "_manifests" / f"mode={MODE}" / "month=2024-02.json"
    edited(manifest, '"status": "passed"', '"status": "failed"')
    manifest.unlink()
    february(workspace)
    next_month(workspace)
    assert workspace.results.months(MODE) == ["2024-01", "2024-02", "2024-03"]


def test_months_that_were_judged_by_another_limit_are_stale_until_they_are_run_again(workspace: Workspace) -> None:
    """Limits of gates are no behaviour: the record stays the same and is judged again."""
    file = workspace.config.path / "modes" / f"{MODE}.yaml"
    file.write_text(file.read_text() + "\ngates: {growth_tolerance: 0.00002}\n")
    assert outdated_months(workspace, wire_mode(workspace.config, MODE)) == ["2024-01", "2024-02"]
    with pytest.raises(StateError, match=r"engine or gates changed.*from 2024-01"):
        next_month(workspace)
    for outcome in plan_backtest(workspace, MODE, first="2024-01", last="2024-02").run():
        found = {verdict.gate: verdict.threshold for verdict in outcome.gates}
        assert found["lending_growth"] == "within 2e-05 of the largest equity"
    assert outdated_months(workspace, wire_mode(workspace.config, MODE)) == []
