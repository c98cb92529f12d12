"""`basis download` as it is typed, and every command of its guide, against a server on loopback."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from basis_pipeline.cli.main import cli
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline_tests.market_data.downloads.conftest import Site, site
from basis_pipeline_tests.market_data.downloads.server import status

__all__ = ["site"]
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "downloads.md"
MONTH = ["--from", "2025-01", "--to", "2025-01"]


@pytest.fixture
def here(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("BASIS_DATA_DIR", str(site.workspace.root.path))
    monkeypatch.setenv("BASIS_CONFIG_DIR", str(site.workspace.config.path))
    return site


def basis(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_a_dry_run_lists_files_on_standard_output_and_asks_nobody(here: Site) -> None:
    ended = basis("download", *MONTH, "--venue", "bybit", "--dataset", "funding_rates", "--dry-run")
    assert ended.exit_code == 0
    assert ended.stdout.split("\t")[2].strip() == "downloads/bybit/bybit_BTCUSDT_funding_8h_2025-01.csv"
    assert not here.vendor.paths


def test_it_downloads_and_then_there_is_nothing_due(here: Site) -> None:
    assert basis("download", *MONTH, "--venue", "bybit").exit_code == 0
    assert len(list(here.raw.rglob("*.csv"))) == 4
    assert basis("download", *MONTH, "--venue", "bybit", "--dry-run").stdout == ""


def test_a_failure_is_exit_code_1_and_the_rest_is_there(here: Site) -> None:
    here.vendor.plant("mark-price-kline", status(403), times=99)
    assert basis("download", *MONTH, "--venue", "bybit").exit_code == 1
    assert len(list(here.raw.rglob("*.csv"))) == 3


def test_a_wrong_option_is_a_configuration_error(here: Site) -> None:
    assert isinstance(basis("download", "--from", "2025-1").exception, ConfigError)


def test_every_command_of_the_guide_works(here: Site) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), flags=re.M | re.S)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("basis ")]
    assert len(commands) == 6
    for command in commands:
        ended = basis(*shlex.split(command)[1:])
        assert ended.exit_code == 0, (command, ended.output, ended.exception)
