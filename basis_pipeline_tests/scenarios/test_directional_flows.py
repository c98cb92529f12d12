"""Deposits and withdrawals of a directional book."""

from __future__ import annotations

import pytest

from basis_pipeline_tests.builders import Run, at, frictionless
from basis_pipeline_tests.scenarios.directional import (
    ENTRY,
    FULL,
    HOLD,
    LINEAR_MODE,
    LONG,
    PERP,
    SHORT,
    bar,
    closes,
    flowing,
)


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
