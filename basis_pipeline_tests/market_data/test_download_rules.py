"""Downloaded rows beside rows of somebody's files: the venue's own word counts, its files need no correction."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from basis_pipeline_tests.market_data.vendor_files import grid, iso, walk, write_candles, write_text
from basis_pipeline_tests.market_data.world import ingest_into, stamps

HEADER = "funding_timestamp,funding_rate,symbol"


def funding(path: Path, rows: dict[str, float]) -> None:
    write_text(path, [HEADER, *(f"{stamp},{rate!r},BTCUSDT" for stamp, rate in rows.items())])


def test_a_declared_shift_of_labels_is_not_applied_to_downloads(tmp_path: Path) -> None:
    """Labels of OKX's files are 8 h late; those of a download are the settlement. Both tell of 2025-06-20 here."""
    raw = tmp_path / "raw"
    true = {
        iso(int(t)): 1e-5 * (n + 1)
        for n, t in enumerate(grid("2025-06-20T00:00", "2025-06-21T16:00", 8 * 3_600_000_000))
    }
    labels = [iso(int(t)) for t in grid("2025-06-20T08:00", "2025-06-22T00:00", 8 * 3_600_000_000)]
    wrong_last = [*list(true.values())[:-1], 9e-4]
    funding(raw / "okx_BTCUSDT_funding_8h.csv", dict(zip(labels, wrong_last, strict=True)))
    funding(raw / "downloads" / "okx" / "okx_BTCUSDT_funding_8h_2025-06.csv", true)
    world = ingest_into(raw, tmp_path / "root")
    frame = world.frame("funding_rates", "okx", "BTCUSDT")
    assert dict(zip(map(iso, stamps(frame).tolist()), frame["funding_rate"], strict=True)) == true
    assert set(frame["source_file"]) == {"downloads/okx/okx_BTCUSDT_funding_8h_2025-06.csv"}
    found = world.finding("outranked_by_download", "funding_rates", "okx", "BTCUSDT")
    assert (found.severity, found.count) == ("WARN", 1)
    assert "2025-06-21T16:00:00Z" in found.message


def test_files_go_on_where_downloads_have_nothing(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    bars = walk(grid("2025-01-01T00:00", "2025-02-28T23:00"), 100.0, seed=5)
    january, february = bars[:744], bars[744:]
    write_candles(raw, "bybit", "SOLUSDT", "spot", january)
    write_candles(raw / "downloads", "bybit", "SOLUSDT", "spot", february)
    frame = ingest_into(raw, tmp_path / "root").frame("spot_candles_1h", "bybit", "SOLUSDT")
    np.testing.assert_array_equal(stamps(frame), bars["timestamp"])
    np.testing.assert_array_equal(frame["close"], bars["close"])
    assert frame["source_file"].str.startswith("downloads/").tolist() == [False] * 744 + [True] * 672


def test_volumes_of_downloads_are_coins_already(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    bars = walk(grid("2025-01-01T00:00", "2025-01-02T23:00"), 100.0, seed=6)
    write_candles(raw, "okx", "BTCUSDT", "perp", bars[:24])
    write_candles(raw / "downloads", "okx", "BTCUSDT", "perp", bars[24:])
    frame = ingest_into(raw, tmp_path / "root").frame("perp_candles_1h", "okx", "BTCUSDT")
    volume = bars["volume"].to_numpy()
    np.testing.assert_array_equal(frame["volume"], np.concatenate([volume[:24] * 0.01, volume[24:]]))
