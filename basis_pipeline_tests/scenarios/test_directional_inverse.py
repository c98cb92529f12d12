"""A directional book on the inverse contract, and restarts with either contract (G10)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from basis_pipeline.domain.records import CATEGORIES, Category
from basis_pipeline.domain.state import EngineState
from basis_pipeline.results.build import build_tables
from basis_pipeline_tests.builders import START, Moment, Run, frictionless, wired
from basis_pipeline_tests.scenarios.directional import (
    COINS,
    ENTRY,
    FULL,
    HOLD,
    INVERSE,
    INVERSE_MODE,
    LINEAR_MODE,
    LONG,
    PERP,
    SHORT,
    bar,
    free,
    sources,
)


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
        assert dict(zip(CATEGORIES, parts, strict=True))[Category.RESIDUAL] == pytest.approx(0.0, abs=1e-12 * scale)


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
