"""A command is there at once: it imports what it needs, and no package that it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from basis_pipeline.cli.commands import COMMANDS
from basis_pipeline.cli.main import cli

ENTRIES = [entry for entries in COMMANDS.values() for entry in entries]
FRAMES = {"pandas", "pandera", "numpy", "pyarrow", "duckdb", "dagster"}
SLOW = {"pandas", "pandera", "dagster", "ccxt", "web3", "sklearn"}


def imported_by(root: Path, *arguments: str) -> set[str]:
    """Top-level packages that the process of a command in an empty data root has imported when it ends."""
    program = f"""
import atexit, sys
from basis_pipeline.cli import main
sys.argv = ["basis", *{arguments!r}]
atexit.register(lambda: print("imported", *{{name.partition(".")[0] for name in sys.modules}}, file=sys.stderr))
main()
"""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BASIS_")}
    environment = kept | {"BASIS_DATA_DIR": str(root)}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    told = ended.stderr.splitlines()[-1].split()
    assert told[0] == "imported", ended.stderr
    return set(told[1:])


def test_every_command_of_the_overview_is_there_under_its_name() -> None:
    context = click.Context(cli)
    assert {entry.name: cli.get_command(context, entry.name).name for entry in ENTRIES} == {
        entry.name: entry.name for entry in ENTRIES
    }
    assert cli.get_command(context, "backtests") is None


def test_the_overview_shows_every_command_with_its_summary_on_one_line() -> None:
    lines = CliRunner().invoke(cli, ["--help"], terminal_width=110).output.splitlines()
    for entry in ENTRIES:
        assert [line for line in lines if line.split() == [entry.name, *entry.summary.split()]], entry.name


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("no-such-command",)])
def test_what_needs_no_data_imports_nothing_that_handles_data(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert not imported_by(tmp_path, *arguments) & FRAMES


@pytest.mark.parametrize("arguments", [("gates",), ("modes",), ("backtest", "--help"), ("live", "btc_basis")])
def test_no_command_imports_what_only_ingestion_training_or_other_commands_need(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert not imported_by(tmp_path, *arguments) & SLOW


def test_the_code_location_imports_no_package_that_only_a_run_needs() -> None:
    program = "import sys, basis_pipeline.definitions; print(*{name.partition('.')[0] for name in sys.modules})"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "basis_pipeline" in told
    assert not set(told) & (SLOW - {"dagster"})
