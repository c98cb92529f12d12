"""A directional book by hand: entries, stops with gaps, flips, flows, and both kinds of contract (G9, G10, H9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.records import Category
from basis_pipeline.domain.state import EngineState
from basis_pipeline.results.build import build_tables
from basis_pipeline_tests.builders import START, Moment, Run, at, frictionless, wired

CASH, PERP = "binance:BaseToken:USDT", "binance:Perp:BTCUSDT"
COINS, INVERSE = "binance:BaseToken:BTC", "binance:Perp:BTCUSD"
LINEAR_MODE, INVERSE_MODE = "ml_btc_directional_usdt_margin", "ml_btc_directional_btc_margin"
FULL = {"strategy.target_sd": None, "strategy.minimum_edge": 0.0, "max_drawdown": 1.0}
"""Full size whatever the standard deviation, entries whatever their edge, no stop of the whole book."""

LONG, SHORT, FLAT, HOLD = ("long", 0.9, 0.01), ("short", 0.9, 0.01), ("neutral", 0.9, 0.01), ("hold", 0.0, 0.0)
ENTRY = Moment(prices={"BTC": 50_000.0}, signal=LONG)
"""2 sd of 1%: a long entered at 50,000 stops at 49,000 and takes profit at 51,000."""


def free(mode: str = LINEAR_MODE, **overrides: Any) -> WiredMode:
    return frictionless(mode, FULL | {f"strategy.{name}": value for name, value in overrides.items()})


def bar(opened: float, low: float, high: float, now: float, key: str = PERP, **rest: Any) -> Moment:
    """The step after a bar from `opened` through `low` and `high`; the next one opens at `now`."""
    return Moment(prices={"BTC": now}, opened={key: opened}, low={key: low}, high={key: high}, **rest)


def sources(run: Run) -> list[str]:
    return [entry.delta.source for entry in run.engine.log.deltas if entry.delta.source is not DeltaSource.FUNDING]


def closes(run: Run) -> list[tuple[str, float]]:
    """(source, reference price) of the stops that were hit."""
    hit = {DeltaSource.STOP_LOSS, DeltaSource.TAKE_PROFIT}
    deltas = [entry.delta for entry in run.engine.log.deltas]
    return [(d.source, d.reference_price) for d in deltas if d.source in hit and d.reference_price is not None]


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


def follow(*signals: tuple[str, float, float] | None, **overrides: Any) -> Run:
    """A calm market and one signal per step."""
    return Run(free(**overrides), [at(ENTRY, signal=signal) for signal in signals]).go()


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


def flowing(amount: float) -> list[dict[str, Any]]:
    return [{"at": "2024-01-01T00:05:00Z", "amount": amount}]


def test_a_deposit_enlarges_and_a_withdrawal_reduces_the_position() -> None:
    """+50,000 USDT are one BTC more, -50,000 one less; levels stay those of the entry."""
    for amount, quantity, action in ((50_000.0, 3.0, "entry_partial"), (-50_000.0, 1.0, "exit_partial")):
        mode = frictionless(LINEAR_MODE, FULL | {"flows": flowing(amount)})
        run = Run(mode, [ENTRY, ENTRY, bar(50_000, 48_900, 50_000, 49_500)]).go(2)
        assert run.quantity(PERP) == quantity
        assert str(run.orders[-1].action) == action
        assert run.pnl.flow == amount
        assert closes(run.go()) == [("stop_loss", 49_000.0)]


@pytest.mark.parametrize("now", [LONG, HOLD, None, ("long", 0.9, 0.001)], ids=["long", "hold", "none", "calmer"])
@pytest.mark.parametrize(("amount", "quantity"), [(50_000.0, 1.2), (-50_000.0, 0.4), (-95_000.0, 0.04)])
def test_a_flow_changes_a_position_in_proportion_whatever_is_predicted_today(
    amount: float, quantity: float, now: tuple[str, float, float] | None
) -> None:
    """0.4 x 100,000 / 50,000 = 0.8 BTC at entry, and 0.4 of what there is after it, at any volatility now."""
    mode = frictionless(LINEAR_MODE, FULL | {"strategy.target_sd": 0.004, "flows": flowing(amount)})
    run = Run(mode, [ENTRY, *[at(ENTRY, signal=now)] * 3]).go()
    assert run.quantity(PERP) == pytest.approx(quantity, rel=1e-12)
    assert run.equity == pytest.approx(100_000.0 + amount, rel=1e-12)


def test_a_side_taken_while_money_is_on_its_way_out_is_sized_on_what_stays() -> None:
    """90,000 leave at once, 5,000 after the flip; the new side is 0.4 of the 5,000 that stay and is not cut again."""
    mode = frictionless(LINEAR_MODE, FULL | {"strategy.target_sd": 0.004, "flows": flowing(-95_000.0)})
    run = Run(mode, [ENTRY, *[at(ENTRY, signal=SHORT)] * 3]).go()
    assert run.quantity(PERP) == pytest.approx(-0.04, rel=1e-12)
    assert len(run.orders) == 2


def test_a_withdrawal_never_takes_the_margin_of_an_open_position() -> None:
    """3x on 100,000: a margin ratio of 25% of 300,000 stays, so 25,000 leave at once and the rest after a reduction."""
    mode = frictionless(LINEAR_MODE, FULL | {"strategy.max_position_size": 3.0, "flows": flowing(-80_000.0)})
    run = Run(mode, [ENTRY] * 4).go(2)
    assert run.pnl.flow == pytest.approx(-25_000.0, abs=1e-9)
    assert run.quantity(PERP) == pytest.approx(1.2, rel=1e-15), "3 x (100,000 - 80,000) / 50,000"
    run.go()
    assert run.equity == pytest.approx(20_000.0, abs=1e-9)
    assert run.engine.settlements.withdrawals == ()


def test_an_inverse_long_by_hand() -> None:
    """2 BTC at 50,000 buy 100,000 USD of contracts; at 51,000 they have earned 100,000 (1/50,000 - 1/51,000) BTC."""
    mode = frictionless(INVERSE_MODE, FULL | {"strategy.take_profit_sd": 9.0, "strategy.stop_loss_sd": 9.0})
    moved = Moment(prices={"BTC": 51_000.0}, signal=LONG, funding={"binance": 1e-3})
    run = Run(mode, [ENTRY, moved]).go()
    earned = 100_000.0 * (1 / 50_000.0 - 1 / 51_000.0)
    funding = -100_000.0 / 51_000.0 * 1e-3
    assert run.quantity(INVERSE) == 100_000.0
    assert run.quantity(COINS) == pytest.approx(2.0 + funding, abs=1e-14)
    assert run.pnl.equity == pytest.approx(2.0 + earned + funding, abs=1e-13)
    assert run.step_pnl(Category.DELTA) == pytest.approx(earned, abs=1e-13)
    assert run.step_pnl(Category.FUNDING) == pytest.approx(funding, abs=1e-15)
    exposure = run.engine.log.commits[-1].exposure
    assert exposure.asset_deltas == (pytest.approx(2.0 + funding + 2.0, abs=1e-13),), "holding two, long two more"
    assert exposure.excess_delta / 51_000.0 == pytest.approx(100_000.0 / 51_000.0, rel=1e-12)
    assert run.ratio("binance") == pytest.approx((2.0 + earned + funding) * 51_000.0 / 100_000.0, rel=1e-12)


def test_in_usd_an_inverse_book_is_explained_as_well() -> None:
    """2 BTC and a full short are worth 100,000 USD whatever the price: coins and contract cancel."""
    mode = frictionless(INVERSE_MODE, FULL | {"strategy.take_profit_sd": 9.0, "strategy.stop_loss_sd": 9.0})
    prices = [50_000.0, 53_000.0, 48_000.0]
    run = Run(mode, [Moment(prices={"BTC": price}, signal=SHORT) for price in prices]).go()
    assert run.quantity(INVERSE) == -100_000.0
    assert run.pnl.equity_usd == pytest.approx(100_000.0, abs=1e-9)
    assert run.pnl.equity == pytest.approx(100_000.0 / 48_000.0, rel=1e-14)
    attribution = run.engine.pnl_monitor.state()
    for parts, scale in ((attribution.attribution, 2.0), (attribution.attribution_usd, 100_000.0)):
        assert dict(zip(Category, parts, strict=True))[Category.RESIDUAL] == pytest.approx(0.0, abs=1e-12 * scale)


def test_an_inverse_stop_costs_coins() -> None:
    """Level 49,000; fee 5 bp of the coins traded, slippage of a 100,000 USD order 4 bp, both ways."""
    shipped = wired(INVERSE_MODE, FULL)
    run = Run(shipped, [ENTRY, bar(50_000, 40_000, 50_100, 45_000, key=INVERSE)]).go()
    entry = 50_000.0 * 1.0004
    fill = entry * 0.98 * (1.0 - 0.0004)
    coins = 2.0 + 100_000.0 * (1 / entry - 1 / fill) - 5e-4 * 100_000.0 * (1 / entry + 1 / fill)
    assert run.quantity(COINS) == pytest.approx(coins, abs=1e-13)
    assert run.pnl.equity == pytest.approx(coins, abs=1e-13)
    assert run.cumulative[Category.RESIDUAL] == pytest.approx(0.0, abs=1e-13)
    assert run.cumulative[Category.DELTA] == pytest.approx(100_000.0 * (1 / 50_000.0 - 1 / (entry * 0.98)), abs=1e-12)


def test_a_contract_counts_as_one_dollar_of_notional() -> None:
    mode = free(INVERSE_MODE)
    run = Run(mode, [ENTRY]).go()
    orders = build_tables(run.engine.log, mode.settings.universe, ["binance"])["orders"]
    assert orders["filled"].to_pylist() == orders["notional"].to_pylist() == [100_000.0]


@pytest.mark.parametrize("mode", [LINEAR_MODE, INVERSE_MODE])
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_run_that_is_interrupted_with_an_open_position_goes_on_bit_by_bit(mode: str, cut: int) -> None:
    key = INVERSE if mode == INVERSE_MODE else PERP
    moments: Sequence[Moment] = [
        ENTRY,
        bar(50_000, 49_800, 50_300, 50_100, key=key, signal=HOLD),
        bar(50_100, 49_700, 50_200, 49_900, key=key, funding={"binance": 1e-4}),
        bar(49_900, 48_000, 49_950, 48_500, key=key, signal=SHORT),
        bar(48_500, 48_400, 48_600, 48_450, key=key),
    ]
    shipped = wired(mode, FULL)
    whole = Run(shipped, moments).go()
    first = Run(shipped, moments[:cut]).go()
    saved = EngineState.from_json(first.engine.state().to_json(), source="a test")
    assert any(position.bracket for position in saved.positions.values())
    rest = Run(shipped, moments[cut:], start=START + cut * shipped.settings.step, state=saved).go()
    assert "stop_loss" in sources(rest)
    assert msgspec.json.encode(rest.engine.state()) == msgspec.json.encode(whole.engine.state())
