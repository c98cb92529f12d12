"""Sweeps: the figures of a point are those of its experiment, nothing is run twice, nothing stops the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from basis_pipeline.config.loading import typed_sweep
from basis_pipeline.domain.errors import ConfigError, StateError, StorageError
from basis_pipeline.results.sweeps.parts import PointResult, PointStatus, SweepPlan, SweepPoint
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.records import summarise
from basis_pipeline.runs.sweeps.sweep import SweepReport, collect, plan_sweep, run_here, run_point, unfinished
from basis_pipeline.runs.workspace import Workspace, WorkspaceAddress
from basis_pipeline.storage.files import exclusive_lock

OpenWorkspace = Callable[..., Workspace]
FRACTIONS = {"strategy.spot_fraction": [0.5, 0.6]}


def planned(workspace: Workspace, **typed: object) -> SweepPlan:
    given = {"sweep": "tried", "modes": ["btc_basis"], "from": "2024-01", "to": "2024-02"}
    return plan_sweep(workspace, typed_sweep(given | typed))


def ran(workspace: Workspace, **typed: object) -> SweepReport:
    plan = planned(workspace, **typed)
    run_here(workspace, plan, workers=1)
    return collect(workspace, plan)


def in_full(workspace: Workspace, point: SweepPoint) -> dict[str, float | None]:
    """Figures of the same point as a published experiment."""
    plan = plan_backtest(
        workspace, point.mode, first=point.first, last=point.last, overrides=point.overrides, experiment="in_full"
    )
    list(plan.run())
    return dict(summarise(workspace, point.mode, "in_full").metrics)


@pytest.mark.parametrize(
    ("mode", "overrides"),
    [
        ("btc_basis", {"strategy.spot_fraction": 0.55, "strategy.hedge_allocation": {"binance": 0.3, "bybit": 0.7}}),
        ("eth_leveraged", {"strategy.target_ltv": 0.7}),
        ("usdt_eth_staking_hedged_simple", {"initial_capital": 250_000.0}),
        ("pure_lending_usdt", {}),
    ],
)
def test_the_figures_of_a_point_are_exactly_those_of_its_experiment_in_full(
    mode: str, overrides: dict[str, object], sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    months = {"from": "2024-06", "to": "2024-08"}
    report = ran(workspace, modes=[mode], points=[overrides], **months)
    ((point, result),) = report.outcomes
    assert result.metrics == in_full(workspace, point)
    assert len(result.metrics) > 60


@pytest.mark.real_data
def test_eighteen_real_months_come_out_exactly_as_in_full(real_validated: Path, open_workspace: OpenWorkspace) -> None:
    workspace = open_workspace(real_validated)
    report = ran(workspace, points=[{"strategy.spot_fraction": 0.72}], **{"from": "2024-01", "to": "2025-06"})
    ((point, result),) = report.outcomes
    assert result.metrics == in_full(workspace, point)


def test_daily_equity_is_that_of_the_closing_records_at_midnight(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    report = ran(workspace, points=[{"strategy.spot_fraction": 0.5}])
    ((point, result),) = report.outcomes
    in_full(workspace, point)
    kept = workspace.sweeps.equity("tried", point)
    months = [
        workspace.results.read_month(point.mode, month, "timesteps", "in_full") for month in ("2024-01", "2024-02")
    ]
    stamps = np.concatenate([table["timestamp"].to_numpy() for table in months])
    equity = np.concatenate([table["equity_share_class"].to_numpy() for table in months])
    expected = [*range(0, 60 * 24, 24), 60 * 24 - 1]
    assert kept["timestamp"].to_numpy().tolist() == stamps[expected].tolist()
    assert kept["equity_share_class"].to_numpy().tolist() == equity[expected].tolist()
    assert kept["growth"][-1].as_py() - 1.0 == result.metrics["time_weighted_return"]


def test_points_that_keep_tables_are_experiments_with_the_same_figures(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    quick = {point.number: result.metrics for point, result in ran(workspace, grid=FRACTIONS).outcomes}
    plan = planned(workspace, grid=FRACTIONS, keep="tables")
    assert len(unfinished(workspace, plan)) == 2, "points without tables do not serve"
    run_here(workspace, plan, workers=1)
    assert unfinished(workspace, plan) == ()
    for point, result in collect(workspace, plan).outcomes:
        assert result.metrics == quick[point.number]
        assert result.experiment is not None
        assert workspace.results.months("btc_basis", result.experiment) == ["2024-01", "2024-02"]
    assert len(unfinished(workspace, planned(workspace, grid=FRACTIONS))) == 0, "points with tables serve both"


def test_what_is_wrong_with_a_point_is_told_and_does_not_stop_the_others(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    """A configuration that is refused, market data that are not there, and a gate that fails."""
    points = [
        {"strategy.spot_fraction": 0.95},
        {"asset": "SOL", "strategy.largest_move": 0.1},
        {"initial_capital": 20.0},
        {"strategy.spot_fraction": 0.5},
    ]
    report = ran(open_workspace(sample_validated), points=points)
    assert [result.status for _, result in report.outcomes] == ["failed", "failed", "rejected", "done"]
    reasons = [result.reason for _, result in report.lost]
    assert "margin_ratio.warn" in reasons[0]
    assert "no validated" in reasons[1]
    assert "SOLUSDT" in reasons[1]
    assert "btc_basis 2024-01: gate first_loop_action failed" in reasons[2]
    assert [point.number for point, _ in report.done] == [4]


def test_finished_points_are_not_run_again_also_where_the_plan_has_grown(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    ran(workspace, grid=FRACTIONS)
    seconds = [result.seconds for _, result in ran(workspace, grid=FRACTIONS).outcomes]
    grown = planned(workspace, grid={"strategy.spot_fraction": [0.6, 0.55, 0.5]})
    assert [point.number for point in unfinished(workspace, grown)] == [2]
    run_here(workspace, grown, workers=1)
    again = {point.overrides["strategy.spot_fraction"]: result for point, result in collect(workspace, grown).outcomes}
    assert [again[0.5].seconds, again[0.6].seconds] == seconds, "they are the results of the first run"


def test_a_point_is_another_one_with_other_data_other_months_or_another_configuration(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    plans = [
        planned(workspace, points=[{}]),
        planned(workspace, points=[{"strategy.spot_fraction": 0.5}]),
        planned(workspace, points=[{}], to="2024-03"),
        planned(workspace, points=[{}], **{"from": "2024-02"}),
        planned(workspace, points=[{}], modes=["eth_basis"]),
    ]
    assert len({plan.points[0].identity for plan in plans}) == len(plans)
    assert planned(workspace, points=[{}]).points == plans[0].points


def test_a_worker_with_other_data_or_another_configuration_refuses(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    (point,) = planned(workspace, points=[{}]).points
    address = WorkspaceAddress.of(workspace)
    with pytest.raises(StateError, match="market data of 2024-01 to 2024-02 changed"):
        run_point(address, "tried", msgspec.structs.replace(point, data_digest="0" * 64))
    with pytest.raises(ConfigError, match="planned with another configuration"):
        run_point(address, "tried", msgspec.structs.replace(point, config_digest="0" * 64))
    assert workspace.sweeps.find("tried", point) is None


def test_processes_side_by_side_give_what_one_gives(sample_validated: Path, open_workspace: OpenWorkspace) -> None:
    one, two = open_workspace(sample_validated, "one"), open_workspace(sample_validated, "two")
    plan = planned(one, grid=FRACTIONS, to="2024-01")
    seen: list[tuple[int, int]] = []
    run_here(one, plan, workers=1)
    run_here(two, plan, workers=2, progress=lambda _, done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    assert [_figures(r) for _, r in collect(one, plan).outcomes] == [
        _figures(r) for _, r in collect(two, plan).outcomes
    ]


def _figures(result: PointResult) -> PointResult:
    assert result.status is PointStatus.DONE
    return msgspec.structs.replace(result, seconds=0.0)


def test_the_tables_and_the_page_hold_the_plan_and_its_results(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    report = ran(workspace, grid=FRACTIONS | {"strategy.hedge_allocation": [{"bybit": 1.0}, {"binance": 1.0}]})
    (published,) = workspace.sweeps.sweeps()
    rows = workspace.sweeps.read(published, "points").to_pylist()
    assert [row["sharpe"] for row in rows] == [result.metrics["sharpe"] for _, result in report.outcomes]
    assert json.loads(rows[0]["overrides"]) == {
        "strategy.spot_fraction": 0.5,
        "strategy.hedge_allocation": {"bybit": 1.0},
    }
    assert len(workspace.sweeps.read(published, "parameters")) == 8
    assert len(workspace.sweeps.read(published, "equity")) == 4 * 61
    best = max(report.outcomes, key=lambda outcome: outcome[1].metrics["sharpe"] or 0.0)
    assert report.done[0] == best
    page = report.page.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert all(text in page for text in ("hedge allocation", "bybit 1.0", f"point {best[0].number}"))


def test_a_metric_where_small_is_good_ranks_the_smallest_first(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    report = ran(open_workspace(sample_validated), grid=FRACTIONS, rank_by="max_drawdown")
    depths = [result.metrics["max_drawdown"] for _, result in report.done]
    assert depths == sorted(depths)


def test_a_metric_that_does_not_exist_is_refused_with_those_that_do(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    with pytest.raises(ConfigError, match="there is no metric 'sharp' to rank by"):
        ran(open_workspace(sample_validated), points=[{}], to="2024-01", rank_by="sharp")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"grid": {"strategy.spot_fraction": [0.5, 0.50]}}, "points 1 and 2 of the sweep are the same"),
        ({"points": [{}], "from": "2024-03"}, "the last month 2024-02 is before the first, 2024-03"),
        ({"points": [{}], "modes": ["bct_basis"]}, "did you mean btc_basis"),
        ({"points": [{}], "modes": ["btc_basis", "btc_basis"]}, "modes names btc_basis twice"),
        ({}, "give either grid or points"),
        ({"points": [{}], "rank": "sharpe"}, "did you mean rank_by"),
        ({"points": [{}], "sweep": "../up"}, "key 'sweep'"),
        ({"grid": {"a": list(range(200)), "b": list(range(200))}}, "40,000 points are more than 10,000"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_before_anything_runs(
    typed: dict[str, object], message: str, sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    with pytest.raises(ConfigError, match=message):
        planned(open_workspace(sample_validated), **typed)


def test_a_sweep_that_is_running_is_not_started_a_second_time(
    sample_validated: Path, open_workspace: OpenWorkspace
) -> None:
    workspace = open_workspace(sample_validated)
    plan = planned(workspace, points=[{}])
    lock = workspace.root.path / "locks" / "sweep.tried.lock"
    with (
        exclusive_lock(lock, purpose="the other one"),
        pytest.raises(StorageError, match="sweep tried is already running"),
    ):
        run_here(workspace, plan, workers=1)
