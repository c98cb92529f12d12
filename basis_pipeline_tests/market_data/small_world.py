"""A raw folder of one coin at two venues with nothing wrong with it, and ways to change it."""

from __future__ import annotations

from pathlib import Path

from basis_pipeline_tests.market_data.vendor_files import grid, scaled, walk, write_candles
from basis_pipeline_tests.market_data.world import World, ingest_into

SPOT = ("spot_candles_1h", "bybit", "SOLUSDT")


def write_small_folder(raw: Path) -> Path:
    """Two months of hourly spot bars."""
    frame = walk(grid("2024-01-01T00:00", "2024-02-29T23:00"), 100.0, seed=3)
    write_candles(raw, "bybit", "SOLUSDT", "spot", frame)
    write_candles(raw, "binance", "SOLUSDT", "spot", scaled(frame, 1.0001))
    return raw


def again(world: World) -> World:
    """Ingest the same folder into the same root once more."""
    return ingest_into(world.raw, world.root.path)


def rewrite(raw: Path, change: str, into: str) -> None:
    """Replace the first occurrence of a text in the file of `SPOT`."""
    path = next(raw.rglob("bybit_SOLUSDT_spot_1h.csv"))
    text = path.read_bytes().decode()
    assert change in text
    path.write_bytes(text.replace(change, into, 1).encode())


def generations(world: World) -> dict[str, str]:
    """Published generations of `SPOT` by month."""
    return world.store.generations(*SPOT, world.store.months(*SPOT))
