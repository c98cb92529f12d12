"""A live week and the backtest of the same week agree up to costs that can be named (R49, R56)."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline_tests.live.week import Comparison, compare, page, sample

PAGE = Path(__file__).parents[2] / "docs" / "live-versus-backtest.md"


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("week"))


@pytest.fixture(scope="module")
def made(validated: Path) -> Comparison:
    return compare(validated)


@pytest.mark.slow
def test_both_lives_trade_the_same_and_are_paid_the_same_funding(made: Comparison) -> None:
    assert made.live.orders == made.backtest.orders - 1, "all but the transfer from the wallet"
    assert made.live.traded == pytest.approx(made.backtest.traded, rel=1e-4)
    assert made.live.funding == pytest.approx(made.backtest.funding, rel=1e-4)
    assert len(made.live.equity) == len(made.backtest.equity) == 7 * 24


@pytest.mark.slow
def test_what_the_equity_differs_by_is_what_the_costs_differ_by(made: Comparison) -> None:
    """The fee of the purchase is 0.1% of 1.331 BTC, kept in BTC: what it moves with the price is left over."""
    costs = (made.backtest.fees + made.backtest.slippage) - (made.live.fees + made.live.slippage)
    assert made.live.equity[-1] - made.backtest.equity[-1] == pytest.approx(costs, abs=5.0)
    assert made.widest < 3e-4


@pytest.mark.slow
def test_the_page_says_what_happens_today(validated: Path) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(validated), "run make live-week"
