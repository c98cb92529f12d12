"""The week of 5 August 2024 (BTC fell by a sixth within a day) on the real candles, lived live and in a backtest.

Bounds are the costs the two lives are known to differ by, from the raw files and the fee schedule, not from the code.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline.domain.timeline import parse_moment
from basis_pipeline.results.live_differences.differences import FEES, SLIPPAGE, TRANSFERS, Execution, LiveDifferences
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.storage.data_root import DataRoot
from basis_pipeline_tests.builders import CONFIGS
from basis_pipeline_tests.live.week import compare

pytestmark = [pytest.mark.real_data, pytest.mark.slow]
FIRST, LAST, CRASH = "2024-08-01T00:00:00Z", "2024-08-07T23:00:00Z", "2024-08-05T00:00:00Z"
FAKE_SLIPPAGE, SPOT_FEE, PERP_FEE = 2e-4, 1e-3, 5e-4


@pytest.fixture(scope="module")
def validated(real_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = DataRoot(tmp_path_factory.mktemp("real"))
    ingest(root, real_raw, config_dir=CONFIGS)
    return root.validated


@pytest.fixture(scope="module")
def made(validated: Path) -> LiveDifferences:
    return compare(validated, start=parse_moment(FIRST, name="start"))


@pytest.fixture(scope="module")
def opens(real_raw: Path) -> dict[str, float]:
    """The raw spot candles: price at the beginning of each hour."""
    with (real_raw / "cex/spot/binance_BTCUSDT_spot_1h.csv").open() as lines:
        return {line["timestamp"]: float(line["open"]) for line in csv.DictReader(lines)}


def live(made: LiveDifferences) -> Iterator[Execution]:
    return (ours for ours, _ in made.pairs if ours is not None)


def worth(order: Execution) -> float:
    return order.filled * (order.price or 0.0)


def test_the_week_has_a_crash_funding_and_trades_after_the_entry(
    made: LiveDifferences, opens: dict[str, float], real_raw: Path
) -> None:
    week = [price for stamp, price in opens.items() if FIRST <= stamp <= LAST]
    assert min(week) < 0.8 * max(week)
    assert made.counts()[0] > 2
    with (real_raw / "cex/funding/binance_BTCUSDT_funding_8h.csv").open() as lines:
        rates = [
            float(line["funding_rate"]) for line in csv.DictReader(lines) if FIRST < line["funding_timestamp"] <= LAST
        ]
    assert len(rates) == 20
    short = next(order.filled for order in live(made) if "Perp" in order.position_key)
    assert made.item("funding_pnl").live == pytest.approx(sum(rates) * short * 60_000.0, rel=0.15)


def test_fees_and_slippage_are_those_of_the_schedule(made: LiveDifferences) -> None:
    spot = sum(worth(order) for order in live(made) if "Perp" not in order.position_key)
    perp = sum(worth(order) for order in live(made) if "Perp" in order.position_key)
    assert -made.item(FEES).live == pytest.approx(spot * SPOT_FEE + perp * PERP_FEE, abs=0.01)
    assert -made.item(SLIPPAGE).live == pytest.approx((spot + perp) * FAKE_SLIPPAGE, rel=2e-3)


def test_the_two_lives_end_within_the_costs_that_differ(made: LiveDifferences, opens: dict[str, float]) -> None:
    """Fees in bitcoin leave the book short of them: what is missing of the spot gained as the price fell."""
    costs = sum(made.item(name).difference for name in (FEES, SLIPPAGE, TRANSFERS))
    kept = sum(
        SPOT_FEE * order.filled * ((order.price or 0.0) - opens[LAST])
        for order in live(made)
        if "Perp" not in order.position_key and order.side == "buy"
    )
    lot = 0.001 * (max(price for stamp, price in opens.items() if FIRST <= stamp <= LAST) - opens[LAST])
    assert made.difference == pytest.approx(costs + kept, abs=lot)
    assert abs(made.unnamed) < 1e-9
    assert made.item("funding_pnl").difference == pytest.approx(0.0, abs=0.05)
    assert made.item("unexplained").live == 0.0
    assert made.widest_bp < 1e4 * (abs(costs) + abs(kept) + lot) / 100_000.0 + 1.0


def test_ticks_between_the_candles_see_the_last_open_and_change_nothing(validated: Path) -> None:
    """Twelve ticks an hour through the day of the crash: a price between two candles is the last one known."""
    day = parse_moment(CRASH, name="start")
    hourly = compare(validated, start=day, days=1)
    often = compare(validated, start=day, days=1, interval=300.0)
    orders = [(order.decided, order.position_key, order.filled, order.price) for order in live(hourly)]
    assert [(o.decided, o.position_key, o.filled, o.price) for o in live(often)] == orders
    assert float(often.live[-1]) == pytest.approx(float(hourly.live[-1]), abs=0.01)
