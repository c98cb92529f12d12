"""Comparisons: every figure over the same months, what was configured differently, and what is not comparable."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.domain.errors import BasisError, ConfigError, StateError
from basis_pipeline.results.reports.comparison import attribution_rows
from basis_pipeline.results.sql.catalog import connect
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.compare import ComparisonReport, compare, compare_with_standing
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.runs.conftest import CONFIGS


@pytest.fixture(scope="module")
def workspace(sample_validated: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """btc_basis in January to March; `half` and `later` beside it; `elsewhere` is of a mode without a record."""
    root = tmp_path_factory.mktemp("compared")
    (root / "validated").symlink_to(sample_validated)
    workspace = Workspace(root, CONFIGS)
    _run(workspace, "btc_basis", None, "2024-01", "2024-03")
    _run(workspace, "btc_basis", "half", "2024-01", "2024-03", {"strategy.spot_fraction": 0.5})
    _run(workspace, "btc_basis", "later", "2024-02", "2024-04", {"initial_capital": 40_000.0})
    _run(workspace, "btc_basis", "apart", "2024-05", "2024-05", {"initial_capital": 40_000.0})
    _run(workspace, "eth_basis", "elsewhere", "2024-01", "2024-01", {"initial_capital": 40_000.0})
    _run(workspace, "eth_basis", "half", "2024-01", "2024-01", {"strategy.spot_fraction": 0.5})
    return workspace


def _run(
    workspace: Workspace,
    mode: str,
    experiment: str | None,
    first: str,
    last: str,
    overrides: dict[str, object] | None = None,
) -> None:
    plan = plan_backtest(workspace, mode, first=first, last=last, overrides=overrides, experiment=experiment)
    list(plan.run())


def figure(report: ComparisonReport, title: str) -> tuple[float | None, ...]:
    return next(row.values for row in report.figures if row.title == title)


def asked(workspace: Workspace, sql: str) -> float:
    with connect(workspace.results) as connection:
        return float(connection.execute(sql).fetchone()[0])


def test_figures_are_those_of_the_tables_over_the_months_in_common(workspace: Workspace) -> None:
    report = compare(workspace, ["later"])
    assert report.comparison.names == ("standing", "later")
    assert report.comparison.months == ("2024-02", "2024-03")
    growth = "select exp(sum(ln(1 + step_pnl / (equity_share_class - step_pnl - flow)))) - 1 from {} where {}"
    standing = asked(workspace, growth.format("timesteps", "month in ('2024-02', '2024-03')"))
    later = asked(
        workspace,
        "select exp(sum(ln(1 + step_pnl / (equity_share_class - step_pnl)))) - 1 from experiments.timesteps "
        "where experiment = 'later' and month in ('2024-02', '2024-03')",
    )
    assert figure(report, "Return") == pytest.approx((standing, later), rel=1e-9)
    funding = "select sum(pnl) from {} where category = 'funding_pnl' and month in ('2024-02', '2024-03') {}"
    expected = (
        asked(workspace, funding.format("pnl_attribution", "")),
        asked(workspace, funding.format("experiments.pnl_attribution", "and experiment = 'later'")),
    )
    assert figure(report, "Funding") == pytest.approx(expected, rel=1e-12)


def test_it_says_what_is_not_comparable(workspace: Workspace) -> None:
    notes = compare(workspace, ["later"]).comparison.notes
    assert "standing 2024-01 to 2024-03; later 2024-02 to 2024-04" in notes[0]
    assert "later opened at the start of these months and paid for its entry" in notes[1]
    same = compare(workspace, ["half"], "btc_basis").comparison
    assert (same.notes, same.warnings) == ((), ())


def test_differences_are_the_keys_that_were_overridden_and_no_others(workspace: Workspace) -> None:
    report = compare(workspace, ["half", "later"], "btc_basis")
    assert {one.key: one.values for one in report.differences} == {
        "initial_capital": ("100000.0", "100000.0", "40000.0"),
        "strategy.spot_fraction": ("0.6666666666666666", "0.5", "0.6666666666666666"),
    }


def test_sources_of_profit_add_up_to_the_total_return(workspace: Workspace) -> None:
    report = compare(workspace, ["half"], "btc_basis")
    sums = [sum(values) for values in zip(*attribution_rows(report.comparison).values(), strict=True)]
    profit, start = figure(report, "Profit"), figure(report, "Equity at the start")
    assert sums == pytest.approx([one / base for one, base in zip(profit, start, strict=True)], rel=1e-8)


def test_the_page_is_one_file_with_all_of_it(workspace: Workspace) -> None:
    page = compare(workspace, ["half"], "btc_basis").page.read_text(encoding="utf-8")
    assert all(
        text in page for text in ("strategy.spot_fraction", "half less standing", "2024-03", "Lowest margin ratio")
    )
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "<script src" not in page


@pytest.mark.parametrize(
    ("experiments", "mode", "kind", "message"),
    [
        (["nope"], None, ConfigError, "there is no experiment 'nope'. Remedy: known are apart, elsewhere, half, later"),
        (["half"], None, ConfigError, "not clear which mode to compare: half has btc_basis, eth_basis"),
        (["later", "elsewhere"], None, ConfigError, "compare experiments of one mode"),
        (["later", "later"], None, ConfigError, "named twice"),
        (["elsewhere"], None, StateError, "eth_basis has no standing record to compare elsewhere with"),
        (["apart"], None, StateError, "no month in common: standing 2024-01 to 2024-03; apart 2024-05 to 2024-05"),
        (["later"], "eth_basis", StateError, "published of eth_basis are: elsewhere, half"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(
    experiments: list[str], mode: str | None, kind: type[BasisError], message: str, workspace: Workspace
) -> None:
    with pytest.raises(kind) as refused:
        compare(workspace, experiments, mode)
    assert message in str(refused.value)


def test_experiments_are_compared_with_each_other_where_there_is_no_standing_record(workspace: Workspace) -> None:
    report = compare(workspace, ["elsewhere", "half"], "eth_basis")
    assert report.comparison.names == ("elsewhere", "half")


def test_one_experiment_is_compared_with_the_standing_record_only_where_months_meet(workspace: Workspace) -> None:
    assert compare_with_standing(workspace, "btc_basis", "apart") is None
    assert compare_with_standing(workspace, "eth_basis", "elsewhere") is None
    report = compare_with_standing(workspace, "btc_basis", "half")
    assert report is not None
    assert report.comparison.names == ("standing", "half")
