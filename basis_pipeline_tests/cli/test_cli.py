"""The `basis` command as a person or a script uses it: answers, exit codes, messages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from basis_pipeline_tests.cli.shell import REPOSITORY, Shell

MakeShell = Callable[[Path], Shell]


@pytest.fixture(scope="module")
def basis(tmp_path_factory: pytest.TempPathFactory, shell_in: MakeShell) -> Shell:
    """A root with two months of ingested sample data and one published mode."""
    shell = shell_in(tmp_path_factory.mktemp("cli"))
    shell("sample-data", "--months", "2")
    shell("ingest")
    shell("backtest", "pure_lending_usdt", "--from", "2024-01", "--to", "2024-01")
    return shell


def test_a_backtest_continues_and_prints_its_summary(basis: Shell) -> None:
    done = basis("backtest", "pure_lending_usdt", "--from", "2024-02", "--to", "2024-02")
    assert "2024-01…2024-02" in done.stdout
    assert "report:" in done.stderr


def test_overrides_are_an_experiment_whose_name_is_printed(basis: Shell) -> None:
    months = ("--from", "2024-01", "--to", "2024-01")
    done = basis("backtest", "pure_lending_usdt", *months, "--set", "initial_capital=50000")
    assert "experiment pure_lending_usdt-" in done.stderr
    standing = "select equity_share_class from timesteps where mode = 'pure_lending_usdt' order by timestamp limit 1"
    assert 99_000 < float(basis("query", "--csv", standing).stdout.splitlines()[1]) < 100_000
    experiment = "select equity_share_class from experiments.timesteps order by timestamp limit 1"
    assert 49_000 < float(basis("query", "--csv", experiment).stdout.splitlines()[1]) < 50_000


def test_a_query_prints_csv_for_scripts(basis: Shell) -> None:
    answer = basis("query", "--csv", "select mode, month, complete from months where month = '2024-01'")
    assert answer.stdout == "mode,month,complete\npure_lending_usdt,2024-01,True\n"


def test_a_query_names_the_data_root_it_speaks_of(basis: Shell) -> None:
    assert str(basis.root) in basis("query", "select 1 as one").stderr


@pytest.mark.parametrize("sql", ["select nonsense from nowhere", "drop view timesteps", "copy months to 'x.csv'"])
def test_a_query_that_cannot_be_answered_exits_with_one_message(basis: Shell, sql: str) -> None:
    failed = basis("query", sql, code=2)
    assert failed.stderr.count("error") >= 1
    assert failed.stdout == ""


def test_a_query_takes_a_file_and_parameters_and_answers_in_the_format_asked_for(basis: Shell, tmp_path: Path) -> None:
    question = tmp_path / "question.sql"
    question.write_text("select month, initial_capital as capital from months where mode = $mode and month = $month")
    asked = ("query", "--file", str(question), "--param", "mode=pure_lending_usdt", "--param", "month=2024-01")
    row = {"month": "2024-01", "capital": 100000.0}
    assert basis(*asked, "--format", "csv").stdout == "month,capital\n2024-01,100000.0\n"
    assert json.loads(basis(*asked, "--format", "json").stdout) == [row]
    for name, read in (("a.parquet", pq.read_table), ("a.csv", pa_csv.read_csv)):
        written = basis(*asked, "--output", str(tmp_path / name))
        assert "wrote 1 rows to" in written.stderr
        assert written.stdout == ""
        assert read(tmp_path / name).to_pylist() == [row]
    moment = basis("query", "--format", "json", "select max(timestamp) as at from timesteps where month = '2024-01'")
    assert json.loads(moment.stdout) == [{"at": "2024-01-31T23:00:00"}]


def test_rows_that_do_not_fit_are_shown_value_by_value_and_what_is_left_out_is_said(basis: Shell) -> None:
    shown = basis("query", "from timesteps")
    assert shown.stdout.count("equity_share_class") == 20
    assert "more rows; --format csv prints them all" in shown.stderr
    assert "no rows" in basis("query", "select * from months where month = '2024-01' and mode = 'x'").stderr


def test_a_question_about_what_is_not_published_is_answered_with_what_is(basis: Shell) -> None:
    noted = basis("query", "select * from months where month = '2031-01' and mode = 'pure_lending_usd'").stderr
    assert "month 2031-01 is not published; published are 2024-01 to 2024-0" in noted
    assert "did you mean 'pure_lending_usdt'?" in noted
    assert "published are 2024-01 to" in basis("query", "from equity('pure_lending_usdt', '2031-01')", code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "one of the two"),
        (("select 1", "--file", "-"), "one of the two"),
        (("select 1", "--format", "parquet"), "name a file with --output"),
        (("select 1", "--output", "answer.txt"), "does not say what to write"),
        (("select 1", "--format", "table", "--output", "answer.csv"), "goes with --output"),
        (("select 1", "--param", "month"), "parameter 'month' is not of the form key=value"),
        (("select $month",), "missing: month"),
    ],
)
def test_a_query_that_is_asked_wrongly_exits_with_two(basis: Shell, arguments: tuple[str, ...], message: str) -> None:
    assert message in basis("query", *arguments, code=2).stderr


def test_modes_lists_what_is_configured_covered_and_published(basis: Shell) -> None:
    listed = basis("modes").stdout
    assert all(mode in listed for mode in ("btc_basis", "eth_basis", "pure_lending_eth", "pure_lending_usdt"))
    assert "2024-01 … 2024-02" in listed


def test_a_report_and_an_export_of_some_months_have_files_of_their_own(basis: Shell) -> None:
    basis("backtest", "pure_lending_usdt", "--from", "2024-02", "--to", "2024-02")
    months = ("--from", "2024-01", "--to", "2024-01")
    whole, some = (Path(basis("report", "pure_lending_usdt", *few).stdout.strip()) for few in ((), months))
    assert "2024-01 to 2024-02 (2 months)" in whole.read_text(encoding="utf-8")
    assert "2024-01 (1 month)" in some.read_text(encoding="utf-8")
    refused = basis("report", "pure_lending_usdt", "--from", "2023-01", code=1)
    assert "no published month 2023-01" in refused.stderr
    assert "published are: 2024-01" in refused.stderr
    assert "is not a month" in basis("export", "pure_lending_usdt", "--to", "soon", code=2).stderr


def test_report_and_export_print_where_they_wrote(basis: Shell) -> None:
    page = Path(basis("report", "pure_lending_usdt").stdout.strip())
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    exported = Path(basis("export", "pure_lending_usdt", "--zip").stdout.strip())
    assert exported.suffix == ".zip"
    assert exported.stat().st_size > 10_000


def test_gates_describe_themselves_and_judge_a_mode(basis: Shell) -> None:
    assert "attribution_closes" in basis("gates").stdout
    assert "lending_growth" in basis("gates", "pure_lending_usdt", "--check").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("backtest", "btc_bais"), "did you mean btc_basis?"),
        (("backtest", "btc_basis", "--from", "2024-1"), "not a month"),
        (("backtest", "btc_basis", "--from", "2024-02", "--to", "2024-01"), "before"),
        (("backtest", "btc_basis", "--set", "strategy.spot_fracton=0.5"), "did you mean spot_fraction?"),
        (("backtest", "btc_basis", "--set", "spot_fraction=0.5"), "did you mean strategy.spot_fraction?"),
        (("backtest", "btc_basis", "--set", "derisk=0.3"), "did you mean margin_ratio.derisk?"),
        (("backtest", "btc_basis", "--set", "nonsense"), "key=value"),
        (("gates", "foo"), "there is no mode 'foo'. Remedy: known are btc_basis"),
        (("report", "nosuch"), "there is no mode 'nosuch'. Remedy: known are btc_basis"),
        (("export", "pure_lending_usdt", "--experiment", "nosuch"), "there is no experiment 'nosuch'. Remedy: "),
        (("backtest", "btc_basis", "--reopen", "--set", "initial_capital=1"), "--reopen"),
        (("backtest", "btc_basis", "--experiment", "../escape", "--from", "2024-01", "--to", "2024-01"), "not a name"),
        (("ingest", "--raw", "/nope"), "'--raw': Directory '/nope' does not exist"),
        (("backtest",), "Missing argument"),
        (("frobnicate",), "No such command"),
    ],
)
def test_bad_arguments_exit_with_two_and_one_message(basis: Shell, arguments: tuple[str, ...], message: str) -> None:
    assert message in basis(*arguments, code=2).stderr


def test_an_unknown_variable_is_refused_with_the_nearest_name(basis: Shell) -> None:
    assert "did you mean BASIS_DATA_DIR?" in basis("modes", code=2, BASIS_DATA_DIRR="x").stderr


def test_a_second_source_of_data_is_refused_and_both_are_named(basis: Shell, tmp_path: Path) -> None:
    refused = basis("ingest", "--raw", str(tmp_path), code=2).stderr
    assert str(tmp_path) in refused
    assert "BASIS_DATA_DIR" in refused


def test_a_run_that_fails_exits_with_one(basis: Shell) -> None:
    months = ("--from", "2023-01", "--to", "2023-01")
    assert "2023-01" in basis("backtest", "btc_basis", "--experiment", "early", *months, code=1).stderr


def test_a_start_past_the_end_of_the_data_is_a_bad_argument(basis: Shell) -> None:
    assert "past the end of the data, 2024-02" in basis("backtest", "btc_basis", "--from", "2030-01", code=2).stderr


def test_a_blocked_series_says_why_and_a_backtest_that_reads_it_warns(tmp_path: Path, shell_in: MakeShell) -> None:
    basis = shell_in(tmp_path)
    basis("sample-data", "--months", "1")
    basis("ingest")
    candles = tmp_path / "raw/cex/perp/binance_BTCUSDT_perp_1h.csv"
    lines = candles.read_text(encoding="utf-8").splitlines(keepends=True)
    column = lines[0].split(",").index("low")
    for at in range(100, 140):
        cells = lines[at].split(",")
        lines[at] = ",".join([*cells[:column], "-5", *cells[column + 1 :]])
    candles.write_text("".join(lines), encoding="utf-8")
    said = basis("ingest", code=1).stderr
    assert said.count("implausible_bars: cex/perp/binance_BTCUSDT_perp_1h.csv:101:low:") == 1
    warned = basis("backtest", "btc_basis").stderr
    assert "warning perp_candles_1h binance BTCUSDT: its last ingestion was blocked" in warned
    assert "warning" not in basis("backtest", "pure_lending_usdt").stderr


def test_a_series_whose_file_is_gone_is_named_with_its_months_and_readers(tmp_path: Path, shell_in: MakeShell) -> None:
    basis = shell_in(tmp_path)
    basis("sample-data", "--months", "2")
    assert "withdrawn" not in basis("ingest").stderr
    (rates,) = (tmp_path / "raw").rglob("bybit_BTCUSDT_funding_8h.csv")
    rates.unlink()
    said = " ".join(basis("ingest").stderr.split())
    assert "withdrawn: funding_rates bybit BTCUSDT 2024-01 to 2024-02 (2 months)" in said
    assert "are gone. Read by btc_basis" in said


def test_verbose_lists_every_finding_once_and_calls_only_errors_so(basis: Shell) -> None:
    said = basis("ingest", "--verbose").stderr
    assert "error" not in said
    assert said.count("INFO documentation: README.md") == 1
    assert said.count("known_bad/binance_EIGENUSDT_1h.csv") == 1
    findings = [line for line in said.splitlines() if "INFO " in line or "WARN " in line]
    assert len(findings) == len(set(findings)) > 2


def test_an_experiment_is_not_overwritten_by_another_of_its_name(basis: Shell) -> None:
    run = ("backtest", "pure_lending_usdt", "--experiment", "small", "--from", "2024-01")
    basis(*run, "--to", "2024-01", "--set", "initial_capital=50000")
    basis(*run, "--to", "2024-02", "--set", "initial_capital=50000")  # the same one goes on
    other = basis(*run, "--to", "2024-02", "--set", "initial_capital=60000", code=2).stderr
    assert "these differ: initial_capital." in other
    assert "--replace" in other
    assert (
        "months (published are 2024-01 to 2024-02)"
        in basis(*run, "--to", "2024-01", "--set", "initial_capital=50000", code=2).stderr
    )
    basis(*run, "--to", "2024-01", "--set", "initial_capital=60000", "--replace")
    kept = "select month, initial_capital from experiments.months where experiment = 'small'"
    assert basis("query", "--csv", kept).stdout.splitlines()[1:] == ["2024-01,60000.0"]


def serving_says(basis: Shell, **environment: str) -> str:
    """What `basis dev` prints before it serves."""
    said = ""
    with subprocess.Popen(
        [sys.executable, "-m", "basis_pipeline", "dev"],
        cwd=REPOSITORY,
        env=os.environ | {"BASIS_DATA_DIR": str(basis.root)} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr is not None
        for line in server.stderr:
            said += line
            if "Ctrl-C stops it" in line:
                server.terminate()
                break
        server.stderr.read()
    assert "Ctrl-C stops it" in said
    return said


def test_a_broken_mode_file_takes_no_other_mode_with_it(basis: Shell, tmp_path: Path) -> None:
    configs = tmp_path / "configs"
    shutil.copytree(REPOSITORY / "configs", configs)
    broken = configs / "modes" / "btc_basis.yaml"
    broken.write_text(broken.read_text(encoding="utf-8").replace("asset: BTC", "aset: BTC"), encoding="utf-8")
    listed = basis("modes", code=2, BASIS_CONFIG_DIR=str(configs))
    assert "pure_lending_eth" in listed.stdout
    assert "btc_basis.yaml" in listed.stderr
    assert "did you mean asset?" in listed.stderr
    assert serving_says(basis, BASIS_CONFIG_DIR=str(configs)).startswith("warning btc_basis cannot run: ")
