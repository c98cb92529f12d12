"""Risk dimensions that need a history: drawdown of a unit of the book, trailing funding (E5, E6)."""

from __future__ import annotations

import pytest

from basis_pipeline_tests.builders import Moment, Run, at, frictionless, steady

CALM = Moment(prices={"BTC": 50_000.0})


def flows(*pairs: tuple[int, float]) -> dict[str, object]:
    return {"flows": [{"at": f"2024-01-01T{hour:02d}:00:00Z", "amount": amount} for hour, amount in pairs]}


def test_drawdown_is_of_a_unit_and_flows_do_not_move_it() -> None:
    """Funding takes 5% of the unit; a deposit and a withdrawal before and after leave that 5%."""
    charge = at(CALM, funding={"binance": -0.075, "bybit": -0.075})
    lost = 0.075 * 1.458 * 50_000.0 / 110_000.0
    moments = [*steady(CALM, 3), charge, *steady(CALM, 6)]
    run = Run(frictionless("btc_basis", flows((2, 10_000.0), (5, -20_000.0))), moments).go()
    drawdowns = [commit.risk.drawdown for commit in run.engine.log.closing_commits]
    assert drawdowns == pytest.approx([0.0] * 3 + [lost] * 7, abs=1e-9)


@pytest.mark.parametrize("capital", [5e-12, 1e-11, 1e-6])
def test_a_deposit_into_next_to_nothing_is_no_drawdown(capital: float) -> None:
    """(100,000.000000000005 - 100,000) / 5e-12 is 0 or 2.9 by rounding; neither is a loss of everything."""
    run = Run(frictionless("btc_basis", {"initial_capital": capital} | flows((2, 1e5))), steady(CALM, 5)).go()
    assert run.engine.state().strategy.halted == ""
    assert run.quantity("binance:BaseToken:BTC") == pytest.approx(1.326)
    assert run.engine.log.commits[-1].risk.drawdown == pytest.approx(0.0, abs=1e-6)


def test_trailing_funding_is_annualised_by_what_it_covers() -> None:
    """1 bp every eight hours on the notional is 3 x 365 bp a year, from the first figure on (six days)."""
    moments = [
        at(CALM, funding={"binance": 1e-4, "bybit": 1e-4}) if step % 8 == 0 and step else CALM for step in range(240)
    ]
    run = Run(frictionless("btc_basis"), moments).go()
    figures = [commit.risk.funding_apr for commit in run.engine.log.closing_commits]
    first = next(step for step, figure in enumerate(figures) if figure is not None)
    assert first == 8 + 6 * 24
    assert [figure for figure in figures if figure is not None] == pytest.approx([3 * 365e-4] * (240 - first))
    assert len(run.engine.risk_monitor.state.funding) == 21


def test_negative_trailing_funding_warns_and_below_its_floor_is_a_breach() -> None:
    """Half of the book is given up for it, once (E5); the breach stays on record while it lasts."""
    moments = [
        at(CALM, funding={"binance": -1e-4, "bybit": -1e-4}) if step % 8 == 0 and step else CALM for step in range(200)
    ]
    run = Run(frictionless("btc_basis"), moments).go()
    (finding,) = run.engine.log.commits[-1].risk.findings
    assert finding.dimension == "funding_apr"
    assert finding.level.name == "BREACH"
    assert finding.value == pytest.approx(-3 * 365e-4)
    assert [step for step in range(1, 200) if run.orders_at(step)] == [8 + 6 * 24]
