from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from basis_pipeline.domain.errors import DataError, StorageError
from basis_pipeline.domain.timeline import HOUR, month_start
from basis_pipeline.market_data.manifests import Coverage, Interval, MonthBody, RowCounts, merge_coverage
from basis_pipeline.market_data.validated import ValidatedStore, month_path

JANUARY, FEBRUARY, MARCH = (month_start(f"2024-0{n}") for n in (1, 2, 3))


def publish(base: Path, month: str, stamps: list[int], *, venue: str = "binance", bump: float = 0.0) -> str:
    table = pa.table(
        {
            "timestamp": pa.array(stamps, pa.timestamp("us")),
            "open": pa.array([float(stamp // HOUR) + bump for stamp in stamps]),
            "close": pa.array([1.0] * len(stamps)),
            "quality": pa.array(["observed"] * len(stamps)).dictionary_encode(),
        }
    )
    coverage = Coverage(stamps[0], stamps[-1], len(stamps), (stamps[-1] - stamps[0]) // HOUR + 1)
    body = MonthBody("spot_candles_1h", venue, "BTCUSDT", month, coverage, RowCounts(read=len(stamps)), ())
    store = ValidatedStore(base).publications("spot_candles_1h")
    return store.publish(month_path(venue, "BTCUSDT", month), {"spot_candles_1h": table}, body.to_builtins()).generation


@pytest.fixture
def store(tmp_path: Path) -> ValidatedStore:
    publish(tmp_path, "2024-01", [JANUARY + n * HOUR for n in range(744)])
    publish(tmp_path, "2024-02", [FEBRUARY + n * HOUR for n in range(2, 696)])
    return ValidatedStore(tmp_path)


def test_series_lists_venue_symbol_and_months_in_order(store: ValidatedStore) -> None:
    publish(store.base, "2024-01", [JANUARY], venue="aaa")
    assert store.series("spot_candles_1h") == [
        ("aaa", "BTCUSDT", ("2024-01",)),
        ("binance", "BTCUSDT", ("2024-01", "2024-02")),
    ]
    assert store.datasets() == ["spot_candles_1h"]
    assert store.series("nothing") == []


def test_read_is_half_open_and_crosses_months(store: ValidatedStore) -> None:
    table = store.read("spot_candles_1h", "binance", "BTCUSDT", FEBRUARY - 2 * HOUR, FEBRUARY + 4 * HOUR, ["open"])
    assert table.column_names == ["timestamp", "open"]
    hours = [-2, -1, 2, 3]
    assert table.column("timestamp").to_pylist() == [
        datetime.fromtimestamp((FEBRUARY + n * HOUR) / 1e6, UTC).replace(tzinfo=None) for n in hours
    ]
    assert table.column("open").to_pylist() == [FEBRUARY // HOUR + n for n in hours]


def test_read_outside_the_months_gives_no_rows_and_keeps_the_schema(store: ValidatedStore) -> None:
    table = store.read("spot_candles_1h", "binance", "BTCUSDT", MARCH, MARCH + HOUR)
    assert table.num_rows == 0
    assert table.column_names == ["timestamp", "open", "close", "quality"]


def test_an_unknown_series_or_column_is_an_error_that_names_it(store: ValidatedStore) -> None:
    with pytest.raises(DataError, match="no validated spot_candles_1h of okx BTCUSDT"):
        store.read("spot_candles_1h", "okx", "BTCUSDT", JANUARY, MARCH)
    with pytest.raises(DataError, match="has no column bid"):
        store.read("spot_candles_1h", "binance", "BTCUSDT", JANUARY, MARCH, ["bid"])


def test_a_pinned_generation_that_was_replaced_is_refused(store: ValidatedStore) -> None:
    pinned = store.generations("spot_candles_1h", "binance", "BTCUSDT", ["2024-01", "2024-02", "2024-03"])
    assert sorted(pinned) == ["2024-01", "2024-02"]
    store.read("spot_candles_1h", "binance", "BTCUSDT", JANUARY, MARCH, pinned=pinned)
    publish(store.base, "2024-02", [FEBRUARY], bump=0.5)
    store.read("spot_candles_1h", "binance", "BTCUSDT", JANUARY, FEBRUARY, pinned=pinned)
    with pytest.raises(StorageError, match="month=2024-02"):
        store.read("spot_candles_1h", "binance", "BTCUSDT", JANUARY, MARCH, pinned=pinned)


def test_files_without_a_manifest_are_not_seen(store: ValidatedStore) -> None:
    orphan = store.base / "spot_candles_1h" / month_path("binance", "BTCUSDT", "2024-01") / "feed.parquet"
    orphan.write_bytes(b"not even parquet")
    assert store.read("spot_candles_1h", "binance", "BTCUSDT", JANUARY, FEBRUARY).num_rows == 744


def test_coverage_counts_the_hole_at_the_seam_of_two_months(store: ValidatedStore) -> None:
    coverage = store.coverage("spot_candles_1h", "binance", "BTCUSDT", step=HOUR)
    assert coverage.expected == 744 + 696
    assert coverage.rows == 744 + 694
    assert coverage.missing == (Interval(FEBRUARY, FEBRUARY + HOUR, 2),)
    assert coverage.missing_steps == 2


def test_merging_coverage_without_a_step_claims_nothing_about_holes() -> None:
    merged = merge_coverage([Coverage(0, 10, 3), Coverage(50, 60, 2)], None)
    assert merged == Coverage(0, 60, 5)
