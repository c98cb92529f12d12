"""Ingestion as a use case: incremental, whole or not at all, and honest about every file."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pandas as pd
import pytest

from basis_pipeline.domain.errors import ConfigError, DataError, StorageError
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.datasets import DATASETS
from basis_pipeline.market_data.schemas import arrow_schema
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.storage.data_root import DataRoot
from basis_pipeline.storage.files import exclusive_lock
from basis_pipeline_tests.market_data.replica import Truth
from basis_pipeline_tests.market_data.small_world import SPOT, again, generations, rewrite, write_small_folder
from basis_pipeline_tests.market_data.vendor_files import (
    candle_lines,
    grid,
    micros,
    walk,
    write_candles,
    write_feather,
)
from basis_pipeline_tests.market_data.world import CONFIGS, World, ingest_into, stamps


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_small_folder(tmp_path / "raw")


def test_a_second_ingestion_of_the_same_files_does_nothing(raw: Path, tmp_path: Path) -> None:
    first = ingest_into(raw, tmp_path / "root")
    written = {path: path.stat().st_mtime_ns for path in first.root.validated.rglob("*.*")}
    second = again(first)
    assert {series.status for series in first.report.series} == {"published"}
    assert {series.status for series in second.report.series} == {"unchanged"}
    assert {file.status for file in second.report.files} == {"unchanged"}
    assert {path: path.stat().st_mtime_ns for path in first.root.validated.rglob("*.*")} == written
    assert [s.findings for s in second.report.series] == [s.findings for s in first.report.series]


def test_only_the_month_whose_content_changed_is_published_again(raw: Path, tmp_path: Path) -> None:
    first = ingest_into(raw, tmp_path / "root")
    before = generations(first)
    frame = first.frame(*SPOT)
    row = frame[stamps(frame) == micros("2024-02-10T00:00")].iloc[0]
    rewrite(raw, f"{row['volume']},bybit", f"{row['volume'] + 1},bybit")
    second = again(first)
    assert second.series(*SPOT).published == ("2024-02",)
    after = generations(second)
    assert after["2024-01"] == before["2024-01"]
    assert after["2024-02"] != before["2024-02"]
    assert second.series("spot_candles_1h", "binance", "SOLUSDT").status == "unchanged"


def test_new_rows_add_a_month_and_leave_the_others(raw: Path, tmp_path: Path) -> None:
    first = ingest_into(raw, tmp_path / "root")
    path = next(raw.rglob("bybit_SOLUSDT_spot_1h.csv"))
    more = walk(grid("2024-03-01T00:00", "2024-03-01T05:00"), 100.0, seed=4)
    path.write_bytes(path.read_bytes() + "\r\n".join([*candle_lines(more, "bybit", "SOLUSDT", "spot"), ""]).encode())
    second = again(first)
    assert second.series(*SPOT).published == ("2024-03",)
    assert len(generations(second)) == 3


def test_months_go_when_their_file_is_gone_and_stay_when_it_only_lost_rows(raw: Path, tmp_path: Path) -> None:
    first = ingest_into(raw, tmp_path / "root")
    path = next(raw.rglob("bybit_SOLUSDT_spot_1h.csv"))
    lines = path.read_bytes().split(b"\r\n")
    path.write_bytes(b"\r\n".join([*lines[: 1 + 31 * 24], b""]))
    shorter = again(first)
    assert sorted(generations(shorter)) == ["2024-01", "2024-02"]
    lost = [finding for finding in shorter.report.failed_checks if finding.rule == "rows_lost"]
    assert [finding.month for finding in lost] == ["2024-02"]
    path.unlink()
    gone = again(first)
    assert gone.series(*SPOT).status == "withdrawn"
    assert gone.series(*SPOT).withdrawn == ("2024-01", "2024-02")
    assert [found.venue for found in gone.store.series("spot_candles_1h")] == ["binance"]
    assert not list((gone.root.validated / "spot_candles_1h" / "venue=bybit").rglob("*.parquet"))


def test_a_part_that_is_gone_takes_only_its_own_months(tmp_path: Path) -> None:
    frame = walk(grid("2024-01-01T00:00", "2024-02-29T23:00"), 100.0, seed=3)
    january = frame["timestamp"] < micros("2024-02-01")
    for part, rows in (("part1", frame[january]), ("part2", frame[~january])):
        write_feather(tmp_path / "raw" / f"bybit_SOLUSDT_spot_1h.{part}.feather", rows)
    first = ingest_into(tmp_path / "raw", tmp_path / "root")
    (tmp_path / "raw" / "bybit_SOLUSDT_spot_1h.part2.feather").unlink()
    second = again(first)
    assert second.series(*SPOT).withdrawn == ("2024-02",)
    assert sorted(generations(second)) == ["2024-01"]


def test_a_broken_file_stops_its_own_series_and_what_was_published_stays(raw: Path, tmp_path: Path) -> None:
    first = ingest_into(raw, tmp_path / "root")
    before = generations(first)
    rewrite(raw, "\r\n2024-01-01T05:00:00Z,", "\r\nyesterday,")
    extra = walk(grid("2024-01-01T00:00", "2024-01-05T00:00"), 5.0, seed=8)
    write_candles(raw, "bybit", "XRPUSDT", "spot", extra)
    second = again(first)
    assert second.series(*SPOT).status == "blocked"
    assert second.series("spot_candles_1h", "bybit", "XRPUSDT").status == "published"
    assert generations(second) == before
    assert second.frame(*SPOT).equals(first.frame(*SPOT))
    (error,) = second.report.errors
    assert (error.rule, error.row, error.column) == ("bad_stamp", 7, "timestamp")
    assert error.remedy


def test_folders_do_not_matter_and_names_may_carry_dates(raw: Path, tmp_path: Path) -> None:
    source = next(raw.rglob("bybit_SOLUSDT_spot_1h.csv"))
    other = tmp_path / "other" / "any" / "where"
    other.mkdir(parents=True)
    shutil.copy(source, other / "bybit_SOLUSDT_spot_1h_2024-01-01_2025-09-26.csv")
    world = ingest_into(tmp_path / "other", tmp_path / "root")
    assert world.series(*SPOT).counts.kept == 60 * 24
    assert set(world.frame(*SPOT)["source_file"]) == {"any/where/bybit_SOLUSDT_spot_1h_2024-01-01_2025-09-26.csv"}


def test_every_row_names_the_line_it_comes_from(replica: tuple[World, Truth]) -> None:
    world, _truth = replica
    frame = world.frame("perp_candles_1h", "binance", "BTCUSDT").query("quality == 'observed'").iloc[::97]
    for row in frame.itertuples():
        line = (world.raw / row.source_file).read_text().splitlines()[row.source_row - 1]
        assert line.startswith(pd.Timestamp(row.timestamp).strftime("%Y-%m-%dT%H:%M:%SZ"))
        assert float(line.split(",")[4]) == row.close
    oracle = world.frame("oracle_prices", "aave_v3", "weETH_ETH").iloc[5]
    line = (world.raw / oracle["source_file"]).read_text().splitlines()[oracle["source_row"] - 1]
    assert float(line.split(",")[1]) == oracle["price"]


def test_counts_of_a_month_add_up_and_name_their_sources(replica: tuple[World, Truth]) -> None:
    world, _truth = replica
    for dataset in world.store.datasets():
        for venue, symbol, months in world.store.series(dataset):
            for month in months:
                body = world.store.body(dataset, venue, symbol, month)
                counts = body.counts
                removed = sum(counts.dropped.values()) + sum(counts.quarantined.values())
                added = sum(counts.filled.values()) + sum(counts.proxied.values())
                assert counts.read - removed + added == counts.kept
                assert body.coverage.rows <= counts.kept
                assert body.sources
                for source in body.sources:
                    content = (world.raw / source.path).read_bytes()
                    assert (hashlib.sha256(content).hexdigest(), len(content)) == (source.sha256, source.size)


def test_published_tables_have_the_declared_schema(replica: tuple[World, Truth]) -> None:
    world, _truth = replica
    assert set(world.store.datasets()) == set(DATASETS) - {"margin_requirements", "ml_signals"}
    for name in world.store.datasets():
        venue, symbol, months = world.store.series(name)[0]
        publication = world.store.publications(name).find(f"venue={venue}/symbol={symbol}/month={months[0]}")
        assert publication is not None
        table = world.store.publications(name).read(publication, name)
        declared = arrow_schema(DATASETS[name])
        assert table.schema.names == declared.names
        assert [str(field.type) for field in table.schema] == [str(field.type) for field in declared]
        key = table.select(list(DATASETS[name].key)).to_pandas()
        assert not key.duplicated().any()
        assert key["timestamp"].is_monotonic_increasing


def test_progress_is_told_for_files_and_series(raw: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    ingest(DataRoot(tmp_path / "root"), raw, config_dir=CONFIGS, progress=lambda *step: told.append(step))
    assert told[:2] == [("scan", 1, 2), ("scan", 2, 2)]
    assert told[2:] == [(f"spot_candles_1h {venue} SOLUSDT", n, 2) for n, venue in ((1, "binance"), (2, "bybit"))]


def test_two_ingestions_do_not_run_at_once(raw: Path, tmp_path: Path) -> None:
    with (
        exclusive_lock(tmp_path / "root" / "ingest.lock", purpose="ingestion"),
        pytest.raises(StorageError, match="already"),
    ):
        ingest_into(raw, tmp_path / "root")


def test_a_root_takes_one_source_only(raw: Path, tmp_path: Path) -> None:
    ingest_into(raw, tmp_path / "root")
    (tmp_path / "second").mkdir()
    with pytest.raises(ConfigError, match="cannot take"):
        ingest_into(tmp_path / "second", tmp_path / "root")


def test_a_missing_raw_folder_is_an_error_and_claims_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        ingest_into(tmp_path / "nowhere", tmp_path / "root")
    assert DataRoot(tmp_path / "root").info is None


def test_the_summary_adds_series_up(replica: tuple[World, Truth]) -> None:
    world, _truth = replica
    perps = next(line for line in world.report.summary() if line.dataset == "perp_candles_1h")
    assert (perps.series, perps.filled, perps.dropped, perps.blocked) == (5, 46, 2, 0)
    assert perps.rows == 4 * 1008 + 960


def test_a_deleted_manifest_is_published_again(raw: Path, tmp_path: Path) -> None:
    first = ingest_into(raw, tmp_path / "root")
    (
        first.root.validated
        / "_manifests"
        / "spot_candles_1h"
        / "venue=bybit"
        / "symbol=SOLUSDT"
        / "month=2024-01.json"
    ).unlink()
    assert again(first).series(*SPOT).published == ("2024-01",)


def test_a_file_that_is_no_longer_recognised_withdraws_nothing(raw: Path, tmp_path: Path) -> None:
    first = ingest_into(raw, tmp_path / "root")
    rewrite(raw, "timestamp,open", "time,open")
    second = again(first)
    assert second.series(*SPOT).status == "blocked"
    assert second.series(*SPOT).findings[0].rule == "files_unusable"
    assert generations(second) == generations(first)
    assert {error.rule for error in second.report.errors} == {"files_unusable", "wrong_columns"}


def test_a_placeholder_does_not_take_the_place_of_what_was_published(raw: Path, tmp_path: Path) -> None:
    first = ingest_into(raw, tmp_path / "root")
    before = first.frame(*SPOT)
    flat = walk(grid("2024-01-01T00:00", "2024-01-31T23:00"), 1.0, seed=1).assign(
        open=1.0, high=1.0, low=1.0, close=1.0
    )
    write_candles(raw, "bybit", "SOLUSDT", "spot", flat)
    second = again(first)
    assert second.file("bybit_SOLUSDT_spot_1h.csv").status == "rejected"
    assert second.series(*SPOT).status == "unchanged"
    assert second.frame(*SPOT).equals(before)


def test_changed_corrections_look_at_every_file_again(raw: Path, tmp_path: Path) -> None:
    configs = tmp_path / "configs"
    shutil.copytree(CONFIGS / "data", configs / "data")
    root = DataRoot(tmp_path / "root")
    ingest(root, raw, config_dir=configs)
    general = configs / "data" / "general.yaml"
    general.write_text(general.read_text().replace("large_range: 0.20", "large_range: 0.0001"))
    report = ingest(root, raw, config_dir=configs)
    assert {file.status for file in report.files} == {"read"}
    assert {series.status for series in report.series} == {"unchanged"}
    assert "large_move" in {finding.rule for _key, finding in report.findings()}


def test_keys_of_series_are_readable() -> None:
    assert str(SeriesKey(*SPOT)) == "spot_candles_1h bybit SOLUSDT"
