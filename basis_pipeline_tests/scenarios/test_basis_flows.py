"""Deposits and withdrawals of a basis book; by hand, without fees but where it says so.

The book is that of `basis_book`.
"""

from __future__ import annotations

import pytest

from basis_pipeline_tests.builders import Run, frictionless, steady, wired
from basis_pipeline_tests.scenarios.basis_book import (
    CALM,
    WALLET,
    flows,
    held,
)


def test_a_deposit_enlarges_both_legs() -> None:
    """110,000: 2/3 x 109,450 / 50,000 = 1.4593 = 875 + 583 lots."""
    run = Run(frictionless("btc_basis", flows(("02:00:00", 10_000.0))), steady(CALM, 4)).go()
    assert held(run) == pytest.approx([1.458, -0.875, -0.583])
    assert run.pnl.cumulative == pytest.approx(0.0, abs=1e-7)
    assert run.equity == pytest.approx(110_000.0, abs=1e-7)
    assert run.quantity(WALLET) >= 550.0


def test_a_withdrawal_takes_free_cash_first_and_the_rest_after_unwinding() -> None:
    """10,000 asked: the wallet's 533.33 at once, the rest one step later; 90,000 stay deployed: 716 + 477 lots."""
    run = Run(frictionless("btc_basis", flows(("02:00:00", -10_000.0))), steady(CALM, 5)).go()
    paid = [commit.pnl.flow for commit in run.engine.log.closing_commits]
    free = 100_000.0 - 99_500.0 / 3 - 1.326 * 50_000.0
    assert paid == pytest.approx([100_000.0, 0.0, -free, -(10_000.0 - free), 0.0], abs=1e-7)
    assert held(run) == pytest.approx([1.193, -0.716, -0.477])
    assert run.equity == pytest.approx(90_000.0, abs=1e-7)
    assert run.engine.settlements.withdrawals == ()
    assert run.quantity(WALLET) >= 449.0


def test_a_withdrawal_of_more_than_there_is_empties_the_book_and_is_closed() -> None:
    """The 50,000 that cannot be paid are reported once and do not take the deposit of the next morning."""
    asked = flows(("02:00:00", -150_000.0), ("06:00:00", 50_000.0))
    run = Run(frictionless("btc_basis", asked), steady(CALM, 60)).go(6)
    assert held(run) == [0.0, 0.0, 0.0]
    assert run.equity == pytest.approx(0.0, abs=1e-6)
    assert run.engine.settlements.withdrawals == ()
    assert run.reasons[-1].endswith("closed with 50000 USDT unpaid: the book is empty")
    assert run.pnl.cumulative == pytest.approx(0.0, abs=1e-6)
    run.go()
    assert held(run) == pytest.approx([0.663, -0.398, -0.265], abs=1.1e-3)
    assert run.equity == pytest.approx(50_000.0, abs=1e-6)


def test_an_emptied_book_with_costs_is_quiet() -> None:
    """What is too small to be moved home is not declined every day either."""
    run = Run(wired("btc_basis", flows(("02:00:00", -150_000.0))), steady(CALM, 80)).go()
    assert run.engine.settlements.withdrawals == ()
    assert run.equity < 25.0
    assert "the book is empty" in run.reasons[-1]
    assert sum("declined" in reason for reason in run.reasons) == 0


def test_a_book_that_was_emptied_is_entered_again_by_the_next_deposit() -> None:
    """Everything leaves to the last cent, so that no reference is left to measure a deviation from."""
    asked = flows(("02:00:00", -100_000.0), ("06:00:00", 50_000.0))
    run = Run(frictionless("btc_basis", asked), steady(CALM, 10)).go(6)
    assert run.equity == pytest.approx(0.0, abs=1e-9)
    run.go()
    assert run.reasons[-1] == "entry_full: no position yet"
    assert held(run) == pytest.approx([0.663, -0.398, -0.265], abs=1.1e-3)
    assert run.equity == pytest.approx(50_000.0, abs=1e-7)
