"""`basis sweep` and `basis compare` as a person uses them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from basis_pipeline_tests.cli.shell import Shell

GRID = ("--grid", "strategy.spot_fraction=0.5,0.6,0.95", "--from", "2024-01", "--to", "2024-01")


@pytest.fixture(scope="module")
def basis(tmp_path_factory: pytest.TempPathFactory, shell_in: Callable[[Path], Shell]) -> Shell:
    """A root with a month of ingested sample data and the standing record of btc_basis."""
    shell = shell_in(tmp_path_factory.mktemp("experiments"))
    shell("sample-data", "--months", "1")
    shell("ingest")
    shell("backtest", "btc_basis")
    return shell


def test_a_sweep_is_ranked_its_losses_are_told_and_it_is_not_run_twice(basis: Shell) -> None:
    first = basis("sweep", "--mode", "btc_basis", *GRID, "--name", "sizes", "--workers", "1")
    assert "3 points, 2 to run" in first.stderr
    assert "point 3 of btc_basis is failed" in first.stderr
    assert "without skill so many would be expected to show" in first.stderr
    assert [line.split("│")[3].strip() for line in first.stdout.splitlines() if line.startswith("│")] != []
    again = basis("sweep", "--mode", "btc_basis", *GRID, "--name", "sizes", "--workers", "1")
    assert "3 points, 0 to run" in again.stderr
    assert again.stdout == first.stdout


def test_a_sweep_of_a_file_is_answered_in_sql_and_beside_the_standing_record(basis: Shell, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "sweep: mine\nmodes: [btc_basis]\nfrom: 2024-01\nto: 2024-01\nkeep: tables\nrank_by: cagr\n"
        "points:\n  - {strategy.spot_fraction: 0.5}\n  - {strategy.spot_fraction: 0.6, initial_capital: 50000}\n",
        encoding="utf-8",
    )
    before = basis("query", "--csv", "select mode, generation from months").stdout
    basis("sweep", str(file), "--workers", "1")
    sql = (
        "select p.point, p.status, k.number, p.experiment from sweep_points p join sweep_parameters k "
        "using (sweep, point) where p.sweep = 'mine' and k.key = 'strategy.spot_fraction' order by p.point"
    )
    rows = [line.split(",") for line in basis("query", "--csv", sql).stdout.splitlines()[1:]]
    assert [row[:3] for row in rows] == [["1", "done", "0.5"], ["2", "done", "0.6"]]
    figures = "select (select cagr from sweep_points where sweep = 'mine' and point = 1) = (select value from "
    figures += f"experiments.metrics where metric = 'cagr' and experiment = '{rows[0][3]}') as same"
    assert basis("query", "--csv", figures).stdout.splitlines()[1] == "True"
    assert basis("query", "--csv", "select mode, generation from months").stdout == before
    compared = basis("compare", rows[0][3], rows[1][3])
    assert "strategy.spot_fraction" in compared.stdout
    assert "Lowest margin ratio" in compared.stdout
    assert Path(compared.stderr.rpartition("page: ")[2].strip()).is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sweep",), "name a FILE, or give --mode and --grid"),
        (("sweep", "nope"), "no file nope.yaml"),
        (("sweep", "btc_basis_sizing", "--mode", "btc_basis"), "--mode and a file do not go together"),
        (("sweep", "--mode", "btc_basis", "--grid", "a"), "not of the form key=value,value"),
        (("sweep", "--mode", "btc_basis", "--grid", "a=1", "--grid", "a=2"), "given twice"),
        (("sweep", "--mode", "btc_basis", "--grid", "a=[1"), "not readable"),
        (("sweep", "--mode", "btc_basis", "--grid", "initial_capital=1,1.0"), "are the same configuration"),
        (("compare",), "Missing argument"),
        (("compare", "nope"), "there is no experiment 'nope'"),
    ],
)
def test_bad_arguments_exit_with_two_and_one_message(basis: Shell, arguments: tuple[str, ...], message: str) -> None:
    assert message in basis(*arguments, code=2).stderr


def test_a_sweep_without_a_single_point_done_exits_with_one(basis: Shell) -> None:
    refused = basis("sweep", "--mode", "btc_basis", "--grid", "strategy.spot_fractoin=0.5,0.6", code=1)
    assert "did you mean spot_fraction?" in refused.stderr
