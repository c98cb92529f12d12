"""Ingestion from donors that break and onto disks that fail: what was published before stays whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import StorageError
from basis_pipeline.market_data.blocked import load_blocked
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline_tests.market_data.small_world import SPOT, again, generations, rewrite, write_small_folder
from basis_pipeline_tests.market_data.vendor_files import grid, walk, write_candles, write_feather, write_funding
from basis_pipeline_tests.market_data.world import CONFIGS, ingest_into


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_small_folder(tmp_path / "raw")


def test_a_hole_is_not_published_while_the_donor_that_would_fill_it_is_broken(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    frame = walk(grid("2024-01-01T00:00", "2024-01-31T23:00"), 100.0, seed=3)
    write_candles(raw, "bybit", "SOLUSDT", "spot", frame)
    write_candles(raw, "binance", "SOLUSDT", "spot", frame.drop(index=[100, 101]))
    first = ingest_into(raw, tmp_path / "root")
    assert first.series("spot_candles_1h", "binance", "SOLUSDT").counts.filled == {"fill:spot_candles_1h:bybit": 2}
    rewrite(raw, "\r\n2024-01-01T05:00:00Z,", "\r\nyesterday,")
    second = again(first)
    waiting = second.series("spot_candles_1h", "binance", "SOLUSDT")
    assert (waiting.status, waiting.findings[0].rule) == ("blocked", "donor_broken")
    assert second.frame("spot_candles_1h", "binance", "SOLUSDT").equals(
        first.frame("spot_candles_1h", "binance", "SOLUSDT")
    )


def test_a_donor_that_is_not_even_recognised_stops_those_that_it_filled(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    frame = walk(grid("2024-01-01T00:00", "2024-01-31T23:00"), 100.0, seed=3)
    write_candles(raw, "binance", "SOLUSDT", "perp", frame.drop(index=[100, 101]))
    write_candles(raw, "bybit", "SOLUSDT", "perp", frame)
    mark = write_feather(raw / "binance_SOLUSDT_mark_1h.feather", frame)
    first = ingest_into(raw, tmp_path / "root")
    key = ("perp_candles_1h", "binance", "SOLUSDT")
    assert first.series(*key).counts.filled == {"fill:mark_candles_1h:binance": 2}
    mark.write_bytes(mark.read_bytes()[:100])
    second = again(first)
    assert [finding.rule for finding in second.series(*key).findings] == ["donor_broken"]
    assert second.frame(*key).equals(first.frame(*key))
    assert second.series("perp_candles_1h", "bybit", "SOLUSDT").status == "unchanged"


def test_proxies_are_not_made_from_fewer_venues_because_a_file_broke(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    labels = [f"2025-07-{day:02d}T{hour:02d}:00:00Z" for day in range(1, 9) for hour in (0, 8, 16)]
    for level, venue in enumerate(("binance", "bybit", "gate")):
        rows = [(label, 1e-4 + 1e-5 * level + n * 1e-7) for n, label in enumerate(labels)]
        write_funding(raw, venue, "SOLUSDT", rows if venue != "gate" else rows[:10] + rows[11:])
    first = ingest_into(raw, tmp_path / "root")
    assert first.series("funding_rates", "gate", "SOLUSDT").counts.proxied == {"proxy:median_of_venues": 1}
    (raw / "bybit_SOLUSDT_funding_8h.csv").write_bytes(b"")
    second = again(first)
    assert [f.rule for f in second.series("funding_rates", "gate", "SOLUSDT").findings] == ["donor_broken"]
    assert second.series("funding_rates", "binance", "SOLUSDT").status == "unchanged"


def test_what_is_blocked_stays_on_record_until_an_ingestion_takes_it(raw: Path, tmp_path: Path) -> None:
    first = ingest_into(raw, tmp_path / "root")
    assert load_blocked(first.root.validated) == ()
    rewrite(raw, "\r\n2024-01-01T05:00:00Z,", "\r\nyesterday,")
    second = again(first)
    (blocked,) = load_blocked(first.root.validated)
    assert (blocked.key, blocked.findings) == (SeriesKey(*SPOT), second.report.errors)
    assert "yesterday" in str(blocked)
    rewrite(raw, "\r\nyesterday,", "\r\n2024-01-01T05:00:00Z,")
    assert again(first).series(*SPOT).status == "unchanged"
    assert load_blocked(first.root.validated) == ()


def test_an_unreadable_record_of_what_is_blocked_is_named(raw: Path, tmp_path: Path) -> None:
    world = ingest_into(raw, tmp_path / "root")
    (world.root.validated / "_blocked.json").write_text("{")
    with pytest.raises(StorageError, match=r"_blocked\.json"):
        load_blocked(world.root.validated)


_INGEST = """
import os, resource, signal, sys
from pathlib import Path
import basis_pipeline.market_data.ingestion  # while root may still read the interpreter
from basis_pipeline.domain.errors import StorageError
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.storage.data_root import DataRoot
if len(sys.argv) > 4:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
elif os.geteuid() == 0:
    os.seteuid(65534)  # nothing stops root from writing
try:
    ingest(DataRoot(Path(sys.argv[1])), Path(sys.argv[2]), config_dir=Path(sys.argv[3]))
except StorageError as error:
    print(error)
    sys.exit(7)
"""


def test_a_full_disk_leaves_what_was_published_whole(raw: Path, tmp_path: Path) -> None:
    first = ingest_into(raw, tmp_path / "root")
    before, frame = generations(first), first.frame(*SPOT)
    rewrite(raw, ",100.0,", ",100.0001,")
    command = [sys.executable, "-c", _INGEST, str(first.root.path), str(raw), str(CONFIGS), "4096"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 7, run.stderr
    assert "cannot write" in run.stdout
    assert generations(first) == before
    assert first.frame(*SPOT).equals(frame)
    assert not list(first.root.validated.rglob("*.tmp"))
    assert again(first).series(*SPOT).published == ("2024-01",)


def test_a_read_only_data_folder_is_an_error_that_names_it(raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    folder.chmod(0o555)
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    command = [sys.executable, "-c", _INGEST, str(folder), str(raw), str(CONFIGS)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 7, run.stderr
    assert str(folder) in run.stdout
    assert "writable" in run.stdout


def test_a_data_folder_that_cannot_be_made_is_an_error_that_names_it(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="root"):
        ingest_into(raw, tmp_path / "root")
