"""A live week and the backtest of the same week agree up to costs that can be named (R49, R56)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from basis_pipeline.results.live_differences.differences import FEES, SLIPPAGE, TRANSFERS, Execution, LiveDifferences
from basis_pipeline_tests.live.week import compare, page, sample

PAGE = Path(__file__).parents[2] / "docs" / "live-versus-backtest.md"


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("week"))


@pytest.fixture(scope="module")
def made(validated: Path) -> LiveDifferences:
    return compare(validated)


def traded(sides: Iterable[Execution | None]) -> float:
    return sum(side.filled * (side.price or 0.0) for side in sides if side is not None)


@pytest.mark.slow
def test_both_lives_trade_the_same_and_are_paid_the_same_funding(made: LiveDifferences) -> None:
    live, backtest = made.counts()
    assert live == backtest - 1, "all but the transfer from the wallet"
    ours, theirs = (traded(sides) for sides in zip(*made.pairs, strict=True))
    assert ours == pytest.approx(theirs, rel=1e-4)
    funding = made.item("funding_pnl")
    assert funding.live == pytest.approx(funding.backtest, rel=1e-4)
    assert len(made.stamps) == 7 * 24


@pytest.mark.slow
def test_what_the_equity_differs_by_is_what_the_costs_differ_by(made: LiveDifferences) -> None:
    """The fee of the purchase is 0.1% of 1.331 BTC, kept in BTC: what it moves with the price is left over."""
    costs = sum(made.item(name).difference for name in (FEES, SLIPPAGE, TRANSFERS))
    assert made.difference == pytest.approx(costs, abs=5.0)
    assert abs(made.unnamed) < 1e-9
    assert made.widest_bp < 3.0


@pytest.mark.slow
def test_the_page_says_what_happens_today(validated: Path) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(validated), "run make live-week"
