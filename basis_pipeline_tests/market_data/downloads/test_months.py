"""Months on disk: what is kept, continued, fetched again, reported."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import ConfigError, StorageError
from basis_pipeline.domain.timeline import DAY, HOUR, month_start
from basis_pipeline.runs.download import is_configured, plan_download
from basis_pipeline.storage.files import exclusive_lock
from basis_pipeline_tests.market_data.downloads.conftest import Site
from basis_pipeline_tests.market_data.downloads.server import cut_off, damaged, status

SPOT = {"venue": "binance", "dataset": "spot_candles_1h"}
BYBIT = {"venue": "bybit", "dataset": "perp_candles_1h"}


def states(site: Site, first: str, last: str, **only: str) -> dict[str, str]:
    return {outcome.target.month: outcome.status for outcome in site.download(first, last, **only).outcomes}


def files(site: Site) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in site.raw.rglob("*") if path.is_file()}


def test_a_second_run_asks_nobody(site: Site) -> None:
    assert states(site, "2024-12", "2025-01", **SPOT) == {"2024-12": "fetched", "2025-01": "fetched"}
    before, asked = files(site), len(site.vendor.paths)
    assert states(site, "2024-12", "2025-01", **SPOT) == {"2024-12": "kept", "2025-01": "kept"}
    assert (files(site), len(site.vendor.paths)) == (before, asked)


def test_an_open_month_goes_on_where_it_ended(site: Site) -> None:
    site.vendor.present = month_start("2025-02") + 4 * DAY
    assert states(site, "2025-01", "2025-02", **BYBIT) == {"2025-01": "fetched", "2025-02": "fetched"}
    site.vendor.present += 6 * HOUR
    site.vendor.paths.clear()
    assert states(site, "2025-01", "2025-02", **BYBIT) == {"2025-01": "kept", "2025-02": "extended"}
    (asked,) = [path for path in site.vendor.paths if "kline" in path]
    # The bar of 22:00 on the 4th is the last one that was final before; it is asked for once more.
    assert f"start={(month_start('2025-02') + 4 * DAY - 2 * HOUR) // 1000}" in asked
    store = site.ingest()
    frame = store.read("perp_candles_1h", "bybit", "BTCUSDT", month_start("2025-02"), month_start("2025-03"))
    assert frame.num_rows == 4 * 24 + 6 - 1


@pytest.mark.parametrize("dataset", ["perp_candles_1h", "mark_candles_1h", "funding_rates"])
def test_what_came_from_the_api_and_comes_from_the_archive_next_day_is_no_revision(site: Site, dataset: str) -> None:
    site.vendor.present = month_start("2025-02") + 4 * DAY + 9 * HOUR
    site.download("2025-02", "2025-02", venue="binance", dataset=dataset)
    site.vendor.present += DAY
    (outcome,) = site.download("2025-02", "2025-02", venue="binance", dataset=dataset).outcomes
    assert (outcome.status, outcome.revised, outcome.missing) == ("extended", 0, 0)


def test_a_tail_that_is_late_at_the_vendor_is_asked_for_again(site: Site) -> None:
    bars, late = site.vendor.bars["perp_candles_1h"], month_start("2025-01") + 31 * DAY - 3 * HOUR
    site.vendor.bars["perp_candles_1h"] = bars[bars["timestamp"] < late]
    site.vendor.present = month_start("2025-02") + HOUR
    (outcome,) = site.download("2025-01", "2025-01", **BYBIT).outcomes
    assert (outcome.status, outcome.rows) == ("fetched", 741)
    site.vendor.bars["perp_candles_1h"] = bars
    (outcome,) = site.download("2025-01", "2025-01", **BYBIT).outcomes
    assert (outcome.status, outcome.rows, outcome.missing) == ("extended", 744, 0)


def test_a_row_that_the_vendor_revised_is_written_and_reported(site: Site) -> None:
    site.vendor.present = month_start("2025-02") + 4 * DAY
    site.download("2025-02", "2025-02", **BYBIT)
    bars = site.vendor.bars["perp_candles_1h"]
    bars.loc[bars["timestamp"] == month_start("2025-02") + 4 * DAY - 2 * HOUR, "volume"] = 12345.0
    site.vendor.present += DAY
    (outcome,) = site.download("2025-02", "2025-02", **BYBIT).outcomes
    assert (outcome.status, outcome.revised) == ("extended", 1)
    assert "12345.0" in (site.raw / "bybit" / "bybit_BTCUSDT_perp_1h_2025-02.csv").read_text()


def test_provenance_says_where_a_file_comes_from(site: Site) -> None:
    site.download("2025-01", "2025-01", **SPOT)
    (path,) = site.raw.rglob("*.provenance.json")
    said = json.loads(path.read_text())
    archived = f"{site.url}/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2025-01.zip"
    checksum = site.vendor.answer(f"{archived.removeprefix(site.url)}.CHECKSUM", b"")[1].decode()[:64]
    assert (said["through"], said["rows"], said["missing"]) == ("2025-02-01T00:00:00Z", 744, 0)
    assert said["requests"] == [{"url": archived, "asked": "archive", "rows": 744, "sha256": checksum}]


def test_a_file_that_was_altered_since_is_fetched_again(site: Site) -> None:
    site.download("2025-01", "2025-01", **SPOT)
    before = files(site)
    (path,) = site.raw.rglob("*.csv")
    path.write_text(path.read_text().replace("BTCUSDT", "BTCUSDC", 1))
    assert states(site, "2025-01", "2025-01", **SPOT) == {"2025-01": "fetched"}
    assert files(site) == before


def test_a_wrong_checksum_is_fetched_once_more(site: Site) -> None:
    site.vendor.plant("2025-01.zip", damaged)
    assert states(site, "2025-01", "2025-01", **SPOT) == {"2025-01": "fetched"}
    assert len([path for path in site.vendor.paths if path.endswith("2025-01.zip")]) == 2


def test_a_checksum_that_stays_wrong_is_an_error_that_names_the_file(site: Site) -> None:
    archived = "klines/BTCUSDT/1h/BTCUSDT-1h-2025-01.zip"
    site.vendor.plant(archived, lambda answer: damaged(answer) if len(answer[1]) > 200 else answer, times=99)
    report = site.download("2024-12", "2025-01", **SPOT)
    assert [outcome.status for outcome in report.outcomes] == ["fetched", "failed"]
    message = str(report.failed[0].error)
    assert "BTCUSDT-1h-2025-01.zip was fetched twice" in message
    assert "BTCUSDT-1h-2025-01.zip.CHECKSUM says" in message
    assert not [name for name in files(site) if "2025-01" in name]


def test_a_truncated_archive_is_never_written(site: Site) -> None:
    site.vendor.plant("2025-01.zip", cut_off, times=99)
    report = site.download("2025-01", "2025-01", **SPOT)
    assert "the body was cut off, 3 times in a row" in str(report.failed[0].error)
    assert not files(site)


def test_a_month_that_the_vendor_does_not_have_is_reported(site: Site) -> None:
    report = site.download("2024-10", "2024-12", **SPOT)
    assert [(o.target.month, o.status) for o in report.outcomes] == [
        ("2024-10", "missing"),
        ("2024-11", "missing"),
        ("2024-12", "fetched"),
    ]
    assert report.missing[0].missing == 744


def test_holes_of_a_month_are_counted(site: Site) -> None:
    bars = site.vendor.bars["spot_candles_1h"]
    hole = bars["timestamp"].between(month_start("2025-01") + 5 * HOUR, month_start("2025-01") + 7 * HOUR)
    site.vendor.bars["spot_candles_1h"] = bars[~hole]
    (outcome,) = site.download("2025-01", "2025-01", **SPOT).outcomes
    assert (outcome.rows, outcome.missing) == (741, 3)


def test_a_source_that_is_down_is_not_asked_for_every_month(site: Site) -> None:
    site.vendor.plant("/v5/", status(503), times=999)
    report = site.download("2024-12", "2025-02", venue="bybit")
    assert len(report.failed) == 12
    assert len(site.vendor.paths) == 3


def test_the_sample_root_takes_no_real_data(site: Site) -> None:
    site.workspace.root.claim("sample", site.workspace.root.path / "raw")
    with pytest.raises(ConfigError, match="holds the synthetic sample"):
        site.download("2025-01", "2025-01")


def test_not_beside_an_ingestion(site: Site) -> None:
    lock = site.workspace.root.path / "ingest.lock"
    with exclusive_lock(lock, purpose="ingestion"), pytest.raises(StorageError, match="already running"):
        site.download("2025-01", "2025-01", **SPOT)


def test_months_to_come_and_unknown_names_are_refused(site: Site) -> None:
    with pytest.raises(ConfigError, match=r"the last month 2025-04 is not there yet; the current one is 2025-03"):
        site.download("2025-01", "2025-04")
    with pytest.raises(ConfigError, match="has no symbol DOGEUSDT; it has BTCUSDT"):
        site.download("2025-01", "2025-01", symbol="DOGEUSDT")


def test_a_plan_asks_nobody_and_writes_nothing(site: Site) -> None:
    plan = plan_download(site.workspace, first="2024-12", last="2025-01", now=site.vendor.present)
    assert {outcome.status for outcome in plan.outcomes} == {"due"}
    assert len(plan.outcomes) == 2 * (5 + 4 + 3 + 6)
    assert not site.vendor.paths
    assert not site.workspace.root.path.exists()


def test_schedules_download_only_where_it_is_switched_on(site: Site) -> None:
    assert not is_configured(site.workspace)
    site.configure(lambda content: content.update(enabled=True))
    assert is_configured(site.workspace)
    site.workspace.root.claim("sample", site.workspace.root.path / "raw")
    assert not is_configured(site.workspace)


@pytest.mark.slow
def test_a_killed_download_leaves_no_half_file_and_goes_on(site: Site, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "basis_pipeline", "download", "--venue", "bybit", "--from", "2024-12"]
    environment = {
        "BASIS_DATA_DIR": str(site.workspace.root.path),
        "BASIS_CONFIG_DIR": str(site.workspace.config.path),
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "PATH": "/usr/bin:/bin",
    }
    ranged = [*command, "--to", "2025-02"]
    site.vendor.answers = 8  # the next request gets none
    with subprocess.Popen(ranged, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while site.vendor.requests <= 8:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    site.vendor.speaks.set()
    done = {path.name for path in site.raw.rglob("*.csv")}
    assert 0 < len(done) < 12
    site.ingest()
    site.vendor.paths.clear()
    report = site.download("2024-12", "2025-02", venue="bybit")
    assert len(report.changed) + report.counts()["kept"] == 12
    assert report.counts()["kept"] >= len(done) - 1
    assert not report.failed
    assert {path.name.removesuffix(".provenance.json") for path in site.raw.rglob("*.json")} == {
        path.name for path in site.raw.rglob("*.csv")
    }
