"""The engine agrees with a plain loop that shares no code with it, and with published figures of the workload."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

from basis_pipeline_tests.reference.workload import (
    ClosesFeed,
    Outcome,
    Series,
    new_engine,
    plain_loop,
    run_engine,
    wire,
)

_RELATIVE = 1e-9


def synthetic_series(steps: int, seed: int) -> Series:
    """A random walk with a wandering premium and funding of both signs every eight steps."""
    generator = np.random.default_rng(seed)
    spot = 40_000.0 * np.exp(np.cumsum(generator.normal(0.0, 0.006, steps)))
    perp = spot * (1.0 + generator.normal(2e-4, 3e-4, steps))
    funding = np.where(np.arange(steps) % 8 == 0, generator.normal(1e-4, 1e-4, steps), 0.0)
    return Series(spot.tolist(), perp.tolist(), funding.tolist())


def _compare(actual: Outcome, expected: Outcome) -> None:
    assert actual.rebalances == expected.rebalances
    assert actual.funding == pytest.approx(expected.funding, rel=_RELATIVE)
    assert actual.fees == pytest.approx(expected.fees, rel=_RELATIVE)
    np.testing.assert_allclose(actual.equity, expected.equity, rtol=_RELATIVE)


def _run(series: Series) -> Outcome:
    wired = wire()
    feed = ClosesFeed(series, wired)
    return run_engine(new_engine(wired, feed), feed.timestamps)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_engine_follows_the_plain_loop_on_random_paths(seed: int) -> None:
    series = synthetic_series(3_000, seed)
    expected = plain_loop(series)
    assert expected.rebalances > 20, "a path without rebalances would prove little"
    _compare(_run(series), expected)


@pytest.mark.real_data
def test_engine_reproduces_the_published_reference_figures(real_raw: Path) -> None:
    """Binance BTC closes joined on the hour; funding that falls in a gap settles on the next row."""
    series = _joined_closes(real_raw)
    assert len(series.spot) == 12_829
    outcome = _run(series)
    _compare(outcome, plain_loop(series))
    assert outcome.rebalances == 567
    assert outcome.funding == pytest.approx(7_278.213334, abs=1e-6)
    assert outcome.fees == pytest.approx(1_111.146888, abs=1e-6)
    assert outcome.equity[-1] == pytest.approx(106_220.611495, abs=1e-6)


def _joined_closes(raw: Path) -> Series:
    """Read the raw files with DuckDB, beside the package's own readers."""
    candles = "select timestamp::timestamptz as stamp, close from read_csv('{}', header=true)"
    spot = candles.format(raw / "cex/spot/binance_BTCUSDT_spot_1h.csv")
    perp = candles.format(raw / "cex/perp/binance_BTCUSDT_perp_1h.csv")
    stamp = "funding_timestamp::timestamptz"
    funding = raw / "cex/funding/binance_BTCUSDT_funding_8h.csv"
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        rows = connection.execute(
            f"select s.stamp, s.close, p.close from ({spot}) s join ({perp}) p using (stamp) order by 1"
        ).fetchall()
        settlements = connection.execute(
            f"select date_trunc('second', {stamp} + interval '500 milliseconds'), funding_rate "
            f"from read_csv('{funding}', header=true) order by 1"
        ).fetchall()
    ends = np.array([_epoch(opened + timedelta(hours=1)) for opened, _, _ in rows])
    rates = np.zeros(len(rows))
    for settled, rate in settlements:
        step = int(np.searchsorted(ends, _epoch(settled)))
        if step < len(rates):
            rates[step] += rate
    return Series([row[1] for row in rows], [row[2] for row in rows], rates.tolist())


def _epoch(stamp: datetime) -> float:
    return stamp.astimezone(UTC).timestamp()
