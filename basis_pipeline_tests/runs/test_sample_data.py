"""A data root gets its sample once, and only a sample root does."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.domain.errors import ConfigError, StorageError
from basis_pipeline.runs.pipeline import prepare_data
from basis_pipeline.runs.sample_data import make_sample_data
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.data_root import DataRoot
from basis_pipeline.storage.files import exclusive_lock

CONFIGS = Path(__file__).parents[2] / "configs"


def files_below(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_the_sample_fills_the_raw_folder_of_a_claimed_root(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "sample")
    calls: list[int] = []
    summary = make_sample_data(root, months=1, progress=lambda _name, done, _total: calls.append(done))
    assert summary.written
    assert summary.raw == root.raw == tmp_path / "sample" / "raw"
    assert root.info is not None
    assert root.info.kind == "sample"
    assert files_below(root.raw) == set(summary.record.files)
    assert calls == list(range(1, len(summary.record.files) + 1))


def test_a_second_call_with_the_same_arguments_writes_nothing(tmp_path: Path) -> None:
    root = DataRoot(tmp_path)
    first = make_sample_data(root, months=1)
    marker = root.raw / "cex/spot/bybit_BTCUSDT_spot_1h.csv"
    marker.write_text("changed by a person")
    second = make_sample_data(root, months=1)
    assert not second.written
    assert second.record == first.record
    assert marker.read_text() == "changed by a person"


def test_a_missing_file_makes_it_write_the_sample_again(tmp_path: Path) -> None:
    root = DataRoot(tmp_path)
    make_sample_data(root, months=1)
    lost = root.raw / "gas/ethereum_gas_prices_1h.csv"
    content = lost.read_bytes()
    lost.unlink()
    assert make_sample_data(root, months=1).written
    assert lost.read_bytes() == content


def test_another_sample_is_replaced_only_on_request_and_keeps_what_people_added(tmp_path: Path) -> None:
    root = DataRoot(tmp_path)
    make_sample_data(root, months=1, assets=("BTC", "SOL"))
    added = root.raw / "cex/spot/kraken_BTCUSDT_spot_1h.csv"
    added.write_text("timestamp\n")
    before = {name: (root.raw / name).read_bytes() for name in files_below(root.raw)}
    with pytest.raises(ConfigError, match=r"assets BTC SOL \(asked BTC\).*_SOLUSDT_.*--replace") as refused:
        make_sample_data(root, months=1, assets=("BTC",), seed=8)
    assert "seed 7 (asked 8)" in str(refused.value)
    assert {name: (root.raw / name).read_bytes() for name in files_below(root.raw)} == before
    summary = make_sample_data(root, months=1, assets=("BTC",), seed=8, replace=True)
    assert summary.written
    assert files_below(root.raw) == {*summary.record.files, "cex/spot/kraken_BTCUSDT_spot_1h.csv"}
    assert not any("SOL" in name for name in files_below(root.raw))


def test_a_run_that_broke_off_leaves_nothing_for_the_next_one(tmp_path: Path) -> None:
    def break_off(_name: str, done: int, _total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    root = DataRoot(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        make_sample_data(root, months=1, assets=("SOL",), progress=break_off)
    assert len(files_below(root.raw)) == 5
    summary = make_sample_data(root, months=1, assets=("BTC",))
    assert summary.written
    assert files_below(root.raw) == set(summary.record.files)
    assert not any("SOL" in name for name in summary.record.files)


def test_a_run_takes_the_sample_it_finds_whatever_its_arguments(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, CONFIGS)
    make_sample_data(workspace.root, months=1, assets=("SOL",))
    before = files_below(workspace.root.raw)
    report = prepare_data(workspace, lambda _what, _done, _total: None)
    assert files_below(workspace.root.raw) == before
    assert ("spot_candles_1h", "bybit", "SOLUSDT") in {
        (s.key.dataset, s.key.venue, s.key.symbol) for s in report.series
    }


def test_wrong_arguments_do_not_claim_the_root(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="months 0"):
        make_sample_data(DataRoot(tmp_path), months=0)
    assert files_below(tmp_path) == set()


def test_a_root_of_vendor_data_is_refused_and_left_alone(tmp_path: Path) -> None:
    vendor = tmp_path / "vendor"
    vendor.mkdir()
    root = DataRoot(tmp_path / "root")
    root.claim("vendor", vendor)
    with pytest.raises(ConfigError, match="cannot take sample data"):
        make_sample_data(root, months=1)
    assert files_below(root.path) == {"root.json"}


def test_a_running_ingestion_is_not_disturbed(tmp_path: Path) -> None:
    root = DataRoot(tmp_path)
    with exclusive_lock(tmp_path / "ingest.lock", purpose="ingestion"), pytest.raises(StorageError, match="running"):
        make_sample_data(root, months=1)
    assert not (tmp_path / "raw").exists()


def test_an_unreadable_record_is_named(tmp_path: Path) -> None:
    root = DataRoot(tmp_path)
    (tmp_path / "sample.json").write_text("{")
    with pytest.raises(StorageError, match=r"sample\.json"):
        make_sample_data(root, months=1)
