"""A record grows month by month, is the same however it is run, and refuses what does not fit it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from basis_pipeline.domain.errors import ConfigError, DataError, StateError, StorageError
from basis_pipeline.domain.evidence import GateStatus
from basis_pipeline.domain.protocols import Strategy, StrategyView, Targets
from basis_pipeline.results.store import month_digest
from basis_pipeline.runs.backtest import MonthRejectedError, plan_backtest
from basis_pipeline.runs.months import stale_months
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.runs.conftest import CONFIGS

OpenWorkspace = Callable[..., Workspace]
MODES = ("btc_basis", "eth_basis", "pure_lending_eth", "pure_lending_usdt")


def run(workspace: Workspace, mode: str, first: str | None = None, last: str | None = None, **options: object) -> None:
    for _ in plan_backtest(workspace, mode, first=first, last=last, **options).run():
        pass


def digests(workspace: Workspace, mode: str, experiment: str | None = None) -> dict[str, str]:
    results = workspace.results
    return {month: month_digest(results.get(mode, month, experiment)) for month in results.months(mode, experiment)}


@pytest.mark.parametrize("mode", MODES)
def test_one_run_over_months_equals_monthly_runs_bit_for_bit(
    mode: str, sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    whole = open_workspace(sample_validated, "whole")
    run(whole, mode, "2024-01", "2024-06")
    monthly = open_workspace(sample_validated, "monthly")
    for number in range(1, 7):
        run(monthly, mode, f"2024-{number:02d}", f"2024-{number:02d}")
    assert len(digests(whole, mode)) == 6
    assert digests(whole, mode) == digests(monthly, mode)


def test_running_again_leaves_the_same_files(sample_validated: Path, open_workspace: OpenWorkspace) -> None:
    workspace = open_workspace(sample_validated)
    run(workspace, "btc_basis", "2024-01", "2024-03")
    before = sorted(path for path in workspace.results.base.rglob("*.parquet"))
    run(workspace, "btc_basis", "2024-01", "2024-03")
    assert sorted(path for path in workspace.results.base.rglob("*.parquet")) == before
    assert stale_months(workspace.results, "btc_basis") == []


def test_every_month_is_run_twice_and_compared(sample_validated: Path, open_workspace: OpenWorkspace) -> None:
    workspace = open_workspace(sample_validated)
    run(workspace, "btc_basis", "2024-01", "2024-02")
    for month in workspace.results.months("btc_basis"):
        gates = {gate.gate: gate for gate in workspace.results.manifest("btc_basis", month).gates}
        assert gates["determinism_digest"].message == "run twice with equal digests"


def test_a_month_that_comes_out_differently_the_second_time_is_rejected(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    plan = plan_backtest(workspace, "pure_lending_usdt", first="2024-01", last="2024-01")
    drifting = replace(plan, wired=replace(plan.wired, strategy=_Drifting(plan.wired.strategy)))
    with pytest.raises(MonthRejectedError, match="gate determinism_digest failed: run again, 2024-01 has digest"):
        list(drifting.run())


class _Drifting:
    """A strategy that remembers what no checkpoint holds: it supplies a little less every time it is asked."""

    hedge = None

    def __init__(self, strategy: Strategy) -> None:
        self._strategy, self._asked = strategy, 0
        self.steering = strategy.steering

    def targets(self, view: StrategyView) -> Targets:
        self._asked += 1
        targets = self._strategy.targets(view)
        less = {slot: quantity * (1.0 - 1e-3 * self._asked) for slot, quantity in targets.quantities.items()}
        return msgspec.structs.replace(targets, quantities=less)

    def flat(self, view: StrategyView) -> Targets:
        return self._strategy.flat(view)


def test_a_later_start_continues_from_the_checkpoint(sample_validated: Path, open_workspace: OpenWorkspace) -> None:
    workspace = open_workspace(sample_validated)
    run(workspace, "pure_lending_usdt", "2024-01", "2024-01")
    run(workspace, "pure_lending_usdt", "2024-02", "2024-02")
    second = workspace.results.manifest("pure_lending_usdt", "2024-02")
    assert second.opening_month == "2024-01"
    assert second.predecessor == workspace.results.get("pure_lending_usdt", "2024-01").generation


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stamp", ["2024-01-20T08:00:00Z", "2024-01-31T22:00:00Z", "2024-01-31T23:00:00Z"])
def test_the_months_after_a_book_was_emptied_are_published(
    mode: str, stamp: str, sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    emptied = {"flows": [{"at": stamp, "amount": -1e9}]}
    run(workspace, mode, "2024-01", "2024-03", overrides=emptied, experiment="emptied")
    assert workspace.results.months(mode, "emptied") == ["2024-01", "2024-02", "2024-03"]
    assert workspace.results.checkpoint(mode, "2024-03", "emptied").withdrawals == ()


def test_a_gap_is_an_error_that_names_the_month_to_start_from(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    run(workspace, "pure_lending_usdt", "2024-01", "2024-01")
    with pytest.raises(ConfigError, match=r"published to 2024-01.*gap.*start in 2024-02.*--reopen"):
        plan_backtest(workspace, "pure_lending_usdt", first="2024-03", last="2024-03")


def test_a_start_past_the_data_names_their_end(sample_validated: Path, open_workspace: OpenWorkspace) -> None:
    with pytest.raises(ConfigError, match=r"the first month 2025-07 is past the end of the data, 202[45]-\d\d"):
        plan_backtest(open_workspace(sample_validated), "pure_lending_usdt", first="2025-07")


@pytest.mark.parametrize("experiment", [None, "longer"])
def test_an_end_past_the_data_is_refused_before_anything_is_run(
    experiment: str | None, sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    with pytest.raises(ConfigError, match=r"cannot run to 2025-02: 2024-12 is the last month .*run to 2024-12"):
        plan_backtest(workspace, "pure_lending_usdt", first="2024-11", last="2025-02", experiment=experiment)
    assert workspace.results.months("pure_lending_usdt", experiment) == []


def test_an_earlier_start_needs_reopen_and_then_replaces_the_record(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    run(workspace, "pure_lending_usdt", "2024-03", "2024-05")
    with pytest.raises(ConfigError, match=r"opened in 2024-03; 2024-02 is earlier.*--reopen"):
        plan_backtest(workspace, "pure_lending_usdt", first="2024-02", last="2024-03")
    run(workspace, "pure_lending_usdt", "2024-02", "2024-03", reopen=True)
    assert workspace.results.months("pure_lending_usdt") == ["2024-02", "2024-03"]
    assert workspace.results.manifest("pure_lending_usdt", "2024-02").opening_month == "2024-02"


def test_months_after_a_changed_month_are_stale(sample_validated: Path, open_workspace: OpenWorkspace) -> None:
    workspace = open_workspace(sample_validated)
    run(workspace, "pure_lending_usdt", "2024-01", "2024-03")
    other = open_workspace(sample_validated, "other")
    run(other, "pure_lending_usdt", "2024-01", "2024-01", overrides={"initial_capital": 5.0e4}, experiment="half")
    half = other.results.get("pure_lending_usdt", "2024-01", "half")
    tables = {
        file.table: other.results.publications.read(half.publication, file.table)
        for file in half.publication.files
        if file.table != "checkpoint"
    }
    state = other.results.checkpoint("pure_lending_usdt", "2024-01", "half")
    manifest = workspace.results.manifest("pure_lending_usdt", "2024-01")
    workspace.results.publish_month(manifest, tables, state)
    assert stale_months(workspace.results, "pure_lending_usdt") == ["2024-02", "2024-03"]


def test_overrides_make_an_experiment_and_leave_the_standing_record(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    run(workspace, "btc_basis", "2024-01", "2024-02")
    before = digests(workspace, "btc_basis")
    plan = plan_backtest(
        workspace, "btc_basis", first="2024-01", last="2024-02", overrides={"strategy.spot_fraction": 0.5}
    )
    assert plan.experiment
    assert plan.experiment.startswith("btc_basis-")
    for _ in plan.run():
        pass
    assert digests(workspace, "btc_basis") == before
    assert len(digests(workspace, "btc_basis", plan.experiment)) == 2


def test_an_experiment_run_again_with_fewer_months_loses_the_others(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    run(workspace, "pure_lending_usdt", "2024-01", "2024-03", experiment="try")
    run(workspace, "pure_lending_usdt", "2024-01", "2024-02", experiment="try")
    assert workspace.results.months("pure_lending_usdt", "try") == ["2024-01", "2024-02"]


def test_another_configuration_is_refused_and_the_keys_are_named(
    sample_validated: Path, open_workspace: OpenWorkspace, tmp_path: Path
) -> None:
    workspace = open_workspace(sample_validated)
    run(workspace, "pure_lending_usdt", "2024-01", "2024-01")
    changed = _copied_configs(tmp_path, "pure_lending_usdt", "initial_capital: 100000", "initial_capital: 90000")
    other = open_workspace(sample_validated, config_dir=changed)
    with pytest.raises(StateError, match=r"these keys differ: initial_capital\..*--reopen"):
        plan_backtest(other, "pure_lending_usdt", first="2024-02", last="2024-02")


@pytest.mark.parametrize(("policy", "experiment"), [("replan", None), ("retry", None), ("retry", "try")])
def test_a_policy_that_goes_on_after_failed_orders_is_refused(
    policy: str, experiment: str | None, sample_validated: Path, open_workspace: OpenWorkspace, tmp_path: Path
) -> None:
    lenient = _copied_configs(tmp_path, "btc_basis", "share_class:", f"error_policy: {policy}\nshare_class:")
    workspace = open_workspace(sample_validated, config_dir=lenient)
    with pytest.raises(ConfigError, match=rf"btc_basis: key `error_policy`: {policy} .*use fail_fast"):
        plan_backtest(workspace, "btc_basis", first="2024-01", last="2024-01", experiment=experiment)


@pytest.mark.parametrize(("stamp", "fits"), [("2023-12-31T23:59:59Z", False), ("2024-01-01T00:00:00Z", True)])
@pytest.mark.parametrize("experiment", [None, "try"])
def test_a_flow_before_the_book_opens_is_refused(
    stamp: str,
    fits: bool,
    experiment: str | None,
    sample_validated: Path,
    open_workspace: OpenWorkspace,
    tmp_path: Path,
) -> None:
    flow = f"flows: [{{at: {stamp}, amount: -500}}]\nshare_class:"
    workspace = open_workspace(
        sample_validated, config_dir=_copied_configs(tmp_path, "btc_basis", "share_class:", flow)
    )

    def plan() -> object:
        return plan_backtest(workspace, "btc_basis", first="2024-01", last="2024-01", experiment=experiment)

    if fits:
        assert plan()
        return
    with pytest.raises(ConfigError, match=r"`flows`: -500 USDT at 2023-12-31T23:59:59.* opens in 2024-01.*remove it"):
        plan()


def test_an_experiment_may_plan_again_after_failed_orders(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    plan = plan_backtest(workspace, "btc_basis", first="2024-01", last="2024-01", overrides={"error_policy": "replan"})
    (month,) = plan.run()
    assert {gate.gate: gate.status for gate in month.gates}["orders_succeed"] is GateStatus.PASSED


def test_two_runs_of_one_mode_never_overlap(sample_validated: Path, open_workspace: OpenWorkspace) -> None:
    workspace = open_workspace(sample_validated)
    plan = plan_backtest(workspace, "pure_lending_usdt", first="2024-01", last="2024-01")
    with plan.lock(), pytest.raises(StorageError, match="already running"):
        next(plan.run())


def test_a_month_without_data_is_an_error_that_names_the_series(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    plan = plan_backtest(workspace, "pure_lending_usdt", first="2019-05", last="2019-05")
    with pytest.raises(DataError, match=r"2019-05"):
        next(plan.run())
    assert workspace.results.months("pure_lending_usdt") == []


def test_many_keys_that_differ_are_counted(
    sample_validated: Path, open_workspace: OpenWorkspace, tmp_path: Path
) -> None:
    workspace = open_workspace(sample_validated)
    run(workspace, "pure_lending_usdt", "2024-01", "2024-01")
    results = workspace.results
    month = results.get("pure_lending_usdt", "2024-01")
    tables = {
        file.table: results.publications.read(month.publication, file.table)
        for file in month.publication.files
        if file.path.endswith(".parquet")
    }
    other = {"behaviour": {f"key_{number:02d}": "1" for number in range(50)}}
    older = msgspec.structs.replace(month.manifest, config=other, config_digest="c0ffee")
    results.publish_month(older, tables, results.checkpoint("pure_lending_usdt", "2024-01"))
    with pytest.raises(StateError, match=r"these keys differ: (\w|\.)+(, [\w.]+){7} and \d+ more\."):
        plan_backtest(workspace, "pure_lending_usdt", first="2024-02", last="2024-02")


def _copied_configs(folder: Path, mode: str, old: str, new: str) -> Path:
    copied = folder / "configs"
    shutil.copytree(CONFIGS, copied)
    file = copied / "modes" / f"{mode}.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return copied
