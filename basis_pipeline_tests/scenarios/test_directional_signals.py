"""What a directional book does about its signals: entries, flips, silence, drift, size (G9, G10)."""

from __future__ import annotations

from typing import Any

import pytest

from basis_pipeline.results.build import build_tables
from basis_pipeline_tests.builders import Moment, Run, at, frictionless, wired
from basis_pipeline_tests.scenarios.directional import (
    CASH,
    ENTRY,
    FLAT,
    FULL,
    HOLD,
    INVERSE_MODE,
    LINEAR_MODE,
    LONG,
    PERP,
    SHORT,
    bar,
    closes,
    flowing,
    follow,
    free,
)


def test_the_side_follows_the_signal() -> None:
    run = follow(LONG, LONG, SHORT, SHORT, FLAT, FLAT)
    assert [run.orders_at(step) for step in range(6)] == [
        [f"perp_trade 2 {PERP} buy"],
        [],
        [f"perp_trade 4 {PERP} sell"],
        [],
        [f"perp_trade 2 {PERP} buy"],
        [],
    ]
    assert [str(order.action) for order in run.orders] == ["entry_full", "entry_full", "exit_full"]


def test_a_flip_has_the_levels_of_its_new_side() -> None:
    run = Run(free(), [ENTRY, at(ENTRY, signal=SHORT), bar(50_000, 49_900, 51_000, 50_500)]).go()
    assert closes(run) == [("stop_loss", 51_000.0)]


def test_a_stop_is_not_undone_by_the_signal_that_led_to_it() -> None:
    """Stopped at 49,000 the book waits while the signal still says long, and enters when it has said otherwise."""
    stopped = bar(50_000, 48_900, 50_000, 49_000, signal=LONG)
    after = [at(stopped, low={}, signal=signal) for signal in (LONG, ("long", 0.3, 0.01), LONG)]
    run = Run(free(), [ENTRY, stopped, *after]).go()
    assert closes(run) == [("stop_loss", 49_000.0)]
    assert [len(run.orders_at(step)) for step in range(5)] == [1, 0, 0, 0, 1]
    turned = Run(free(), [ENTRY, stopped, at(stopped, low={}, signal=SHORT)]).go()
    assert len(turned.orders_at(2)) == 1, "the other side is another signal"


@pytest.mark.parametrize("otherwise", [FLAT, ("short", 0.9, 0.01, 0.3)], ids=["flat", "short, drifted"])
def test_what_a_signal_has_closed_the_next_signal_may_enter_again(otherwise: tuple[Any, ...]) -> None:
    run = follow(LONG, otherwise, LONG)
    assert [len(run.orders_at(step)) for step in range(3)] == [1, 1, 1]


def test_silence_does_not_undo_a_stop() -> None:
    """A step without a signal has said nothing else: the side that was stopped stays spent."""
    stopped = bar(50_000, 48_900, 50_000, 49_000, signal=LONG)
    run = Run(free(), [ENTRY, stopped, *[at(stopped, low={}, signal=signal) for signal in (None, LONG)]]).go()
    assert [len(run.orders_at(step)) for step in range(4)] == [1, 0, 0, 0]


@pytest.mark.parametrize("mode", [LINEAR_MODE, INVERSE_MODE])
def test_a_position_is_held_no_longer_than_it_may(mode: str) -> None:
    """Entered at step 0 and closed three bars later; the same signal does not enter it again, nor does a stale one."""
    run = Run(free(mode, max_hold_bars=3), [ENTRY] * 6).go()
    assert [len(run.orders_at(step)) for step in range(6)] == [1, 0, 0, 1, 0, 0]
    assert str(run.orders[-1].action) == "exit_full"
    assert "held since 2024-01-01T00:00:00Z" in run.reasons[-1]
    flipped = Run(free(mode, max_hold_bars=3), [ENTRY, ENTRY, ENTRY, at(ENTRY, signal=SHORT), ENTRY, ENTRY]).go()
    assert [len(flipped.orders_at(step)) for step in range(6)] == [1, 0, 0, 1, 1, 0], "a flip is a new position"


def test_a_deposit_does_not_make_a_position_younger() -> None:
    mode = frictionless(LINEAR_MODE, FULL | {"strategy.max_hold_bars": 3, "flows": flowing(50_000.0)})
    run = Run(mode, [ENTRY] * 5).go()
    assert [str(order.action) for order in run.orders] == ["entry_full", "entry_partial", "exit_full"]
    assert run.orders_at(3) == [f"perp_trade 3 {PERP} sell"]


def test_a_refused_change_does_not_keep_a_position_from_being_closed() -> None:
    """A deposit too small to trade is declined, and a decline stands for a day; the exit does not wait for it."""
    mode = frictionless(LINEAR_MODE, FULL | {"flows": flowing(50.0)})
    run = Run(mode, [ENTRY, ENTRY, at(ENTRY, signal=FLAT)]).go()
    assert any("declined" in reason for reason in run.reasons)
    assert run.orders_at(2) == [f"perp_trade 2 {PERP} sell"]


DRIFTED = ("long", 0.9, 0.01, 0.3)
"""Shipped: from a stability index of 0.1 on it is reported, above 0.25 nothing is entered."""


def test_a_model_that_has_drifted_opens_nothing_and_its_flips_are_exits() -> None:
    run = Run(free(), [at(ENTRY, signal=DRIFTED)]).go()
    assert run.orders == []
    assert "suspended: the model no longer speaks as in training, stability index 0.300" in run.reasons[0]
    flip = Run(free(), [ENTRY, at(ENTRY, signal=("short", 0.9, 0.01, 0.3)), ENTRY]).go()
    assert flip.orders_at(1) == [f"perp_trade 2 {PERP} sell"]
    assert str(flip.orders[1].action) == "exit_full"
    kept = Run(free(), [ENTRY, at(ENTRY, signal=DRIFTED)]).go()
    assert kept.quantity(PERP) == 2.0


def test_what_the_model_says_is_risk_on_record_at_every_step() -> None:
    """2,000 bp are beyond the cap of 1,000; a step without a signal has no value."""
    signals = [("hold", 0.0, 0.01, 0.05), ("hold", 0.0, 0.2, 0.12), ("hold", 0.0, 0.01, 0.3), None]
    run = Run(free(), [at(ENTRY, signal=signal) for signal in signals]).go()
    table = build_tables(run.engine.log, run.engine.settings.universe, ["binance"], signals=True)["risk"]
    rows = {(row["dimension"], row["timestamp"].minute): row for row in table.to_pylist()}
    told = {name: [rows[name, 5 * step][what] for step in range(4)] for name in ("predicted_sd", "model_drift")
            for what in ("value",)}  # fmt: skip
    assert told == {"predicted_sd": [0.01, 0.2, 0.01, None], "model_drift": [0.05, 0.12, 0.3, None]}
    assert [rows["predicted_sd", 5 * step]["level"] for step in range(4)] == ["info", "warning", "info", "info"]
    assert [rows["model_drift", 5 * step]["level"] for step in range(4)] == ["info", "warning", "breach", "info"]


def test_the_levels_of_a_position_are_on_record_while_it_is_open() -> None:
    run = Run(free(), [ENTRY, bar(50_000, 49_900, 50_100, 50_000), bar(50_000, 48_000, 50_000, 48_500)]).go()
    table = build_tables(run.engine.log, run.engine.settings.universe, ["binance"])["positions"]
    levels = [(row["stop_loss"], row["take_profit"]) for row in table.to_pylist() if row["position_key"] == PERP]
    assert levels == [(49_000.0, 51_000.0), (49_000.0, 51_000.0), (None, None)]
    assert not any(row["stop_loss"] for row in table.to_pylist() if row["position_key"] == CASH)


@pytest.mark.parametrize("quiet", [None, HOLD, ("short", 0.6, 0.01), ("long", 0.3, 0.01)])
def test_no_news_keeps_what_is_held(quiet: tuple[str, float, float] | None) -> None:
    """Confidence has to exceed the threshold of 0.6."""
    run = follow(LONG, quiet)
    assert run.orders_at(1) == []
    assert run.quantity(PERP) == 2.0


@pytest.mark.parametrize("signal", [None, HOLD, FLAT, ("long", 0.6, 0.01)])
def test_a_flat_start_has_its_capital_in_place_and_no_order(signal: tuple[str, float, float] | None) -> None:
    run = follow(signal)
    assert run.orders == []
    assert run.quantity(CASH) == 100_000.0


def test_a_position_is_opened_only_if_it_can_expect_to_pay_for_itself() -> None:
    """Round trip: 2 x (5 bp + 4 bp). Expected: (2 c - 1) x 2 sd, 16 bp for c = 0.9, sd = 10 bp; 32 bp for 20 bp."""
    shipped = wired(LINEAR_MODE, FULL | {"strategy.minimum_edge": 1.0})
    assert Run(shipped, [at(ENTRY, signal=("long", 0.9, 0.0010))]).go().orders == []
    assert len(Run(shipped, [at(ENTRY, signal=("long", 0.9, 0.0020))]).go().orders) == 1


def test_the_size_can_follow_the_predicted_volatility() -> None:
    """0.4% of equity at 1% sd is a size of 0.4: 40,000 USDT."""
    assert follow(LONG, target_sd=0.004).quantity(PERP) == 0.8
    assert follow(LONG, target_sd=0.04).quantity(PERP) == 2.0, "never more than max_position_size"


def test_the_drawdown_stop_closes_the_position_and_halts() -> None:
    mode = frictionless(
        LINEAR_MODE, FULL | {"max_drawdown": 0.1, "strategy.sd_cap_bp": 4_000, "strategy.stop_loss_sd": 2}
    )
    wide = ("long", 0.9, 0.2)
    falling = [at(ENTRY, signal=wide), Moment(prices={"BTC": 44_000.0}, signal=wide), at(ENTRY, signal=wide)]
    run = Run(mode, falling).go()
    assert run.orders_at(1) == [f"perp_trade 2 {PERP} sell"]
    assert run.orders_at(2) == [], "halted, although the signal says long"
    assert run.engine.strategy_manager.state.halted == "drawdown"
