"""Files as other vendors write them: read where there is one way to read them, told where there is none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from basis_pipeline.domain.errors import DataError
from basis_pipeline.domain.timeline import month_start
from basis_pipeline.market_data.corrections import load_corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.scanning import scan
from basis_pipeline_tests.market_data.defects_other_data import (
    MONTH,
    PRICES,
    market,
)
from basis_pipeline_tests.market_data.test_bad_input import CANDLE_HEADER, CSV, SOL, candles, ingested, only_error
from basis_pipeline_tests.market_data.vendor_files import (
    grid,
    walk,
    write_candles,
    write_feather,
    write_funding,
    write_text,
)
from basis_pipeline_tests.market_data.world import CONFIGS, World, ingest_into


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (lambda text: text.replace(",", ";"), "semicolons"),
        (lambda text: text.replace(",", "\t"), "tabs"),
        (lambda text: text.encode("utf-16-le").decode("latin-1"), "UTF-16"),
    ],
)
def test_columns_that_no_comma_separates_are_told_as_such(
    tmp_path: Path, head: Callable[[str], str], words: str
) -> None:
    error = only_error(ingested(tmp_path, CSV, head("\n".join(candles())).encode("latin-1")))
    assert (error.rule, error.file) == ("wrong_columns", CSV)
    assert words in error.message
    assert "commas between columns" in error.remedy


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
@pytest.mark.parametrize("point", ["", ".0"])
def test_epochs_in_any_unit_are_the_times_they_count(tmp_path: Path, unit: int, point: str) -> None:
    world = _with_stamps(tmp_path, [f"{stamp // 1_000_000 * unit}{point}" for stamp in _hours()])
    assert world.report.errors == ()
    assert world.frame(*SOL)["timestamp"].iloc[0] == pd.Timestamp("2024-01-01")
    assert len(world.frame(*SOL)) == 72


def test_epochs_of_several_units_in_one_column_are_no_times(tmp_path: Path) -> None:
    stamps = [str(stamp // 1_000_000) for stamp in _hours()]
    error = only_error(ingested(tmp_path, CSV, _lines([*stamps[:10], stamps[10] + "000", *stamps[11:]])))
    assert (error.rule, error.file, error.row) == ("bad_stamp", CSV, 2)


def test_a_file_from_the_newest_row_to_the_oldest_is_as_good_as_its_reverse(tmp_path: Path) -> None:
    header, *rows = candles()
    forward = ingest_into(write_text(tmp_path / "a" / CSV, [header, *rows]).parent, tmp_path / "one")
    backward = ingest_into(write_text(tmp_path / "b" / CSV, [header, *rows[::-1]]).parent, tmp_path / "two")
    assert backward.report.errors == ()
    columns = ["timestamp", *PRICES, "volume"]
    pd.testing.assert_frame_equal(backward.frame(*SOL)[columns], forward.frame(*SOL)[columns])


@pytest.mark.parametrize(
    ("change", "into", "says"),
    [
        (",bybit,SOLUSDT,spot", ",bybit,SOLUSDT,futures", "says 'futures' where the file name says bybit spot"),
        (",bybit,SOLUSDT", ",binance_spot,SOLUSDT", "says 'binance_spot' where the file name says bybit spot"),
    ],
)
def test_a_file_under_the_name_of_another_gives_itself_away(tmp_path: Path, change: str, into: str, says: str) -> None:
    error = only_error(ingested(tmp_path, CSV, [line.replace(change, into) for line in candles()]))
    assert (error.rule, error.file, error.row) == ("wrong_content", CSV, 2)
    assert says in error.message


def test_funding_of_another_venue_gives_itself_away(tmp_path: Path) -> None:
    rows = [(f"2024-01-01T{hour:02d}:00:00Z", 1e-4) for hour in (0, 8, 16)]
    path = write_funding(tmp_path / "raw", "binance", "SOLUSDT", rows)
    path.rename(path.with_name("bybit_SOLUSDT_funding_8h.csv"))
    assert only_error(ingest_into(path.parent, tmp_path / "root")).column == "source"


def test_a_column_that_is_there_twice_is_nobodys(tmp_path: Path) -> None:
    lines = [CANDLE_HEADER + ",close", *(line + ",1.0" for line in candles()[1:])]
    error = only_error(ingested(tmp_path, CSV, lines))
    assert (error.rule, error.column) == ("wrong_columns", "close")


@pytest.mark.parametrize(
    "name", [CSV + ".gz", CSV[:-4] + ".zip", CSV[:-4] + ".CSV", CSV[:-4] + ".txt", "Bybit_SOL-USDT_spot_1h.csv"]
)
def test_a_file_that_is_nearly_a_known_one_is_an_error_and_not_a_remark(tmp_path: Path, name: str) -> None:
    error = only_error(ingested(tmp_path, name, b"whatever"))
    assert (error.rule, error.file) == ("unrecognised_file", name)
    assert "CEX candles" in error.message
    assert ".csv" in error.remedy


def test_a_symbol_in_lower_case_is_the_same_symbol(tmp_path: Path) -> None:
    frame = walk(grid("2024-01-01T00:00", "2024-01-03T23:00"), 100.0, seed=3)
    world = ingest_into(write_feather(tmp_path / "raw" / "bybit_solusdt_mark_1h.feather", frame).parent, tmp_path / "r")
    assert [one.symbol for one in world.store.series("mark_candles_1h")] == ["SOLUSDT"]


def test_links_are_followed_and_links_to_nothing_are_told(tmp_path: Path) -> None:
    raw, elsewhere = tmp_path / "raw", tmp_path / "elsewhere"
    write_text(elsewhere / CSV, candles())
    raw.mkdir()
    (raw / "cex").symlink_to(elsewhere)
    (elsewhere / "round").symlink_to(raw)
    (raw / "bybit_XRPUSDT_spot_1h.csv").symlink_to(tmp_path / "gone.csv")
    os.mkfifo(raw / "bybit_ADAUSDT_spot_1h.csv")
    world = ingest_into(raw, tmp_path / "root")
    assert world.series(*SOL).status == "published"
    told = {error.file: error.message for error in world.report.errors}
    assert told == {
        "bybit_XRPUSDT_spot_1h.csv": "is a link to nothing.",
        "bybit_ADAUSDT_spot_1h.csv": "is no regular file.",
    }


@contextmanager
def without_rights() -> Iterator[None]:
    """Root may read everything, so somebody else looks."""
    me = os.geteuid()
    os.seteuid(NOBODY if me == 0 else me)
    try:
        yield
    finally:
        os.seteuid(me)


NOBODY = 65_534


def test_what_may_not_be_read_or_listed_is_told() -> None:
    corrections = load_corrections(CONFIGS)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        path = write_text(raw / "cex" / CSV, candles())
        Path(folder).chmod(0o755)
        path.chmod(0)
        with without_rights():
            found = scan(raw, corrections, lambda *_: None)
        (finding,) = found.reports[0].findings
        assert (finding.rule, finding.file) == ("unreadable_file", f"cex/{CSV}")
        assert "cannot be read (Permission denied)" in finding.message
        assert found.blocked == {SeriesKey(*SOL)}
        path.parent.chmod(0)
        with (
            without_rights(),
            pytest.raises(DataError, match=r"cex cannot be listed: Permission denied\. Remedy: allow"),
        ):
            scan(raw, corrections, lambda *_: None)
        path.parent.chmod(0o755)


def test_months_of_a_file_that_cannot_be_read_any_more_stay(tmp_path: Path) -> None:
    path = write_text(tmp_path / "raw" / CSV, candles())
    ingest_into(path.parent, tmp_path / "root")
    path.unlink()
    path.symlink_to(tmp_path / "unmounted" / CSV)
    world = ingest_into(path.parent, tmp_path / "root")
    assert (world.series(*SOL).status, world.store.months(*SOL)) == ("blocked", ("2024-01",))


def test_a_series_of_which_nothing_is_left_is_blocked_at_its_first_row(tmp_path: Path) -> None:
    frame = market().assign(timestamp=MONTH + 1_800_000_000)
    world = ingest_into(write_candles(tmp_path / "raw", "bybit", "SOLUSDT", "spot", frame).parent, tmp_path / "root")
    error = only_error(world)
    assert (error.rule, error.file, error.row, error.count) == ("nothing_left", CSV, 2, 720)
    assert "set aside by off_grid" in error.message
    assert world.series(*SOL).status == "blocked"


def test_gas_in_wei_or_in_ether_is_no_gas(tmp_path: Path) -> None:
    header = "timestamp,block_timestamp,gas_price_gwei,base_fee_gwei,priority_fee_p50_gwei"
    for number, factor in enumerate((1e9, 1e-9)):
        price = 20.0 * factor
        rows = [
            f"2024-01-01T{hour:02d}:00:00Z,{month_start('2024-01') // 1_000_000 + hour * 3600},{price},{price},{price}"
            for hour in range(24)
        ]
        raw = write_text(tmp_path / str(number) / "ethereum_gas_prices_1h.csv", [header, *rows]).parent
        error = only_error(ingest_into(raw, tmp_path / f"root{number}"))
        assert (error.rule, error.column, error.row) == ("schema", "gas_price_gwei", 2)


def _hours() -> list[int]:
    return [int(stamp) for stamp in grid("2024-01-01T00:00", "2024-01-03T23:00")]


def _lines(stamps: list[str]) -> list[str]:
    header, *rows = candles()
    return [header, *(f"{stamp},{row.partition(',')[2]}" for stamp, row in zip(stamps, rows, strict=True))]


def _with_stamps(folder: Path, stamps: list[str]) -> World:
    return ingest_into(write_text(folder / "raw" / CSV, _lines(stamps)).parent, folder / "root")
