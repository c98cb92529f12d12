"""Bad files: one clear finding each, that names file, place and remedy. Never ignored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from basis_pipeline.market_data.findings import Finding
from basis_pipeline_tests.market_data.vendor_files import (
    CANDLE_HEADER,
    grid,
    micros,
    walk,
    write_candles,
    write_feather,
    write_funding,
    write_text,
)
from basis_pipeline_tests.market_data.world import World, ingest_into

CSV = "bybit_SOLUSDT_spot_1h.csv"
FEATHER = "bybit_SOLUSDT_mark_1h.feather"
PARQUET = "aave_v3_usdt_eth_hourly.parquet"


def candles() -> list[str]:
    frame = walk(grid("2024-01-01T00:00", "2024-01-03T23:00"), 100.0, seed=3)
    lines = [CANDLE_HEADER]
    for row in frame.itertuples():
        stamp = f"2024-01-{1 + row.Index // 24:02d}T{row.Index % 24:02d}:00:00Z"
        lines.append(f"{stamp},{row.open},{row.high},{row.low},{row.close},{row.volume},bybit,SOLUSDT,spot")
    return lines


def ingested(tmp_path: Path, name: str, content: bytes | list[str]) -> World:
    """A folder with one bad file and a good one beside it."""
    raw = tmp_path / "raw"
    raw.mkdir()
    write_candles(raw, "bybit", "XRPUSDT", "spot", walk(grid("2024-01-01T00:00", "2024-01-02T00:00"), 5.0, seed=1))
    if isinstance(content, bytes):
        (raw / name).write_bytes(content)
    else:
        write_text(raw / name, content)
    world = ingest_into(raw, tmp_path / "root")
    assert world.series("spot_candles_1h", "bybit", "XRPUSDT").status == "published"
    assert [s.symbol for s in world.store.series("spot_candles_1h")] == ["XRPUSDT"]
    return world


def only_error(world: World) -> Finding:
    (error,) = world.report.errors
    assert error.remedy
    assert str(error).startswith("ERROR")
    return error


def edited(row: int, column: int, value: str) -> list[str]:
    lines = candles()
    cells = lines[row - 1].split(",")
    cells[column] = value
    lines[row - 1] = ",".join(cells)
    return lines


SOL = ("spot_candles_1h", "bybit", "SOLUSDT")


@pytest.mark.parametrize("value", ["", "NaN", "0.0", "-3.5", "inf"])
def test_a_bar_whose_price_is_none_is_set_aside_and_found_at_its_line(tmp_path: Path, value: str) -> None:
    raw = write_text(tmp_path / "raw" / CSV, edited(row=20, column=3, value=value)).parent
    world = ingest_into(raw, tmp_path / "root")
    found = world.finding("no_price", *SOL)
    assert (found.severity, found.file, found.row, found.column) == ("WARN", CSV, 20, "low")
    aside = world.quarantined(*SOL)
    assert (aside["reason"].tolist(), aside["source_row"].tolist()) == (["no_price"], [20])
    assert world.series(*SOL).status == "published"
    assert world.series(*SOL).counts.kept == len(candles()) - 2
    assert world.report.errors == ()


def test_more_impossible_bars_than_declared_block_the_series_at_the_first_of_them(tmp_path: Path) -> None:
    def broken(rows: int) -> list[str]:
        cells = [line.split(",") for line in candles()]
        for at in range(19, 19 + rows):
            cells[at][3] = "-5"
        return [",".join(row) for row in cells]

    few = ingest_into(write_text(tmp_path / "few" / CSV, broken(12)).parent, tmp_path / "few_root")
    assert few.series(*SOL).counts.quarantined == {"no_price": 12}
    many = ingested(tmp_path, CSV, broken(13))
    error = only_error(many)
    assert (error.rule, error.file, error.row, error.column, error.count) == ("implausible_bars", CSV, 20, "low", 13)
    assert "implausible_bars_per_month" in error.remedy
    assert many.series(*SOL).status == "blocked"


def test_a_price_that_is_no_number_is_found_at_its_line(tmp_path: Path) -> None:
    world = ingested(tmp_path, CSV, edited(row=20, column=1, value="n/a?"))
    error = only_error(world)
    assert (error.rule, error.file, error.row) == ("unreadable_file", CSV, 20)
    assert "n/a?" in error.message
    assert world.series(*SOL).status == "blocked"


def test_time_that_runs_backwards_is_found_at_its_line(tmp_path: Path) -> None:
    lines = candles()
    lines[10], lines[11] = lines[11], lines[10]
    error = only_error(ingested(tmp_path, CSV, lines))
    assert (error.rule, error.file, error.row, error.column) == ("time_order", CSV, 12, "timestamp")


def test_epoch_milliseconds_are_no_seconds(tmp_path: Path) -> None:
    header = "timestamp,date_utc,open,high,low,close,volume,pool_address,dex,fee_tier,base_token,quote_token,source"
    row = f"{micros('2024-01-01') // 1000},2024-01-01T00:00:00+00:00Z,1,1,1,1,1,0x0,d,f,SOL,USDT,s"
    error = only_error(ingested(tmp_path, "uniswapv3_SOLUSDT_1h.csv", [header, row]))
    assert (error.rule, error.row, error.column) == ("bad_stamp", 2, "timestamp")


def test_a_file_cut_off_in_a_row_is_found_at_that_row(tmp_path: Path) -> None:
    text = "\r\n".join(candles())
    error = only_error(ingested(tmp_path, CSV, text[: text.rindex(",bybit")].encode()))
    assert (error.rule, error.file, error.row) == ("unreadable_file", CSV, 73)


def test_a_file_cut_off_in_its_last_value_is_told(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    path = write_text(raw / CSV, candles())
    path.write_bytes(path.read_bytes()[:-4])
    world = ingest_into(raw, tmp_path / "root")
    assert [(f.severity, f.rule) for f in world.file(CSV).findings] == [("INFO", "no_final_newline")]


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_cut_off_binary_file_is_found(tmp_path: Path, keep: float) -> None:
    whole = write_feather(tmp_path / FEATHER, walk(grid("2024-01-01T00:00", "2024-03-03T23:00"), 100.0, seed=3))
    content = whole.read_bytes()
    world = ingested(tmp_path, FEATHER, content[: int(len(content) * keep)])
    error = only_error(world)
    assert error.rule == ("empty_file" if keep == 0.0 else "unreadable_file")
    assert (error.file, world.file(FEATHER).status) == (FEATHER, "failed")


def test_a_parquet_file_of_other_bytes_is_found(tmp_path: Path) -> None:
    pq.write_table(pa.table({"timestamp": [1.0] * 1000}), tmp_path / "whole.parquet")
    content = bytearray((tmp_path / "whole.parquet").read_bytes())
    content[-60:-8] = bytes(52)
    assert only_error(ingested(tmp_path, PARQUET, bytes(content))).rule == "unreadable_file"


def test_a_binary_file_with_text_for_prices_is_found(tmp_path: Path) -> None:
    date = pa.array([micros("2024-01-01") * 1000], pa.int64()).cast(pa.timestamp("ns", "UTC"))
    columns = {name: pa.array(["much"]) for name in ("open", "high", "low", "close", "volume")}
    feather.write_feather(pa.table({"date": date, **columns}), tmp_path / FEATHER)
    assert only_error(ingested(tmp_path, FEATHER, (tmp_path / FEATHER).read_bytes())).rule == "unreadable_file"


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        (CSV, b"", "empty_file"),
        (CSV, [CANDLE_HEADER], "empty_file"),
        (CSV, [CANDLE_HEADER.replace("close", "last"), *candles()[1:]], "wrong_columns"),
        (CSV, b"\xff\xfe\x00broken", "unreadable_file"),
        (CSV, [line.replace("SOLUSDT", "ADAUSDT") for line in candles()], "wrong_content"),
        ("okx_margin_requirements.json", b'{"initial_margin_requirement": 0.1,', "unreadable_file"),
        (
            "okx_margin_requirements.json",
            b'{"initial_margin_requirement": 0.1, "maintenance_margin_requirement": "much"}',
            "wrong_content",
        ),
        ("what_is_this.csv", ["a,b", "1,2"], "unrecognised_file"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_found(
    tmp_path: Path, name: str, content: bytes | list[str], rule: str
) -> None:
    world = ingested(tmp_path, name, content)
    error = only_error(world)
    assert (error.rule, error.file) == (rule, name)
    assert world.file(name).status == ("unrecognised" if rule == "unrecognised_file" else "failed")
    assert name in world.file(name).reason


def test_wrong_columns_name_the_missing_one(tmp_path: Path) -> None:
    lines = [CANDLE_HEADER.replace("close", "last"), *candles()[1:]]
    error = only_error(ingested(tmp_path, CSV, lines))
    assert error.column == "close"
    assert "it has timestamp, open, high, low, last" in error.message


def test_a_checksum_that_differs_bars_the_file(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    good = write_text(raw / CSV, candles())
    other = write_text(raw / "bybit_XRPUSDT_spot_1h.csv", [line.replace("SOLUSDT", "XRPUSDT") for line in candles()])
    digest = hashlib.sha256(good.read_bytes()).hexdigest()
    write_text(raw / "SHA256SUMS", [f"{'0' * 64}  ./{other.name}", f"{digest}  ./{CSV}", f"{digest}  ./gone.csv"], "\n")
    world = ingest_into(raw, tmp_path / "root")
    assert (only_error(world).rule, only_error(world).file) == ("checksum", other.name)
    assert [found.symbol for found in world.store.series("spot_candles_1h")] == ["SOLUSDT"]
    assert [finding.rule for finding in world.file("SHA256SUMS").findings] == ["documentation", "missing_file"]


def test_documentation_and_hidden_files_are_ignored_by_name(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for name in ("README.md", ".DS_Store", "notes.txt"):
        write_text(raw / name, ["words"])
    report = ingest_into(raw, tmp_path / "root").report
    assert {file.path: file.status for file in report.files} == {
        "README.md": "ignored",
        ".DS_Store": "ignored",
        "notes.txt": "unrecognised",
    }
    assert report.errors == ()
    assert [finding.file for finding in report.warnings] == ["notes.txt"]


def test_rows_that_contradict_each_other_are_all_set_aside(tmp_path: Path) -> None:
    lines = candles()
    lines.insert(30, lines[30].replace(",bybit", "9,bybit"))
    world = ingest_into(write_text(tmp_path / "raw" / CSV, lines).parent, tmp_path / "root")
    key = ("spot_candles_1h", "bybit", "SOLUSDT")
    assert world.series(*key).counts.quarantined == {"conflicting_rows": 2}
    assert world.finding("conflicting_rows", *key).remedy
    assert world.finding("coverage", *key).count == 1


def test_bars_that_cannot_be_are_set_aside(tmp_path: Path) -> None:
    lines = edited(row=30, column=2, value="0.5")
    world = ingest_into(write_text(tmp_path / "raw" / CSV, lines).parent, tmp_path / "root")
    aside = world.quarantined("spot_candles_1h", "bybit", "SOLUSDT")
    assert aside["reason"].tolist() == ["ohlc_inconsistent"]
    assert aside["source_row"].tolist() == [30]


def test_rows_off_the_grid_are_set_aside(tmp_path: Path) -> None:
    lines = [line.replace("T05:00:00Z", "T05:07:00Z") for line in candles()]
    world = ingest_into(write_text(tmp_path / "raw" / CSV, lines).parent, tmp_path / "root")
    assert world.series("spot_candles_1h", "bybit", "SOLUSDT").counts.quarantined == {"off_grid": 3}


def test_a_series_that_is_one_ramp_is_no_market(tmp_path: Path) -> None:
    hours = grid("2024-01-01T00:00", "2024-01-02T00:00")
    flat = walk(hours, 1.0, seed=1).assign(open=1.0, high=1.0, low=1.0, close=1.0)
    world = ingest_into(write_candles(tmp_path / "raw", "bybit", "SOLUSDT", "spot", flat).parent, tmp_path / "root")
    assert world.file("spot_1h.csv").status == "rejected"
    assert world.report.errors == ()
    assert world.store.series("spot_candles_1h") == []


@pytest.mark.parametrize("values", [(9.0, 9.0), (-4.0e-4, -5.0e-4), (2.0e-5, 3.0e-5)])
def test_funding_that_no_rule_decides_is_not_used(tmp_path: Path, values: tuple[float, float]) -> None:
    stamps = [f"2025-05-{day:02d}T{hour:02d}:00:00Z" for day in range(1, 5) for hour in (0, 8, 16)]
    rows = [(stamp, 1e-5 + n * 1e-7) for n, stamp in enumerate(stamps)]
    rows[4:5] = [(stamps[4], value) for value in values]
    world = ingest_into(write_funding(tmp_path / "raw", "okx", "SOLUSDT", rows).parent, tmp_path / "root")
    if values == (9.0, 9.0):
        # The same row twice is one row, and 900% per settlement is no rate.
        assert (only_error(world).rule, only_error(world).column) == ("schema", "funding_rate")
        return
    counts = world.series("funding_rates", "okx", "SOLUSDT").counts
    assert (counts.dropped, counts.quarantined) == ({}, {"conflicting_rows": 2})


def _percent(raw: Path) -> Path:
    hours = grid("2024-01-01T00:00", "2024-01-02T00:00").tolist()
    header = "targetDate,symbol,liquidityIndex,currentLiquidityRate,variableBorrowIndex,currentVariableBorrowRate"
    rows = [f"2024-01-{n + 1:02d},USDT,1.01,8.16,1.02,9.9,1,1,1" for n in range(len(hours) // 24)]
    return write_text(
        raw / "aave_v3_ethereum_USDT_rates_1d.csv", [f"{header},totalAToken,totalVariableDebt,price", *rows]
    )


def _ray(raw: Path) -> Path:
    header = "targetDate,symbol,liquidityIndex,currentLiquidityRate,variableBorrowIndex,currentVariableBorrowRate"
    row = "2024-01-01,USDT,1.01e27,0.08,1.02e27,0.09,1,1,1"
    return write_text(
        raw / "aave_v3_ethereum_USDT_rates_1d.csv", [f"{header},totalAToken,totalVariableDebt,price", row]
    )


@pytest.mark.parametrize(
    ("write", "columns"),
    [
        (_percent, {"liquidity_rate", "variable_borrow_rate"}),
        (_ray, {"liquidity_index", "variable_borrow_index"}),
    ],
)
def test_values_in_another_unit_break_the_declared_bounds(
    tmp_path: Path, write: Callable[[Path], Path], columns: set[str]
) -> None:
    world = ingest_into(write(tmp_path / "raw").parent, tmp_path / "root")
    assert {error.column for error in world.report.errors} == columns
    assert {error.rule for error in world.report.errors} == {"schema"}
