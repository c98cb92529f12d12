"""Stops of a directional book by hand: levels, gaps, what comes first (G9, H9)."""

from __future__ import annotations

import pytest

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.records import Category
from basis_pipeline_tests.builders import Moment, Run, at, wired
from basis_pipeline_tests.scenarios.directional import (
    CASH,
    ENTRY,
    FULL,
    LINEAR_MODE,
    LONG,
    PERP,
    SHORT,
    bar,
    closes,
    free,
)


@pytest.mark.parametrize(
    ("signal", "after", "closed"),
    [
        (LONG, bar(50_000, 49_000, 50_500, 49_500), ("stop_loss", 49_000.0)),
        (LONG, bar(50_000, 49_000.01, 50_999.99, 49_500), None),
        (LONG, bar(48_000, 47_000, 48_500, 48_200), ("stop_loss", 48_000.0)),
        (LONG, bar(50_000, 49_900, 51_000, 50_800), ("take_profit", 51_000.0)),
        (LONG, bar(52_000, 51_500, 52_500, 52_100), ("take_profit", 52_000.0)),
        (LONG, bar(50_000, 48_900, 51_100, 50_000), ("stop_loss", 49_000.0)),
        (SHORT, bar(50_000, 49_500, 51_000, 50_500), ("stop_loss", 51_000.0)),
        (SHORT, bar(52_000, 51_800, 52_500, 52_000), ("stop_loss", 52_000.0)),
        (SHORT, bar(50_000, 49_000, 50_100, 49_500), ("take_profit", 49_000.0)),
        (SHORT, bar(48_500, 48_000, 48_600, 48_200), ("take_profit", 48_500.0)),
    ],
    ids=[
        "long touches its stop", "long misses both by a cent", "long gaps below its stop", "long takes profit",
        "long gaps above its target", "both in one bar is a stop", "short touches its stop",
        "short gaps above its stop", "short takes profit", "short gaps below its target",
    ],
)  # fmt: skip
def test_a_bar_closes_a_position_at_its_level_or_at_the_gap(
    signal: tuple[str, float, float], after: Moment, closed: tuple[str, float] | None
) -> None:
    """One step earns quantity x (close - 50,000); 100,000 USDT at 50,000 are 2 BTC."""
    run = Run(free(), [at(ENTRY, signal=signal), after]).go()
    side = 1.0 if signal is LONG else -1.0
    if closed is None:
        assert not closes(run)
        assert run.quantity(PERP) == 2.0 * side
        return
    assert closes(run) == [closed]
    assert run.quantity(PERP) == 0.0
    assert run.quantity(CASH) == pytest.approx(100_000.0 + 2.0 * side * (closed[1] - 50_000.0), abs=1e-9)
    assert run.step_pnl(Category.DELTA) == pytest.approx(2.0 * side * (closed[1] - 50_000.0), abs=1e-9)
    assert run.step_pnl(Category.RESIDUAL) == pytest.approx(0.0, abs=1e-9)


def test_a_hole_in_the_data_fills_a_stop_at_the_first_price_after_it() -> None:
    """No bar ended: opened, low and high are the mark, which the frame says; not the level, which was never traded."""
    run = Run(free(), [ENTRY, Moment(prices={"BTC": 45_000.0})]).go()
    assert closes(run) == [("stop_loss", 45_000.0)]


def test_the_levels_are_those_of_the_entry() -> None:
    """New signals with another standard deviation and a price that has moved change neither level."""
    wider = Moment(prices={"BTC": 50_500.0}, signal=("long", 0.95, 0.05))
    run = Run(free(), [ENTRY, wider, bar(50_500, 49_000, 50_600, 49_300)]).go()
    assert closes(run) == [("stop_loss", 49_000.0)]


def test_the_standard_deviation_is_held_between_floor_and_cap() -> None:
    capped = free(sd_cap_bp=50)
    run = Run(capped, [ENTRY, bar(50_000, 49_500, 50_100, 49_600)]).go()
    assert closes(run) == [("stop_loss", 49_500.0)], "2 x 0.5% below 50,000"
    floored = Run(free(), [at(ENTRY, signal=("long", 0.9, 0.0)), bar(50_000, 49_899, 50_050, 49_950)]).go()
    assert closes(floored) == [("stop_loss", 49_900.0)], "2 x 10 bp below 50,000"


def test_a_stop_is_a_taker_with_slippage_and_fee() -> None:
    """Shipped: 5 bp fee, slippage 4 bp at 100,000 USD. Long 1.999 BTC entered with 3 + log10(99,950 / 10,000) bp."""
    shipped = wired(LINEAR_MODE, FULL | {"initial_capital": 100_000})
    run = Run(shipped, [ENTRY, bar(50_000, 40_000, 50_100, 45_000)]).go()
    slip = run.engine.settings.rules_of("binance").trades[run.slot(PERP)].slippage
    entry = 50_000.0 * (1.0 + slip.fraction(2.0 * 50_000.0))
    level = entry * 0.98
    fill = level * (1.0 - slip.fraction(2.0 * level))
    fees = 5e-4 * 2.0 * (entry + fill)
    assert run.quantity(PERP) == 0.0
    assert run.quantity(CASH) == pytest.approx(100_000.0 + 2.0 * (fill - entry) - fees, abs=1e-8)
    slippage = 2.0 * (entry - 50_000.0 + level - fill)
    assert run.cumulative[Category.TRANSACTION_COSTS] == pytest.approx(-fees - slippage, abs=1e-8)
    assert run.cumulative[Category.DELTA] == pytest.approx(2.0 * (level - 50_000.0), abs=1e-8)
    assert run.cumulative[Category.RESIDUAL] == pytest.approx(0.0, abs=1e-9)


def test_liquidation_comes_before_the_stop() -> None:
    """3x: 6 BTC on 100,000 are liquidated at (300,000 - 100,000) / (6 x 0.95); the same bar has passed the stop."""
    run = Run(free(max_position_size=3.0), [ENTRY, bar(50_000, 30_000, 50_000, 31_000)]).go()
    assert not closes(run)
    (liquidated,) = [
        e.delta for e in run.engine.log.deltas if e.delta.source is DeltaSource.LIQUIDATION and e.delta.price
    ]
    assert liquidated.price == pytest.approx(200_000.0 / 5.7, rel=1e-12)


def test_funding_is_settled_on_what_the_bar_left() -> None:
    stopped = Run(free(), [ENTRY, bar(50_000, 48_000, 50_000, 48_500, funding={"binance": 1e-3})]).go()
    assert DeltaSource.FUNDING not in {entry.delta.source for entry in stopped.engine.log.deltas}
    held = Run(free(), [ENTRY, bar(50_000, 49_500, 50_000, 49_600, funding={"binance": 1e-3})]).go()
    assert held.step_pnl(Category.FUNDING) == pytest.approx(-2.0 * 49_600.0 * 1e-3, abs=1e-9)
