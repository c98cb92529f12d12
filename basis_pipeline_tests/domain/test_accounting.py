"""Bookkeeping formulas against published numbers."""

from __future__ import annotations

import math
from decimal import Decimal, getcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basis_pipeline.domain.accounting import (
    accrued_borrow_index,
    accrued_liquidity_index,
    fill_perp,
    funding_payment,
    unrealised_pnl,
)
from basis_pipeline.domain.timeline import DAY, HOUR, YEAR
from basis_pipeline.domain.valuation import (
    free_margin,
    health_factor,
    liquidation_price,
    margin_ratio,
    ratio_after_move,
    round_down,
    round_up,
    spot_fraction_for,
    withdrawable,
)


@pytest.mark.parametrize(
    ("maintenance_amount", "quantity", "entry", "rate", "published"),
    [(135_365.00, 3_683.979, 1_456.84, 0.10, 1_114.78), (16_300.0, 109.488, 32_481.98, 0.025, 18_778.73)],
)
def test_a_long_is_liquidated_where_binance_says(
    maintenance_amount: float, quantity: float, entry: float, rate: float, published: float
) -> None:
    """Isolated USD-M longs on a wallet balance of 1,535,443.01: figures of freqtrade's tests of Binance's formula
    (tests/exchange/test_exchange.py), the formula itself at
    https://www.binance.com/en/support/faq/detail/b3c689c1f50a44cabb3a84e663b81d93. Its maintenance amount stands for
    the lower tiers and adds to the balance.
    """
    balance = 1_535_443.01 + maintenance_amount
    assert liquidation_price(balance, quantity, entry, rate) == pytest.approx(published, abs=0.005)


@pytest.mark.parametrize(
    ("others", "maintenance_amount", "quantity", "entry", "rate", "published"),
    [
        (-71_200.81144 - 56_354.57, 135_365.00, 3_683.979, 1_456.84, 0.10, 1_153.26),
        (-356_512.508 - 448_192.89, 16_300.0, 109.488, 32_481.98, 0.025, 26_316.89),
    ],
)
def test_on_cross_margin_other_positions_count_in_the_balance(
    others: float, maintenance_amount: float, quantity: float, entry: float, rate: float, published: float
) -> None:
    """The same two longs on one cross wallet, from the same sources: each one's balance is lessened by the other's
    maintenance margin and unrealised loss (`others`).
    """
    balance = 1_535_443.01 + others + maintenance_amount
    assert liquidation_price(balance, quantity, entry, rate) == pytest.approx(published, abs=0.005)


def test_a_short_follows_the_same_formula_with_its_side() -> None:
    """LP = (WB - side x q x EP) / (q x MMR - side x q), side = -1, evaluated here in its published form."""
    balance, quantity, entry, rate = 33_166.67, 1.326, 50_000.0, 0.05
    published = (balance - (-1) * quantity * entry) / (quantity * rate - (-1) * quantity)
    assert liquidation_price(balance, -quantity, entry, rate) == pytest.approx(published, rel=1e-14)


@given(st.floats(100.0, 1e5), st.floats(0.01, 10.0), st.floats(100.0, 1e5), st.sampled_from([-1.0, 1.0]))
def test_at_the_liquidation_price_the_margin_balance_is_the_maintenance_margin(
    cash: float, size: float, entry: float, side: float
) -> None:
    price = liquidation_price(cash, side * size, entry, 0.05)
    if price > 0.0:
        balance = cash + unrealised_pnl(side * size, entry, price)
        assert balance == pytest.approx(0.05 * size * price, rel=1e-9, abs=1e-6 * entry)


def ray_compounded(rate: Decimal, seconds: int) -> Decimal:
    """Aave V3 MathUtils.calculateCompoundedInterest: binomial expansion to the third order over SECONDS_PER_YEAR.

    https://github.com/aave-dao/aave-v3-origin, src/contracts/protocol/libraries/math/MathUtils.sol
    """
    per_second = rate / Decimal(365 * 86_400)
    second = Decimal(seconds) * (seconds - 1) / 2 * per_second**2
    third = Decimal(seconds) * (seconds - 1) * (seconds - 2) / 6 * per_second**3
    return 1 + rate * seconds / Decimal(365 * 86_400) + second + third


@pytest.mark.parametrize(("rate", "elapsed"), [("0.0543", DAY), ("0.2260", DAY), ("0.0260", HOUR), ("0.347", 7 * DAY)])
def test_indices_accrue_as_aave_accrues_them(rate: str, elapsed: int) -> None:
    """Suppliers linearly and exactly; borrowers by compounding, whose third-order expansion is within 1e-9 of exp."""
    getcontext().prec = 50
    seconds = elapsed // 1_000_000
    linear = 1 + Decimal(rate) * seconds / Decimal(365 * 86_400)
    assert accrued_liquidity_index(1.05, float(rate), elapsed) == pytest.approx(1.05 * float(linear), rel=1e-15)
    compounded = float(ray_compounded(Decimal(rate), seconds))
    assert accrued_borrow_index(1.05, float(rate), elapsed) == pytest.approx(1.05 * compounded, rel=1e-9)
    assert accrued_borrow_index(1.0, float(rate), elapsed) > accrued_liquidity_index(1.0, float(rate), elapsed)


def test_a_year_of_borrowing_is_e_to_the_rate() -> None:
    assert accrued_borrow_index(1.0, 1.0, YEAR) == pytest.approx(math.e)
    assert accrued_liquidity_index(1.0, 0.05, YEAR) == pytest.approx(1.05)


def test_indices_and_health_factors_of_the_protocols_own_test_suite() -> None:
    """Figures of https://github.com/aave/aave-utilities, packages/math-utils/src: pool-math.test.ts and the test of
    calculateCompoundedInterest.

    YFI suppliers of block 11581421: 0.161316503206059870 scaled at a rate of 2.2461916953% for 1,918 seconds; one
    second of borrowing at 10.928%; a collateral of .1 against .05 and .03 at a threshold of 50%.
    """
    index = accrued_liquidity_index(1.001723339432542553527150680, 0.022461916953455574582370088, 1_918 * 1_000_000)
    assert 0.161316503206059870 * index == pytest.approx(0.161594727054623229, rel=1e-15)
    second = accrued_borrow_index(1.0, 0.109284236984257451326752610, 1_000_000)
    assert second - 1.0 == pytest.approx(3.465380421875236280e-9, rel=1e-6)
    assert health_factor(0.1 * 0.5, 0.05) == pytest.approx(1.0)
    assert health_factor(0.1 * 0.5, 0.03) == pytest.approx(1.66666666666666666667)


def test_health_factor_of_the_worked_example() -> None:
    collateral = 104.7619 * 1.0256 * 0.95
    assert health_factor(collateral, 52.941) == pytest.approx(1.928, abs=5e-4)
    assert health_factor(100.0, 0.0) is None


FILLS = st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.floats(10.0, 1e5)), min_size=1, max_size=12)


@given(FILLS, st.floats(10.0, 1e5))
def test_realised_and_unrealised_profit_are_what_cash_flows_say(fills: list[tuple[int, float]], mark: float) -> None:
    """Whatever the order of fills: value = sum of quantity x (mark - price), booked or not."""
    quantity = entry = realised = 0.0
    for change, price in fills:
        quantity, entry, gain = fill_perp(quantity, entry, float(change), price)
        realised += gain
    expected = math.fsum(change * (mark - price) for change, price in fills)
    assert realised + unrealised_pnl(quantity, entry, mark) == pytest.approx(expected, rel=1e-9, abs=1e-4)
    assert quantity == sum(change for change, _ in fills)
    if quantity == 0.0:
        assert entry == 0.0


@given(st.floats(-100.0, 100.0), st.floats(1.0, 1e5), st.floats(-0.01, 0.01))
def test_funding_moves_money_between_the_sides_and_makes_none(quantity: float, mark: float, rate: float) -> None:
    assert funding_payment(quantity, mark, rate) + funding_payment(-quantity, mark, rate) == 0.0


def test_unrealised_profit_is_not_withdrawable() -> None:  # decisions: Unrealised profit is not cash
    assert withdrawable(cash=1_000.0, margin_balance=5_000.0, notional=10_000.0, initial_margin=0.1) == 1_000.0
    assert withdrawable(cash=5_000.0, margin_balance=1_500.0, notional=10_000.0, initial_margin=0.1) == 500.0
    assert withdrawable(cash=5_000.0, margin_balance=500.0, notional=10_000.0, initial_margin=0.1) == 0.0
    assert free_margin(500.0, 10_000.0, 0.1) == -500.0


def test_margin_ratio_without_a_position_is_none() -> None:
    assert margin_ratio(100.0, 0.0) is None
    assert margin_ratio(100.0, 400.0) == 0.25


@pytest.mark.parametrize(
    ("spot_fraction", "ratio", "move_to_5_percent"),
    [(0.5, 1.0, 0.90), (0.6, 0.667, 0.59), (0.667, 0.5, 0.43), (0.75, 0.333, 0.27), (0.8, 0.25, 0.19)],
)
def test_the_table_of_spot_fractions(spot_fraction: float, ratio: float, move_to_5_percent: float) -> None:
    sized = (1.0 - spot_fraction) / spot_fraction
    assert sized == pytest.approx(ratio, abs=2e-3)
    assert spot_fraction_for(sized) == pytest.approx(spot_fraction)
    assert (sized - 0.05) / 1.05 == pytest.approx(move_to_5_percent, abs=0.01)
    assert ratio_after_move(sized, (sized - 0.05) / 1.05) == pytest.approx(0.05)


@given(st.floats(0.0, 1e6), st.sampled_from([0.0, 1e-5, 0.001, 0.01, 1.0]))
def test_rounding_to_lots_brackets_the_quantity(quantity: float, lot: float) -> None:
    below, above = round_down(quantity, lot), round_up(quantity, lot)
    noise = 2e-9 * max(lot, 1e-3) + 1e-12 * quantity
    assert below - noise <= quantity <= above + noise
    assert above - below <= lot + 1e-9
    if lot:
        assert abs(below / lot - round(below / lot)) < 1e-5


@given(st.integers(0, 10**7), st.sampled_from([1e-5, 0.001, 0.01]))
def test_a_multiple_of_a_lot_keeps_all_its_lots(lots: int, lot: float) -> None:
    assert round_down(lots * lot, lot) == pytest.approx(lots * lot, abs=1e-9)
    assert round_up(lots * lot, lot) == pytest.approx(lots * lot, abs=1e-9)
