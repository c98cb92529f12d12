"""Inverse perpetuals against the figures that exchanges publish for theirs."""

from __future__ import annotations

import pytest

from basis_pipeline.domain.accounting import fill_inverse, inverse_funding, inverse_notional, inverse_pnl
from basis_pipeline.domain.valuation import inverse_liquidation_price


def test_bybits_example_of_a_long() -> None:
    """Bybit, "P&L calculations (Inverse Contracts)": 10,000 contracts from 8,000 to 12,500 USD earn 0.45 BTC."""
    assert inverse_pnl(10_000.0, 8_000.0, 12_500.0) == pytest.approx(0.45, abs=1e-15)


def test_a_short_of_the_same_contracts_loses_what_the_long_earns() -> None:
    assert inverse_pnl(-10_000.0, 8_000.0, 12_500.0) == pytest.approx(-0.45, abs=1e-15)


def test_coinlocallys_example_of_an_average_entry() -> None:
    """Coin-margined contracts, docs.coinlocally.com: 1,000 at 5,000 and 2,000 at 6,000 USD average 5,625."""
    first = fill_inverse(0.0, 0.0, 1_000.0, 5_000.0)
    assert first.entry_price == 5_000.0
    assert fill_inverse(*first[:2], 2_000.0, 6_000.0).entry_price == pytest.approx(5_625.0, abs=1e-9)


@pytest.mark.parametrize(("contracts", "mark", "coins"), [(1_000.0, 5_500.0, 0.01818), (-1_000.0, 4_500.0, 0.02222)])
def test_coinlocallys_examples_of_both_sides(contracts: float, mark: float, coins: float) -> None:
    """The same page, entry 5,000 USD; it prints 0.01819 and 0.02223 BTC, rounded up."""
    assert inverse_pnl(contracts, 5_000.0, mark) == pytest.approx(coins, abs=5e-6)


def test_bybits_bankruptcy_price_of_a_cross_margin_long() -> None:
    """Bybit, "How to calculate Liquidation Price (Inverse Contract)": 0.5 BTC and 10,000 contracts bought at 8,000 USD

    are bankrupt at 5,718.57 USD, where the closing fee of 0.075% takes the last coin.
    """
    assert inverse_liquidation_price(0.5, 10_000.0, 8_000.0, 0.00075) == pytest.approx(5_718.57, abs=5e-3)


def test_bybits_liquidation_price_of_an_isolated_short() -> None:
    """Bybit, "Liquidation Price under Isolated Mode": 60,000 USD short at 50,000, 10x, MMR 0.5% of the entry value.

    Liquidation price = quantity / (position value - (initial margin - maintenance margin)), 1.2, 0.12 and 0.006 BTC.
    """
    published = 60_000.0 / (1.2 - (0.12 - 0.006))
    assert inverse_liquidation_price(0.12 - 0.006, -60_000.0, 50_000.0, 0.0) == pytest.approx(published, rel=1e-15)
    assert published == pytest.approx(55_248.62, abs=5e-3)


@pytest.mark.parametrize("contracts", [60_000.0, -60_000.0])
def test_at_the_liquidation_price_the_margin_is_the_maintenance_margin(contracts: float) -> None:
    price = inverse_liquidation_price(0.3, contracts, 50_000.0, 0.05)
    balance = 0.3 + inverse_pnl(contracts, 50_000.0, price)
    assert balance == pytest.approx(0.05 * inverse_notional(contracts, price), rel=1e-12)


def test_a_fully_covered_short_is_never_liquidated() -> None:
    """One coin of margin for 50,000 USD sold at 50,000: the coins are worth the debt at any price."""
    assert inverse_liquidation_price(1.0, -50_000.0, 50_000.0, 0.05) == float("inf")


def test_a_short_receives_positive_funding_in_coins() -> None:
    assert inverse_funding(-50_000.0, 25_000.0, 1e-4) == pytest.approx(2e-4, abs=1e-18)


def test_reducing_and_flipping_realise_coins() -> None:
    """Long 30,000 at 30,000 USD: selling 10,000 at 40,000 realises 10,000 (1/30,000 - 1/40,000) = 1/12 BTC."""
    reduced = fill_inverse(30_000.0, 30_000.0, -10_000.0, 40_000.0)
    assert reduced == (20_000.0, 30_000.0, pytest.approx(1 / 12, abs=1e-15))
    flipped = fill_inverse(30_000.0, 30_000.0, -50_000.0, 40_000.0)
    assert flipped == (-20_000.0, 40_000.0, pytest.approx(0.25, abs=1e-15))
    assert fill_inverse(30_000.0, 30_000.0, -30_000.0, 40_000.0) == (0.0, 0.0, pytest.approx(0.25, abs=1e-15))
