"""Every gate on market data finds its defect once, and nothing is found that is not registered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from basis_pipeline.domain.timeline import DAY
from basis_pipeline.market_data.checks.bars import five_minutes_against_hours, still_bars
from basis_pipeline.market_data.checks.chain import (
    daily_against_hourly_rates,
    index_growth,
    index_monotony,
    ratio_growth,
    ratio_monotony,
)
from basis_pipeline.market_data.checks.coverage import filled_share
from basis_pipeline.market_data.checks.labels import label_correlation
from basis_pipeline.market_data.checks.tables import benchmarks_against_each_other
from basis_pipeline.market_data.checks.venues import contradicted_opens, large_moves
from basis_pipeline.market_data.datasets import DATASETS
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.gates import DATA_GATES
from basis_pipeline.market_data.rules.candles import contracts_to_coins
from basis_pipeline.market_data.series import Series
from basis_pipeline_tests.market_data.defects_other_data import OTHER_DATA
from basis_pipeline_tests.market_data.replica import Truth
from basis_pipeline_tests.market_data.small_world import again, rewrite, write_small_folder
from basis_pipeline_tests.market_data.test_bad_input import CANDLE_HEADER, CSV, candles, edited, ingested
from basis_pipeline_tests.market_data.test_checks import context, moved, series
from basis_pipeline_tests.market_data.vendor_files import (
    grid,
    iso,
    micros,
    scaled,
    walk,
    write_candles,
    write_funding,
    write_text,
)
from basis_pipeline_tests.market_data.world import World, ingest_into

_DAY = grid("2024-01-01T00:00", "2024-01-02T00:00")
_DAYS = micros("2024-01-01") + np.arange(10) * DAY
Found = Iterable[Finding]


def _of(world: World) -> Found:
    return [finding for _, finding in world.report.findings()]


def _file(name: str, content: bytes | list[str]) -> Callable[[Path], Found]:
    return lambda folder: _of(ingested(folder, name, content))


def _rows(lines: list[str]) -> Callable[[Path], Found]:
    return lambda folder: _of(ingest_into(write_text(folder / "raw" / CSV, lines).parent, folder / "root"))


def _swapped() -> list[str]:
    lines = candles()
    return [*lines[:10], lines[11], lines[10], *lines[12:]]


def _prices() -> list[str]:
    """A price column alone, which no dataset takes."""
    frame = walk(_DAY, 2.5, seed=1)
    return ["timestamp,price", *(f"{iso(row.timestamp)},{row.close}" for row in frame.itertuples())]


def _contradicting() -> list[str]:
    lines = candles()
    return [*lines[:31], lines[30].replace(",bybit", "9,bybit"), *lines[31:]]


def _without_lows(bars: int) -> list[str]:
    cells = [line.split(",") for line in candles()]
    return [",".join([*row[:3], "-5", *row[4:]] if 20 <= at < 20 + bars else row) for at, row in enumerate(cells)]


def _checksums(folder: Path) -> Found:
    good = write_text(folder / "raw" / CSV, candles())
    digest = hashlib.sha256(good.read_bytes()).hexdigest()
    write_text(folder / "raw" / "SHA256SUMS", [f"{'0' * 64}  ./{CSV}", f"{digest}  ./gone.csv"], "\n")
    return _of(ingest_into(folder / "raw", folder / "root"))


def _absurd_rate(folder: Path) -> Found:
    rows = [(f"2025-05-01T{hour:02d}:00:00Z", rate) for hour, rate in ((0, 1e-4), (8, 9.0), (16, 1e-4))]
    return _of(ingest_into(write_funding(folder / "raw", "bybit", "SOLUSDT", rows).parent, folder / "root"))


def _second_time(change: str, into: str) -> Callable[[Path], Found]:
    def plant(folder: Path) -> Found:
        raw = write_small_folder(folder / "raw")
        first = ingest_into(raw, folder / "root")
        rewrite(raw, change, into)
        return _of(again(first))

    return plant


def _taken_back(folder: Path) -> Found:
    raw = write_small_folder(folder / "raw")
    first = ingest_into(raw, folder / "root")
    path = next(raw.rglob("bybit_SOLUSDT_spot_1h.csv"))
    path.write_bytes(b"\r\n".join([*path.read_bytes().split(b"\r\n")[: 1 + 31 * 24], b""]))
    return _of(again(first))


def _donor(folder: Path) -> Found:
    frame = walk(grid("2024-01-01T00:00", "2024-01-31T23:00"), 100.0, seed=3)
    write_candles(folder / "raw", "bybit", "SOLUSDT", "spot", frame)
    write_candles(folder / "raw", "binance", "SOLUSDT", "spot", frame.drop(index=[100, 101]))
    rewrite(folder / "raw", "\r\n2024-01-01T05:00:00Z,", "\r\nyesterday,")
    return _of(ingest_into(folder / "raw", folder / "root"))


def _drops(folder: Path) -> Found:
    header = "start_date,end_date,payout_date,event,reward_token,reward_per_eeth"
    return _of(ingested(folder, "seasonal_drops.csv", [header, "2024-01-01,2024-02-01,2024-02-05,S1,ETHFI,plenty"]))


def _tick(price: float, *, contradicted: bool) -> Callable[[Path], Found]:
    def plant(_: Path) -> Found:
        frame = walk(_DAY, 100.0, seed=1)
        spoilt = frame.copy()
        spoilt.loc[10, ["high", "close"]] = [price, price]
        own = series("spot_candles_1h", "binance", "ETHUSDT", spoilt)
        peers = (series("perp_candles_1h", "bybit", "ETHUSDT", frame),) if contradicted else ()
        return large_moves(own, context(own, *peers))

    return plant


def _shifted(_: Path) -> Found:
    truth = walk(micros("2024-01-01") + np.arange(500, dtype=np.int64) * (_DAY[1] - _DAY[0]), 100.0, seed=1)
    own = series("spot_candles_1h", "binance", "BTCUSDT", moved(truth, 1))
    return label_correlation(own, context(own, series("spot_candles_1h", "bybit", "BTCUSDT", scaled(truth, 1.001))))


def _falling(dataset: str, symbol: str, check: Callable[..., Found]) -> Callable[[Path], Found]:
    values = 1.0 + np.arange(10) * 1e-4
    values[6] = 0.9
    columns = {"liquidity_index": values, "variable_borrow_index": 1.0, "price": values, "interpolated": False}
    frame = pd.DataFrame({"timestamp": _DAYS, **columns})
    return lambda _: check(series(dataset, "aave_v3", symbol, frame), context())


def _percent(_: Path) -> Found:
    rates = pd.DataFrame({"timestamp": _DAYS, "liquidity_rate": 0.05, "variable_borrow_rate": 0.07})
    hourly = series("aave_rates_1h", "aave_v3", "USDT", rates.assign(liquidity_rate=5.0))
    return daily_against_hourly_rates(series("aave_reserves_1d", "aave_v3", "USDT", rates), context(hourly))


def _jumping(dataset: str, symbol: str, check: Callable[..., Found]) -> Callable[[Path], Found]:
    values = 1.0 + np.arange(10) * 1e-4
    values[6:] *= 1.002
    columns = {"liquidity_index": values, "variable_borrow_index": 1.0, "price": values, "interpolated": False}
    frame = pd.DataFrame({"timestamp": _DAYS, **columns, "liquidity_rate": 0.0365, "variable_borrow_rate": 0.04})
    return lambda _: check(series(dataset, "aave_v3", symbol, frame), context())


def _opening(_: Path) -> Found:
    frame = walk(_DAY, 100.0, seed=1)
    frame.loc[10, ["open", "high"]] *= 1.09
    return contradicted_opens(series("spot_candles_1h", "binance", "ETHUSDT", frame), context())


def _rates(size: float) -> list[tuple[str, float]]:
    days = (f"2025-05-{day:02d}T{hour:02d}:00:00Z" for day in range(1, 11) for hour in (0, 8, 16))
    return [(stamp, size * (1 + at % 3)) for at, stamp in enumerate(days)]


def _percent_of_funding(folder: Path) -> Found:
    write_funding(folder / "raw", "bybit", "SOLUSDT", _rates(5e-3))
    return _of(ingest_into(write_funding(folder / "raw", "binance", "SOLUSDT", _rates(5e-5)).parent, folder / "root"))


def _every_four_hours(folder: Path) -> Found:
    rows = sorted([*_rates(1e-4), *((at.replace("T08", "T04"), rate) for at, rate in _rates(1e-4)[-5:] if "T08" in at)])
    return _of(ingest_into(write_funding(folder / "raw", "bybit", "SOLUSDT", rows).parent, folder / "root"))


def _filled(_: Path) -> Found:
    own = series("spot_candles_1h", "binance", "BTCUSDT", walk(_DAY, 100.0, seed=1))
    return filled_share(Series(own.key, own.frame.assign(quality="filled")), context())


def _still(_: Path) -> Found:
    frame = walk(_DAY, 100.0, seed=1)
    frame.loc[3:4, ["open", "high", "low", "close", "volume"]] = [7.0, 7.0, 7.0, 7.0, 0.0]
    return still_bars(series("spot_candles_1h", "binance", "ETHUSDT", frame), context())


def _hours(_: Path) -> Found:
    five = walk(grid("2024-01-01T00:00", "2024-01-01T00:55", 5 * 60_000_000), 100.0, seed=1)
    hour = five.iloc[:1].assign(
        high=five["high"].max(), low=five["low"].min(), close=five["close"].iloc[-1], volume=1.0
    )
    hourly = series("perp_candles_1h", "binance", "BTCUSDT", hour)
    return five_minutes_against_hours(series("perp_candles_5m", "binance", "BTCUSDT", five), context(hourly))


def _contracts(_: Path) -> Found:
    own = series("perp_candles_1h", "okx", "BTCUSDT", walk(_DAY, 100.0, seed=1))
    return contracts_to_coins(own, {"ETHUSDT": 0.1}).findings


def _benchmarks(_: Path) -> Found:
    frame = pd.DataFrame({"timestamp": _DAYS, "apy": 0.05, "apr": 0.049})
    own = series("benchmark_yields", "ethena", "sUSDE", frame)
    return benchmarks_against_each_other(
        own, context(own, series("benchmark_yields", "x", "sUSDE", frame * [1, 1.1, 1]))
    )


GALLERY: dict[str, Callable[[Path], Found]] = {
    "unrecognised_file": _file("what_is_this.csv", ["a,b", "1,2"]),
    "wrong_columns": _file(CSV, [CANDLE_HEADER.replace("close", "last"), *candles()[1:]]),
    "wrong_content": _file(CSV, [line.replace("SOLUSDT", "ADAUSDT") for line in candles()]),
    "empty_file": _file(CSV, b""),
    "unreadable_file": _file(CSV, edited(row=20, column=1, value="n/a?")),
    "bad_stamp": _file(CSV, edited(row=20, column=0, value="yesterday")),
    "unused_layout": _file("binance_EIGENUSDT_1h.csv", _prices()),
    "time_order": _file(CSV, _swapped()),
    "bad_range": _drops,
    "checksum": _checksums,
    "missing_file": _checksums,
    "schema": _absurd_rate,
    "files_unusable": _second_time("timestamp,open", "time,open"),
    "rows_lost": _taken_back,
    "donor_broken": _donor,
    "conflicting_rows": _rows(_contradicting()),
    "off_grid": _rows([line.replace("T05:00:00Z", "T05:07:00Z") for line in candles()]),
    "no_price": _rows(edited(row=20, column=3, value="")),
    "ohlc_inconsistent": _rows(edited(row=30, column=2, value="0.5")),
    "implausible_bars": _rows(_without_lows(13)),
    "contradicted_move": _tick(1_000.0, contradicted=True),
    "unconfirmed_move": _tick(130.0, contradicted=False),
    "label_correlation": _shifted,
    "contradicted_open": _opening,
    "funding_scale": _percent_of_funding,
    "off_interval": _every_four_hours,
    "index_growth": _jumping("aave_reserves_1d", "USDT", index_growth),
    "ratio_growth": _jumping("oracle_prices", "weETH_ETH", ratio_growth),
    "index_monotony": _falling("aave_reserves_1d", "USDT", index_monotony),
    "ratio_monotony": _falling("oracle_prices", "weETH_ETH", ratio_monotony),
    "daily_hourly_rate": _percent,
    "filled_share": _filled,
    "still_bars": _still,
    "hours_differ_in_volume": _hours,
    "contract_size_unknown": _contracts,
    "benchmark_difference": _benchmarks,
    **OTHER_DATA,
}
"""Defects that the replica of the vendors' folder does not have, by the gate that has to find them."""

_SEVERITY = {gate.name: gate.severity.upper() for gate in DATA_GATES}


@pytest.mark.parametrize("name", sorted(GALLERY))
def test_a_planted_defect_is_found(name: str, tmp_path: Path) -> None:
    found = {(finding.rule, finding.severity) for finding in GALLERY[name](tmp_path)}
    assert (name, _SEVERITY[name]) in found
    assert {rule for rule, severity in found if severity != "INFO"} <= set(_SEVERITY)


def test_the_gallery_and_the_replica_cover_the_whole_registry(replica: tuple[World, Truth]) -> None:
    in_replica = {(finding.rule, finding.severity) for finding in _of(replica[0]) if finding.severity != "INFO"}
    assert {name for name, _ in in_replica} | set(GALLERY) == set(_SEVERITY)
    assert all(_SEVERITY[name] == severity for name, severity in in_replica)
    assert len(_SEVERITY) == len(DATA_GATES)


def test_every_gate_is_declared_in_full_and_for_datasets_that_exist() -> None:
    for gate in DATA_GATES:
        assert all((gate.title, gate.protects_from, gate.computed, gate.threshold, gate.datasets)), gate.name
        assert set(gate.datasets) <= {"*", *DATASETS}, gate.name
